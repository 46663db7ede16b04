package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// A request is what was decided about and what is sent. It does not change: a redirect makes another.
type request struct {
	method  string
	target  target
	headers http.Header // those that code sets, and the type of the body
	body    []byte
	timeout time.Duration // 0 is none of its own
	follow  bool
}

// String gives "GET https://api.example.com/v1?q=1".
func (r *request) String() string { return r.method + " " + r.target.full() }

const (
	maxHeaders     = 64
	maxHeaderBytes = 16 << 10 // of names and values together
	maxParams      = 1000
)

// decide is the family's Decide. Canonical is the *request; for arguments of wrong types, which reach nothing, it is the
// exception that the call raises.
func decide(call policies.ScopedCall) policies.Verdict {
	r, err := newRequest(call)
	if err == nil {
		err = checkRequest(r, call.Scope)
	}
	var raised *capabilities.PythonError
	var denied *capabilities.Denied
	switch {
	case errors.As(err, &raised):
		return policies.Verdict{Allow: true, Key: "urls", Reason: "the arguments make no request", Canonical: error(raised)}
	case errors.As(err, &denied):
		return denied.Verdict
	case err != nil:
		return policies.Verdict{Key: "urls", Reason: err.Error()}
	}
	return policies.Verdict{Allow: true, Key: "urls", Reason: "urls permits it", Canonical: r}
}

func newRequest(call policies.ScopedCall) (*request, error) {
	argument := func(name string) any {
		v, _ := call.Arguments.Lookup(name)
		return v
	}
	text, ok := argument("url").(string)
	if !ok {
		return nil, capabilities.Raise("TypeError", "url must be str, not %s", values.TypeName(argument("url")))
	}
	t, err := canonical(text)
	if err != nil {
		return nil, deny("urls", nearestURL(call.Scope, text), "%s: %q", err, cut(text))
	}
	r := &request{method: strings.ToUpper(call.Function), headers: http.Header{}}
	if r.target, err = withParams(t, argument("params")); err != nil {
		return nil, err
	}
	if r.follow, ok = argument("follow_redirects").(bool); !ok && argument("follow_redirects") != nil {
		return nil, capabilities.Raise("TypeError", "follow_redirects must be bool, not %s", values.TypeName(argument("follow_redirects")))
	}
	if r.timeout, err = timeoutOf(argument("timeout")); err != nil {
		return nil, err
	}
	kind, err := r.setBody(argument("data"), argument("json"), call.Scope.Number("max_request"))
	if err != nil {
		return nil, err
	}
	if err := r.setHeaders(argument("headers"), call.Scope); err != nil {
		return nil, err
	}
	if kind != "" && r.headers.Get("Content-Type") == "" {
		r.headers.Set("Content-Type", kind)
	}
	return r, nil
}

// checkRequest decides about a request whose target is in its canonical form: the first one, and that of each redirect.
func checkRequest(r *request, scope policies.Scope) error {
	patterns := scope.Patterns("urls")
	for _, reading := range r.target.readings() {
		if !policies.MatchAny(patterns, reading) {
			return deny("urls", nearestURL(scope, reading), "%q is not among urls", cut(reading))
		}
	}
	if _, err := r.target.url(); err != nil {
		return deny("urls", "", "%q cannot be requested as it was decided about", cut(r.target.full()))
	}
	if address, err := netip.ParseAddr(r.target.host); err == nil {
		if kind := denied(address, privateOf(scope)); kind != "" {
			return deny("private", strings.Join(scope.List("private"), ", "), "%q is %s", r.target.host, kind)
		}
	}
	secrets, err := secretsOf(scope)
	if err != nil {
		return deny("secrets", "", "%s", err)
	}
	// In parts of a response nobody recognises a secret that the server shows.
	if r.headers.Get("Range") != "" && slices.ContainsFunc(secrets, func(s secret) bool { return allMatch(s.urls, r.target.readings()) }) {
		return deny("secrets", "", "the header Range cannot be set where the host adds a secret")
	}
	return nil
}

func deny(key, nearest, format string, args ...any) error {
	return &capabilities.Denied{Verdict: policies.Verdict{Key: key, Reason: fmt.Sprintf(format, args...), Nearest: nearest}}
}

// nearestURL says what is permitted: all patterns if they are few.
func nearestURL(scope policies.Scope, text string) string {
	if list := scope.List("urls"); len(list) <= 3 {
		return strings.Join(list, ", ")
	}
	return policies.NearestPattern(scope.Patterns("urls"), text) + " and others"
}

