package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Records are encoded by hand, because a host call waits for two of them. The result is byte for byte that of encoding/json without escapes for
// HTML, which the tests hold it to.

// lineLimit is the most that one line may have: contents are bounded far below it, and readers refuse more.
const lineLimit = 32 << 20

var errRawJSON = errors.New("audit: a record's content is not JSON")

// appendBody appends the record without its number: all that stands behind `{"n":17,` in its line.
func (r *Record) appendBody(dst []byte, known *digests) ([]byte, error) {
	e := encoder{dst: dst}
	e.dst = append(e.dst, `"v":`...)
	e.dst = strconv.AppendInt(e.dst, Version, 10)
	e.time(`,"time":`, r.Time)
	e.name(`,"kind":`)
	e.string(string(r.Kind))
	e.text(`,"session":`, r.Session)
	e.integer(`,"exec":`, int64(r.Exec))
	e.integer(`,"call":`, int64(r.Call))
	e.text(`,"tool":`, r.Tool)
	e.integer(`,"within":`, int64(r.Within))
	e.digests(r, known)
	e.text(`,"policy_name":`, r.PolicyName)
	e.text(`,"policy_file":`, r.PolicyFile)
	e.versions(r.Versions)
	e.limits(r.Limits)
	e.labels(r.Labels)
	e.tools(r.Tools)
	e.text(`,"from":`, r.From)
	e.text(`,"entry":`, r.Entry)
	e.text(`,"input_digest":`, r.InputDigest)
	e.raw(`,"input":`, r.Input)
	e.text(`,"capability":`, r.Capability)
	e.text(`,"effects":`, r.Effects)
	e.text(`,"arguments_digest":`, r.ArgumentsDigest)
	e.raw(`,"arguments":`, r.Arguments)
	e.boolean(`,"allow":`, r.Allow)
	e.text(`,"reason":`, r.Reason)
	e.text(`,"rule":`, r.Rule)
	e.text(`,"position":`, r.Position)
	if r.CallsLeft != nil {
		e.always(`,"calls_left":`, *r.CallsLeft)
	}
	e.approval(r.Approval)
	e.text(`,"result_digest":`, r.ResultDigest)
	e.raw(`,"result":`, r.Result)
	e.integer(`,"result_bytes":`, int64(r.ResultBytes))
	e.raw(`,"answer":`, r.Answer)
	e.texts(`,"redacted":`, r.Redacted)
	e.text(`,"error":`, r.Error)
	e.text(`,"detail":`, r.Detail)
	e.integer(`,"duration_ns":`, int64(r.Duration))
	e.boolean(`,"ok":`, r.OK)
	e.text(`,"limit":`, r.Limit)
	e.text(`,"value_digest":`, r.ValueDigest)
	e.text(`,"stdout_digest":`, r.StdoutDigest)
	e.text(`,"stderr_digest":`, r.StderrDigest)
	e.usage(r.Usage)
	e.text(`,"withheld":`, r.Withheld)
	e.flag(`,"lost":true`, r.Lost)
	e.flag(`,"restored":true`, r.Restored)
	e.text(`,"log":`, r.Log)
	e.text(`,"next":`, r.Next)
	e.integer(`,"lost_bytes":`, r.LostBytes)
	e.integer(`,"lost_records":`, r.LostRecords)
	e.dst = append(e.dst, '}')
	if e.err == nil && len(e.dst)-len(dst) > lineLimit {
		e.err = fmt.Errorf("audit: a record of more than %d bytes", lineLimit)
	}
	return e.dst, e.err
}

// appendNumber appends what stands before the body.
func appendNumber(dst []byte, number int64) []byte {
	return append(strconv.AppendInt(append(dst, `{"n":`...), number, 10), ',')
}

// digests are the three that most records of a process have in common, with what they are in the line.
type digests struct {
	policy, guest, linked string
	encoded               []byte
}

func (e *encoder) digests(r *Record, known *digests) {
	if known != nil && known.encoded != nil && r.Policy == known.policy && r.Guest == known.guest && r.Linked == known.linked {
		e.dst = append(e.dst, known.encoded...)
		return
	}
	start := len(e.dst)
	e.text(`,"policy":`, r.Policy)
	e.text(`,"guest":`, r.Guest)
	e.text(`,"linked":`, r.Linked)
	if known != nil && r.Policy != "" {
		*known = digests{r.Policy, r.Guest, r.Linked, bytes.Clone(e.dst[start:])}
	}
}

type encoder struct {
	dst []byte
	err error
}

// name appends the name of a member. It comes as it stands in the line, `,"kind":`, since a record has twenty of them.
func (e *encoder) name(name string) { e.dst = append(e.dst, name...) }

func (e *encoder) text(name, value string) {
	if value != "" {
		e.name(name)
		e.string(value)
	}
}

func (e *encoder) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	e.name(name)
	open := byte('[')
	for _, value := range list {
		e.dst = append(e.dst, open)
		e.string(value)
		open = ','
	}
	e.dst = append(e.dst, ']')
}

func (e *encoder) integer(name string, value int64) {
	if value != 0 {
		e.always(name, value)
	}
}

func (e *encoder) always(name string, value int64) {
	e.name(name)
	e.dst = strconv.AppendInt(e.dst, value, 10)
}

func (e *encoder) boolean(name string, value *bool) {
	if value != nil {
		e.name(name)
		e.dst = strconv.AppendBool(e.dst, *value)
	}
}

