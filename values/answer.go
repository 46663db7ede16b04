package values

// The answers to a host call. Each function appends one to dst and returns ErrTooLarge when it would be longer than limit
// bytes, like Append.

// AppendOK appends the answer {"ok": v}.
func AppendOK(dst []byte, v any, limit int) ([]byte, error) {
	e := encoder{dst: dst, base: len(dst), limit: limit}
	e.puts(`{"ok":`)
	err := e.value(v, 0)
	e.puts("}")
	return e.finish(err)
}

// AppendError appends the answer {"error": …}, which raises an exception of the class in Python. The attributes are set on
// the exception and may be nil.
func AppendError(dst []byte, class, message string, attributes map[string]any, limit int) ([]byte, error) {
	e := encoder{dst: dst, base: len(dst), limit: limit}
	e.puts(`{"error":{"type":`)
	err := e.text(class)
	err = e.field(err, "message", message)
	if len(attributes) > 0 && err == nil {
		// An attribute's name is never a tag, so this is not a dict value.
		comma := `,"attributes":{`
		for name, v := range DictOf(attributes).All() {
			e.puts(comma)
			comma = ","
			if err = e.textAnd(name.(string), ":"); err == nil {
				err = e.value(v, 0)
			}
			if err != nil {
				break
			}
		}
		e.puts("}")
	}
	e.puts("}}")
	return e.finish(err)
}

// Denied is what Python learns of a call that was denied.
type Denied struct {
	Capability string // "math.sqrt"
	Reason     string
	Rule       string // "grant.math"
	Position   string // "policy.toml:12:1"
	Message    string
}

// AppendDenied appends the answer {"denied": …}, which raises postern.Denied.
func AppendDenied(dst []byte, d Denied, limit int) ([]byte, error) {
	e := encoder{dst: dst, base: len(dst), limit: limit}
	e.puts(`{"denied":{"capability":`)
	err := e.text(d.Capability)
	err = e.field(err, "reason", d.Reason)
	err = e.field(err, "rule", d.Rule)
	err = e.field(err, "position", d.Position)
	err = e.field(err, "message", d.Message)
	e.puts("}}")
	return e.finish(err)
}

// AppendLimit appends the answer {"limit": …}, which raises postern.LimitExceeded for the named limit.
func AppendLimit(dst []byte, name, message string, limit int) ([]byte, error) {
	e := encoder{dst: dst, base: len(dst), limit: limit}
	e.puts(`{"limit":{"name":`)
	err := e.text(name)
	err = e.field(err, "message", message)
	e.puts("}}")
	return e.finish(err)
}

// field writes one more member of an object, unless something failed before.
func (e *encoder) field(err error, name, text string) error {
	if err != nil {
		return err
	}
	e.puts(`,"` + name + `":`)
	return e.text(text)
}

func (e *encoder) finish(err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if len(e.dst)-e.base > e.limit {
		return nil, ErrTooLarge
	}
	return e.dst, nil
}
