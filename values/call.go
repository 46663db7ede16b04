package values

// DecodeCall reads the request of a host call, {"args": [value, …], "kwargs": {name: value, …}}. Either may be missing.
// The order of the keyword arguments is kept. It is as strict as Decode.
func DecodeCall(src []byte) (args []any, kwargs []Keyword, err error) {
	d := decoder{src: src}
	if err := d.expect('{'); err != nil {
		return nil, nil, err
	}
	if d.peek() == '}' {
		d.pos++
		return nil, nil, d.end()
	}
	var haveArgs, haveKwargs bool
	for {
		d.peek()
		start := d.pos
		key, err := d.key()
		if err != nil {
			return nil, nil, err
		}
		switch {
		case key == "args" && !haveArgs:
			haveArgs = true
			d.peek()
			args, err = d.items(0) // an argument that is a list has depth 1
		case key == "kwargs" && !haveKwargs:
			haveKwargs = true
			kwargs, err = d.keywords()
		case key == "args" || key == "kwargs":
			err = d.failAt(start, "duplicate key")
		default:
			err = d.failAt(start, "unknown key in a call")
		}
		if err != nil {
			return nil, nil, err
		}
		if more, err := d.more('}'); err != nil {
			return nil, nil, err
		} else if !more {
			return args, kwargs, d.end()
		}
	}
}

// keywords reads an object whose keys are names, even if they begin with "$".
func (d *decoder) keywords() ([]Keyword, error) {
	if err := d.expect('{'); err != nil {
		return nil, err
	}
	if d.peek() == '}' {
		d.pos++
		return nil, nil
	}
	var names Dict
	var list []Keyword
	for {
		d.peek()
		start := d.pos
		name, err := d.key()
		if err != nil {
			return nil, err
		}
		if !names.insert(name, name, nil) {
			return nil, d.failAt(start, "duplicate key")
		}
		v, err := d.value(0)
		if err != nil {
			return nil, err
		}
		list = append(list, Keyword{name, v})
		if more, err := d.more('}'); err != nil {
			return nil, err
		} else if !more {
			return list, nil
		}
	}
}