func (e *encoder) flag(member string, set bool) {
	if set {
		e.dst = append(e.dst, member...)
	}
}

func (e *encoder) time(name string, value time.Time) {
	e.name(name)
	if year := value.Year(); year < 0 || year > 9999 {
		e.err = errors.New("audit: a record's time is out of range")
	}
	e.dst = append(e.dst, '"')
	e.dst = value.AppendFormat(e.dst, time.RFC3339Nano)
	e.dst = append(e.dst, '"')
}

// raw appends JSON that somebody else has encoded. It must be JSON and fit into one line, or the log would not be a log any more.
func (e *encoder) raw(name string, value json.RawMessage) {
	if len(value) == 0 {
		return
	}
	if !json.Valid(value) {
		e.err = fmt.Errorf("%w: %s", errRawJSON, strings.Trim(name, `,":`))
		return
	}
	e.name(name)
	if !spaced(value) {
		e.dst = append(e.dst, value...)
		return
	}
	compact := bytes.NewBuffer(e.dst)
	if err := json.Compact(compact, value); err != nil {
		e.err = fmt.Errorf("%w: %s", errRawJSON, strings.Trim(name, `,":`))
		return
	}
	e.dst = compact.Bytes()
}

// spaced reports whether there can be white space between the tokens. Spaces within strings look the same: then it is compacted for nothing.
func spaced(value []byte) bool {
	return bytes.IndexByte(value, ' ') >= 0 || bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\t') >= 0 || bytes.IndexByte(value, '\r') >= 0
}

func (e *encoder) versions(v *Versions) {
	if v == nil {
		return
	}
	e.name(`,"versions":`)
	e.dst = append(e.dst, `{"postern":`...)
	e.string(v.Postern)
	e.name(`,"go":`)
	e.string(v.Go)
	e.name(`,"wazero":`)
	e.string(v.Wazero)
	e.name(`,"extism":`)
	e.string(v.Extism)
	e.dst = append(e.dst, '}')
}

func (e *encoder) limits(l *Limits) {
	if l == nil {
		return
	}
	e.name(`,"limits":`)
	e.dst = append(e.dst, `{"wall_time_ns":`...)
	e.dst = strconv.AppendInt(e.dst, int64(l.WallTime), 10)
	e.always(`,"fuel":`, l.Fuel)
	e.always(`,"memory":`, l.Memory)
	e.always(`,"output":`, l.Output)
	e.always(`,"result":`, l.Result)
	e.always(`,"host_calls":`, l.HostCalls)
	e.dst = append(e.dst, '}')
}

func (e *encoder) labels(labels map[string]string) {
	if len(labels) == 0 {
		return
	}
	e.name(`,"labels":`)
	open := byte('{')
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		e.dst = append(e.dst, open)
		e.string(key)
		e.dst = append(e.dst, ':')
		e.string(labels[key])
		open = ','
	}
	e.dst = append(e.dst, '}')
}

func (e *encoder) tools(tools []Tool) {
	if len(tools) == 0 {
		return
	}
	e.name(`,"tools":`)
	open := byte('[')
	for _, t := range tools {
		e.dst = append(e.dst, open)
		e.name(`{"name":`)
		e.string(t.Name)
		e.text(`,"plugin":`, t.Plugin)
		e.text(`,"schema":`, t.Schema)
		e.dst = append(e.dst, '}')
		open = ','
	}
	e.dst = append(e.dst, ']')
}

func (e *encoder) approval(a *Approval) {
	if a == nil {
		return
	}
	e.name(`,"approval":`)
	e.dst = append(e.dst, `{"answer":`...)
	e.string(a.Answer)
	e.flag(`,"session":true`, a.Session)
	e.text(`,"by":`, a.By)
	e.text(`,"reason":`, a.Reason)
	e.always(`,"waited_ns":`, int64(a.Waited))
	e.dst = append(e.dst, '}')
}

func (e *encoder) usage(u *Usage) {
	if u == nil {
		return
	}
	e.name(`,"usage":`)
	e.dst = append(e.dst, `{"fuel":`...)
	e.dst = strconv.AppendInt(e.dst, u.Fuel, 10)
	e.name(`,"wall_ms":`)
	e.float(u.WallMS)
	e.always(`,"memory_bytes":`, u.MemoryBytes)
	e.always(`,"host_calls":`, u.HostCalls)
	e.dst = append(e.dst, '}')
}

// float writes as ECMAScript does, which is what encoding/json follows.
func (e *encoder) float(f float64) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		e.err = errors.New("audit: a record's number is not finite")
		return
	}
	format := byte('f')
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	e.dst = strconv.AppendFloat(e.dst, f, format, -1, 64)
	if n := len(e.dst); format == 'e' && n >= 4 && e.dst[n-4] == 'e' && e.dst[n-3] == '-' && e.dst[n-2] == '0' {
		e.dst = append(e.dst[:n-2], e.dst[n-1]) // e-09 is e-9
	}
}

const hexDigits = "0123456789abcdef"

// plain are the bytes that stand for themselves in a JSON string.
var plain = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

func (e *encoder) string(s string) {
	dst := append(e.dst, '"')
	start := 0
	for i := 0; i < len(s); {
		for i < len(s) && plain[s[i]] {
			i++
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[start:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	e.dst = append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
