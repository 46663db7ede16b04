package policies

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Format returns a policy in the one form in which policies are written. What it means is not
// changed, and no comment is lost; to format twice gives the same. A policy with mistakes is not
// formatted: the error is that of [Parse].
//
//   - Tables stand in the order of the reference, and so do the keys of each table. Grants stay among themselves in the order in
//     which they were written, which can have its own sense, and so do tools and servers; what belongs to a tool follows it.
//   - There is one blank around "=", a blank line before each table, and at most one between keys.
//   - An array or inline table stays on one line or on several, as it was written; on several, what was on one line stays together.
//   - Comments behind values are aligned in lines that follow each other.
//
// A comment belongs to what stands below it, unless a blank line follows and none precedes: then to what stands above. The first comment of the file, up
// to a blank line, stays first, and so does a line that begins with "#:".
func Format(filename string, src []byte, vocab Vocabulary) ([]byte, error) {
	before, err := Parse(filename, src, vocab)
	if err != nil {
		return nil, err
	}
	s := &scanner{src: src}
	layout := s.document()
	layout.sort(vocab)
	out := layout.print()
	if s.lost {
		return nil, errors.New("policies: " + filename + ": the policy cannot be formatted")
	}
	// What is written back over somebody's policy must mean the same: this is the last place to notice.
	after, err := Parse(filename, out, vocab)
	if err != nil {
		return nil, fmt.Errorf("policies: the formatted policy would have mistakes: %w", err)
	}
	if a, b := before.meaning(), after.meaning(); a != b {
		return nil, errors.New("policies: the formatted policy would mean something else")
	}
	return out, nil
}

// meaning is all that a policy says, without its positions and digest.
func (p *Policy) meaning() string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%q %+v %+v %+v\n", p.Name, p.Limits, p.Python.Imports, p.Audit)
	for _, pack := range p.Python.Packages {
		fmt.Fprintf(&b, "%s\n", pack)
	}
	fmt.Fprintf(&b, "seed %d\n", p.Python.HashSeed)
	grants := func(list []Grant) {
		for i := range list {
			g := &list[i]
			fmt.Fprintf(&b, "%s %q %+v\n", g.Rule(), g.Functions, g.Terms)
			for _, c := range g.Conditions {
				fmt.Fprintf(&b, "%q\n", c.Text)
			}
			for _, name := range g.Scope.keys() {
				v := g.Scope.values[name]
				fmt.Fprintf(&b, "%s %q %q %d %t %q\n", name, v.Text, v.List, v.Number, v.Bool, v.Map)
			}
		}
	}
	grants(p.Grants)
	for i := range p.Tools {
		t := &p.Tools[i]
		fmt.Fprintf(&b, "%s %q %s %q %s %q %t %q %+v %+v\n", t.Name, t.Plugin, t.SHA256, t.Schema, t.SchemaSHA256, t.Functions, t.Stateful, t.Python.Imports, t.Limits, t.Terms)
		grants(t.Grants)
	}
	for i := range p.Servers {
		s := &p.Servers[i]
		fmt.Fprintf(&b, "%s %q %s %q %q %q %q %q %s %d %v %+v\n", s.Name, s.Command, s.Folder, s.URL, s.Env, s.EnvFrom, s.HeadersFrom, s.Functions,
			s.ToolsSHA256, s.MaxResponse, s.StartTimeout, s.Terms)
		for _, c := range s.Conditions {
			fmt.Fprintf(&b, "%q\n", c.Text)
		}
	}
	return b.String() + p.Base.meaning()
}

// A layout is a policy's text in its parts.
type layout struct {
	head     []string // the lines of the comment that stays first
	gap      bool     // a blank line follows it
	sections []*part  // the first is what stands before all headers
	tail     []string // comments behind everything
}

// A part is a header with its keys, or a key with its value.
type part struct {
	path  []string // of a key: from the root
	lead  []string // comment lines above; "" is a blank line
	blank bool     // a blank line stands before it
	text  string   // "[limits]", "fuel = 1"
	trail string   // the comment behind it
	foot  []string // comment lines below, which belong to it
	keys  []*part  // of a header
}

// A scanner takes apart a text that is valid TOML.
type scanner struct {
	src  []byte
	at   int
	lost bool // the text was not what a scanner can read; then nothing it made is used
}