// cut makes a text of the guest's or a server's fit for a message.
func cut(text string) string {
	const most = 200
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// withParams adds params to a URL's query.
func withParams(t target, params any) (target, error) {
	if params == nil {
		return t, nil
	}
	form, err := encodeForm("params", params)
	if err != nil || form == "" {
		return t, err
	}
	switch t.query {
	case "", "?":
		t.query = "?" + form
	default:
		t.query += "&" + form
	}
	if len(t.full()) > maxURL {
		return t, capabilities.Raise("ValueError", "the URL with params has more than %d bytes", maxURL)
	}
	return t, nil
}

// encodeForm encodes a dict as HTML forms are. A list gives a key several values; None is left out.
func encodeForm(name string, v any) (string, error) {
	d, ok := v.(*values.Dict)
	if !ok {
		return "", capabilities.Raise("TypeError", "%s must be a dict, not %s", name, values.TypeName(v))
	}
	var parts []string
	for key, value := range d.All() {
		k, ok := formText(key)
		if !ok {
			return "", capabilities.Raise("TypeError", "a key of %s must be str, not %s", name, values.TypeName(key))
		}
		members := []any{value}
		switch list := value.(type) {
		case values.List:
			members = list
		case values.Tuple:
			members = list
		}
		for _, member := range members {
			if member == nil {
				continue
			}
			text, ok := formText(member)
			if !ok {
				return "", capabilities.Raise("TypeError", "%s[%q] must be str, int, float or bool, not %s", name, cut(k), values.TypeName(member))
			}
			if parts = append(parts, url.QueryEscape(k)+"="+url.QueryEscape(text)); len(parts) > maxParams {
				return "", capabilities.Raise("ValueError", "%s has more than %d values", name, maxParams)
			}
		}
	}
	return strings.Join(parts, "&"), nil
}

func formText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, utf8.ValidString(v)
	case int64:
		return strconv.FormatInt(v, 10), true
	case *big.Int:
		return v.String(), v.BitLen() < 4096
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// timeoutOf reads seconds.
func timeoutOf(v any) (time.Duration, error) {
	var seconds float64
	switch v := v.(type) {
	case nil:
		return 0, nil
	case int64:
		seconds = float64(v)
	case float64:
		seconds = v
	default:
		return 0, capabilities.Raise("TypeError", "timeout must be a number of seconds, not %s", values.TypeName(v))
	}
	if !(seconds > 0) {
		return 0, capabilities.Raise("ValueError", "timeout must be more than 0 seconds")
	}
	return max(time.Duration(min(seconds, maxTimeout.Seconds())*float64(time.Second)), 1), nil
}

// setBody makes the body and gives its type, as far as it is known.
func (r *request) setBody(data, document any, most int64) (kind string, err error) {
	if data != nil && document != nil {
		return "", capabilities.Raise("TypeError", "data and json cannot be given together")
	}
	switch v := data.(type) {
	case nil:
	case string:
		if !utf8.ValidString(v) {
			return "", capabilities.Raise("ValueError", "data has a surrogate, which has no encoding")
		}
		r.body, kind = []byte(v), "text/plain; charset=utf-8"
	case values.Bytes:
		r.body, kind = bytes.Clone(v), "application/octet-stream"
	case values.ByteArray:
		r.body, kind = bytes.Clone(v), "application/octet-stream"
	case *values.Dict:
		form, err := encodeForm("data", v)
		if err != nil {
			return "", err
		}
		r.body, kind = []byte(form), "application/x-www-form-urlencoded"
	default:
		return "", capabilities.Raise("TypeError", "data must be str, bytes or a dict, not %s", values.TypeName(v))
	}
	if document != nil {
		if r.body, err = encodeJSON(document); err != nil {
			return "", err
		}
		kind = "application/json"
	}
	if int64(len(r.body)) > most {
		return "", deny("max_request", strconv.FormatInt(most, 10)+" bytes", "the body of the request has %d bytes", len(r.body))
	}
	return kind, nil
}

// encodeJSON is the json.dumps of the family json.
func encodeJSON(v any) ([]byte, error) {
	for _, c := range json.Family().Capabilities {
		if c.Spec().Function != "dumps" {
			continue
		}
		text, err := c.Call(context.Background(), &capabilities.Call{
			Args: []any{v}, Kwargs: []values.Keyword{{Name: "allow_nan", Value: false}},
		})
		if err != nil {
			return nil, err
		}
		return []byte(text.(string)), nil
	}
	return nil, errors.New("http: there is no json.dumps")
}

// setHeaders takes the headers that code may set.
func (r *request) setHeaders(v any, scope policies.Scope) error {
	if v == nil {
		return nil
	}
	d, ok := v.(*values.Dict)
	if !ok {
		return capabilities.Raise("TypeError", "headers must be a dict, not %s", values.TypeName(v))
	}
	if d.Len() > maxHeaders {
		return capabilities.Raise("ValueError", "more than %d headers", maxHeaders)
	}
	permitted, size := scope.List("headers"), 0
	for key, value := range d.All() {
		name, isText := key.(string)
		text, isTextToo := value.(string)
		if !isText || !isTextToo {
			return capabilities.Raise("TypeError", "headers must have names and values that are str, not %s and %s", values.TypeName(key), values.TypeName(value))
		}
		if size += len(name) + len(text); size > maxHeaderBytes {
			return capabilities.Raise("ValueError", "the headers have more than %d bytes", maxHeaderBytes)
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return capabilities.Raise("ValueError", "%q is not the name of a header", cut(name))
		}
		if name = canonicalHeader(name); forbidden(name) {
			return deny("headers", strings.Join(permitted, ", "), "%s is a header that only the host sets", cut(name))
		}
		if _, set := scope.Map("secrets")[name]; set {
			return deny("secrets", "", "the host sets %s; leave it out", cut(name))
		}
		if !slices.Contains(permitted, name) {
			return deny("headers", strings.Join(permitted, ", "), "%q is not among headers", cut(name))
		}
		if !utf8.ValidString(text) || !httpguts.ValidHeaderFieldValue(text) {
			return capabilities.Raise("ValueError", "the value of the header %s has a character that no header can have", name)
		}
		if _, twice := r.headers[name]; twice {
			return capabilities.Raise("ValueError", "the header %s is there twice", name)
		}
		r.headers[name] = []string{text}
	}
	return nil
}

func canonicalHeader(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// forbidden reports whether a header is about the connection or the message's frame, or changes what a server takes for the request's
// URL, method or sender: those are never the guest's to set. The name is in its canonical form.
func forbidden(name string) bool {
	return slices.Contains([]string{
		"Accept-Encoding", "Connection", "Content-Length", "Expect", "Forwarded", "Host", "Http2-Settings", "Keep-Alive", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Via", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url",
	}, name) || strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "X-Forwarded-")
}