func (s *scanner) document() *layout {
	root := &part{}
	l := &layout{sections: []*part{root}}
	section, last := root, (*part)(nil)
	var pending []string // comments and blank lines since the last part
	for s.at < len(s.src) && !s.lost {
		s.blanks()
		switch {
		case s.at >= len(s.src):
		case s.newline():
			pending = append(pending, "")
		case s.src[s.at] == '#':
			pending = append(pending, s.comment())
			s.newline()
		default:
			p := s.part(section)
			if len(l.head) == 0 && section == root && last == nil {
				l.head, pending, l.gap = splitHead(pending)
			}
			p.give(last, pending, false)
			pending = nil
			if p.keys != nil {
				section = p
				l.sections = append(l.sections, p)
			} else {
				section.keys = append(section.keys, p)
			}
			last = p
		}
	}
	if last != nil {
		end := &part{}
		end.give(last, pending, true)
		l.tail = end.lead
	} else {
		l.tail = trimBlank(pending)
	}
	return l
}

// splitHead takes the comments that stay first from those above the first part.
func splitHead(lines []string) (head, rest []string, gap bool) {
	lines = trimLeft(lines)
	end := 0
	for i, line := range lines {
		if line == "" || strings.HasPrefix(line, "#:") {
			end = i + 1
		}
	}
	head, rest = trimBlank(lines[:end]), lines[end:]
	return head, rest, end > 0 && lines[end-1] == ""
}

// give shares out the comments between two parts; at the end of the file there is no second one.
func (p *part) give(before *part, lines []string, end bool) {
	if before != nil && len(lines) > 0 && lines[0] != "" {
		i := slices.Index(lines, "")
		if i < 0 && end {
			i = len(lines)
		}
		if i > 0 {
			before.foot, lines = lines[:i], lines[i:]
		}
	}
	p.blank = len(lines) > 0 && lines[0] == ""
	p.lead = trimLeft(lines)
}

func trimLeft(lines []string) []string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	return squeeze(lines)
}

func trimBlank(lines []string) []string {
	lines = trimLeft(lines)
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// squeeze leaves one of several blank lines.
func squeeze(lines []string) []string {
	return slices.CompactFunc(slices.Clone(lines), func(a, b string) bool { return a == "" && b == "" })
}

func (s *scanner) blanks() {
	for s.at < len(s.src) && (s.src[s.at] == ' ' || s.src[s.at] == '\t') {
		s.at++
	}
}

func (s *scanner) newline() bool {
	n := len(newline(s.src[s.at:]))
	s.at += n
	return n > 0
}

func (s *scanner) comment() string {
	end := s.at + bytes.IndexByte(append(s.src[s.at:len(s.src):len(s.src)], '\n'), '\n')
	text := strings.TrimRight(string(s.src[s.at:end]), " \t\r")
	s.at = end
	return text
}

// part reads a header or a key with its value, to the end of its line.
func (s *scanner) part(section *part) *part {
	p := &part{}
	if s.src[s.at] == '[' {
		s.at++
		key, text := s.key(']')
		p.path, p.text, p.keys = key, "["+text+"]", []*part{}
	} else {
		key, text := s.key('=')
		s.blanks()
		p.path = slices.Concat(section.path, key)
		p.text = text + " = " + s.value(0)
	}
	s.blanks()
	if s.at < len(s.src) && s.src[s.at] == '#' {
		p.trail = s.comment()
	}
	if s.at < len(s.src) && !s.newline() {
		s.lost = true
	}
	return p
}

// key reads a dotted key and the character behind it.
func (s *scanner) key(end byte) (parts []string, text string) {
	for s.at < len(s.src) {
		s.blanks()
		from := s.at
		if c := s.peek(); c == '"' || c == '\'' {
			s.text()
		} else {
			for s.at < len(s.src) && !bytes.ContainsRune([]byte(" \t.=]\r\n"), rune(s.src[s.at])) {
				s.at++
			}
		}
		raw := string(s.src[from:s.at])
		name := keyName(raw)
		if bareKey(name) {
			raw = name
		}
		if parts = append(parts, name); text != "" {
			text += "."
		}
		text += raw
		s.blanks()
		if s.at >= len(s.src) || raw == "" {
			break
		}
		c := s.src[s.at]
		s.at++
		switch c {
		case '.':
			continue
		case end:
			return parts, text
		}
		break
	}
	s.lost = true
	return parts, text
}

func bareKey(name string) bool {
	return len(name) > 0 && pathKey(name) == name
}

// keyName is a key without its quotes.
func keyName(raw string) string {
	if !strings.HasPrefix(raw, `"`) && !strings.HasPrefix(raw, "'") {
		return raw
	}
	r := reader{doc: newDocument("", []byte(raw+" = 1")), report: func(int, string, string) {}}
	if !r.read() || len(r.doc.root.entries) != 1 {
		return raw
	}
	return r.doc.root.entries[0].name
}

func (s *scanner) peek() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}

// text reads a string of any of the four kinds and returns it as it is written.
func (s *scanner) text() string {
	from, quote := s.at, s.src[s.at]
	long := len(s.src) >= s.at+3 && s.src[s.at+1] == quote && s.src[s.at+2] == quote
	quotes := 1
	if long {
		quotes = 3
	}
	s.at += quotes
	for s.at < len(s.src) {
		switch c := s.src[s.at]; {
		case c == '\\' && quote == '"':
			s.at += 2
			continue
		case c == quote && !long:
			s.at++
			return string(s.src[from:s.at])
		case c == quote && bytes.HasPrefix(s.src[s.at:], []byte{quote, quote, quote}):
			s.at += 3
			for n := 0; n < 2 && s.peek() == quote; n++ { // the text itself may end in two quotes
				s.at++
			}
			return string(s.src[from:s.at])
		}
		s.at++
	}
	s.lost = true
	s.at = len(s.src)
	return string(s.src[from:])
}

const indent = "    "

// value reads a value and returns it in its form, for a line that is indented so deep.
func (s *scanner) value(depth int) string {
	switch c := s.peek(); {
	case c == '"' || c == '\'':
		return s.text()
	case (c == '[' || c == '{') && depth < maxDepth:
		return s.list(depth)
	}
	from := s.at
	for s.at < len(s.src) && !bytes.ContainsRune([]byte(",]}#\r\n"), rune(s.src[s.at])) {
		s.at++
	}
	text := strings.TrimRight(string(s.src[from:s.at]), " \t")
	if text == "" {
		s.lost = true
	}
	return text
}

// A row is a line of a list that is written on several.
type row struct {
	items   []string
	comment string
	blank   bool
}

// list reads an array or an inline table.
func (s *scanner) list(depth int) string {
	opening := s.src[s.at]
	closing := map[byte]byte{'[': ']', '{': '}'}[opening]
	s.at++
	rows := []row{{}}
	several := false
	for !s.lost {
		s.blanks()
		last := &rows[len(rows)-1]
		switch c := s.peek(); {
		case s.at >= len(s.src):
			s.lost = true
		case c == closing:
			s.at++
			return printList(rows, opening, closing, several, depth)
		case s.newline():
			several = true
			rows = append(rows, row{blank: len(rows) > 1 && last.items == nil && last.comment == ""})
		case c == '#':
			several = true
			last.comment = s.comment()
		case c == ',':
			s.at++
		case opening == '{':
			_, key := s.key('=')
			s.blanks()
			last.items = append(last.items, key+" = "+s.value(depth+1))
		default:
			last.items = append(last.items, s.value(depth+1))
		}
	}
	return ""
}

func printList(rows []row, opening, closing byte, several bool, depth int) string {
	margin := ""
	if opening == '{' {
		margin = " "
	}
	if !several {
		if len(rows[0].items) == 0 {
			return string(opening) + string(closing)
		}
		return string(opening) + margin + strings.Join(rows[0].items, ", ") + margin + string(closing)
	}
	var lines []line
	for _, r := range rows {
		if len(r.items) == 0 && r.comment == "" {
			continue
		}
		if r.blank && len(lines) > 0 {
			lines = append(lines, line{})
		}
		text := strings.Join(r.items, ", ")
		if text != "" {
			text += ","
		}
		lines = append(lines, line{text, r.comment})
	}
	if len(lines) == 0 {
		return string(opening) + string(closing)
	}
	var b strings.Builder
	b.WriteByte(opening)
	b.WriteByte('\n')
	writeLines(&b, lines, strings.Repeat(indent, depth+1))
	b.WriteString(strings.Repeat(indent, depth))
	b.WriteByte(closing)
	return b.String()
}

// A line is a text and the comment behind it; one without a text is a comment alone.
type line struct{ text, comment string }

// writeLines writes lines and aligns the comments of those that follow each other.
func writeLines(b *strings.Builder, lines []line, margin string) {
	for i := 0; i < len(lines); {
		end := i
		width := 0
		for end < len(lines) && lines[end].text != "" && lines[end].comment != "" && !strings.Contains(lines[end].text, "\n") {
			width = max(width, len([]rune(lines[end].text)))
			end++
		}
		if end == i {
			end = i + 1
		}
		for _, l := range lines[i:end] {
			text := l.text
			switch {
			case text == "" && l.comment == "":
				b.WriteByte('\n')
				continue
			case text == "":
				text = l.comment
			case l.comment != "":
				text += strings.Repeat(" ", max(width-len([]rune(text)), 0)+2) + l.comment
			}
			b.WriteString(margin + text + "\n")
		}
		i = end
	}
}

// sort brings sections and keys into the order of the reference.
func (l *layout) sort(vocab Vocabulary) {
	order := ranks(vocab)
	for _, s := range l.sections {
		order.meet(s.path)
		for _, k := range s.keys {
			order.meet(k.path)
		}
	}
	compare := func(a, b *part) int { return slices.Compare(order.rank(a.path), order.rank(b.path)) }
	slices.SortStableFunc(l.sections, compare)
	for _, s := range l.sections {
		slices.SortStableFunc(s.keys, compare)
	}
}

// An order knows at which place of the reference a key stands.
type order struct {
	places map[string]int // by path, with "*" for the name of a tool or server
	met    map[string]int // grants, tools and servers in the order of the file
}

// meet notes the grant, tool or server that a path leads to.
func (o *order) meet(path []string) {
	if len(path) < 2 || path[0] != "grant" && path[0] != "tool" && path[0] != "mcp" {
		return
	}
	if name := path[0] + "." + path[1]; o.met[name] == 0 {
		o.met[name] = len(o.met) + 1
	}
}

func ranks(vocab Vocabulary) *order {
	o := &order{places: map[string]int{}, met: map[string]int{}}
	place := func(path string, names []string) {
		for i, name := range names {
			o.places[path+name] = i + 1
		}
	}
	place("", rootKeys.names())
	place("limits.", limitKeys.names())
	place("python.", pythonKeys.names())
	place("audit.", auditKeys.names())
	place("tool.*.", toolKeys.names())
	place("tool.*.limits.", toolLimitKeys.names())
	place("mcp.*.", serverKeys.names())
	// What a table contains stands below what it says.
	o.places["tool.*.limits"], o.places["tool.*.grant"] = len(toolKeys)+1, len(toolKeys)+2
	for name, family := range vocab.Families {
		for _, prefix := range []string{"grant.", "tool.*.grant."} {
			keys := []string{"functions"}
			for i := range family.Scopes {
				keys = append(keys, family.Scopes[i].Name)
			}
			for _, key := range grantKeys.names() {
				if key != "functions" {
					keys = append(keys, key)
				}
			}
			place(prefix+name+".", keys)
		}
	}
	return o
}

// rank gives a text for each part of a path, in the order of which paths stand.
func (o *order) rank(path []string) []string {
	rank := make([]string, len(path))
	known := ""
	for i, name := range path {
		if i == 1 && o.met[known+name] > 0 {
			rank[i] = fmt.Sprintf("%04d", o.met[known+name])
			if path[0] != "grant" {
				name = "*"
			}
			known += name + "."
			continue
		}
		if at, ok := o.places[known+name]; ok {
			rank[i] = fmt.Sprintf("%04d", at)
		} else {
			rank[i] = name
		}
		known += name + "."
	}
	return rank
}

func (l *layout) print() []byte {
	var b strings.Builder
	comments := func(lines []string) {
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	comments(l.head)
	fresh := !l.gap // nothing is to be set apart from what stands above
	if len(l.head) == 0 {
		fresh = true
	}
	for i, s := range l.sections {
		if i > 0 || len(s.lead) > 0 {
			if !fresh && b.Len() > 0 {
				b.WriteByte('\n')
			}
			comments(s.lead)
			fresh = true
		}
		if s.text != "" {
			writeLines(&b, []line{{s.text, s.trail}}, "")
			comments(s.foot)
			fresh = len(s.foot) == 0
		}
		l.printKeys(&b, s.keys, fresh)
		if s.text != "" || len(s.keys) > 0 {
			fresh = false
		}
	}
	if len(l.tail) > 0 {
		if !fresh {
			b.WriteByte('\n')
		}
		comments(trimBlank(l.tail))
	}
	return []byte(b.String())
}

// printKeys prints the keys of a section. The first is not set apart from its header.
func (l *layout) printKeys(b *strings.Builder, keys []*part, fresh bool) {
	var lines []line
	for i, k := range keys {
		if i > 0 && (k.blank || len(keys[i-1].foot) > 0) || i == 0 && !fresh {
			lines = append(lines, line{})
		}
		for _, text := range k.lead {
			lines = append(lines, line{"", text})
		}
		lines = append(lines, line{k.text, k.trail})
		for _, text := range k.foot {
			lines = append(lines, line{"", text})
		}
	}
	writeLines(b, lines, "")
}
