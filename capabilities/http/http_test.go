package http_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	family "github.com/postern-sandbox/postern/capabilities/http"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// names is a resolver that knows these names alone.
type names map[string][]netip.Addr

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if list, ok := n[host]; ok {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func addresses(list ...string) (all []netip.Addr) {
	for _, text := range list {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// A caller calls functions of the family as the gate does: under a scope, decided first.
type caller struct {
	config family.Config
	scope  string // as in a policy
}

func (c caller) decide(t testing.TB, function string, call *capabilities.Call) (capabilities.Capability, policies.Verdict, error) {
	t.Helper()
	described := family.Family(c.config)
	scope, err := policies.ParseScope(described.Scopes, c.scope)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := capabilities.NewRegistry(described)
	if err != nil {
		t.Fatal(err)
	}
	capability, ok := registry.Lookup("http." + function)
	if !ok {
		t.Fatalf("there is no http.%s", function)
	}
	signature, _ := registry.Signature("http." + function)
	bound, err := signature.Bind("http", function, call)
	if err != nil {
		return nil, policies.Verdict{}, err
	}
	verdict := described.Decide(policies.ScopedCall{Function: function, Arguments: bound, Scope: scope})
	call.Scope, call.Canonical = scope, verdict.Canonical
	return capability, verdict, nil
}

// call gives the result, or the error: a *capabilities.Denied or a *capabilities.PythonError.
func (c caller) call(ctx context.Context, t testing.TB, function, url string, keywords ...any) (*values.Dict, error) {
	t.Helper()
	call := &capabilities.Call{Args: []any{url}}
	for i := 0; i < len(keywords); i += 2 {
		call.Kwargs = append(call.Kwargs, values.Keyword{Name: keywords[i].(string), Value: keywords[i+1]})
	}
	capability, verdict, err := c.decide(t, function, call)
	if err != nil {
		return nil, err
	}
	if !verdict.Allow {
		return nil, &capabilities.Denied{Verdict: verdict}
	}
	result, err := capability.Call(ctx, call)
	if err != nil {
		return nil, err
	}
	// What crosses is what counts.
	encoded, err := values.Append(nil, result, 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := values.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return decoded.(*values.Dict), nil
}

// get is call of "get" that must not fail.
func (c caller) get(t testing.TB, url string, keywords ...any) *values.Dict {
	t.Helper()
	result, err := c.call(t.Context(), t, "get", url, keywords...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func field(d *values.Dict, name string) any {
	v, _ := d.Get(name)
	return v
}

func header(d *values.Dict, name string) string {
	text, _ := field(field(d, "headers").(*values.Dict), name).(string)
	return text
}

// serve starts a local server, which the grant names; %s in the scope is its URL.
func serve(t testing.TB, scope string, handler http.HandlerFunc) (caller, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return caller{config: family.Config{Environment: environment}, scope: strings.ReplaceAll("private = [\"127.0.0.1\"]\n"+scope, "%s", server.URL)}, server.URL
}

const everything = `urls = ["%s/**"]`

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s\n", r.Method, r.RequestURI)
	for _, name := range []string{"Content-Type", "Content-Length", "Accept", "User-Agent", "Cookie", "Authorization"} {
		if v := r.Header.Get(name); v != "" {
			fmt.Fprintf(w, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintf(w, "\n%s", body)
}

func dict(pairs ...any) *values.Dict {
	d := new(values.Dict)
	for i := 0; i < len(pairs); i += 2 {
		d.SetString(pairs[i].(string), pairs[i+1])
	}
	return d
}

func TestRequests(t *testing.T) {
	c, url := serve(t, everything, echo)
	for _, test := range []struct {
		function string
		path     string
		keywords []any
		want     string
	}{
		{"get", "/a", nil, "GET /a\nUser-Agent: postern\n\n"},
		{"get", "/a?x=1#part", nil, "GET /a?x=1\nUser-Agent: postern\n\n"},
		{"get", "/a b", nil, "GET /a%20b\nUser-Agent: postern\n\n"},
		{"get", "/ä?ö=ü", nil, "GET /%C3%A4?%C3%B6=%C3%BC\nUser-Agent: postern\n\n"},
		{"get", "/a", []any{"params", dict("q", "a b&c", "n", int64(3), "f", 1.5, "l", values.List{"x", true}, "none", nil)},
			"GET /a?q=a+b%26c&n=3&f=1.5&l=x&l=true\nUser-Agent: postern\n\n"},
		{"get", "/a?x=1", []any{"params", dict("y", "2")}, "GET /a?x=1&y=2\nUser-Agent: postern\n\n"},
		{"get", "/a", []any{"headers", dict("accept", "text/html", "user-agent", "agent/1")}, "GET /a\nAccept: text/html\nUser-Agent: agent/1\n\n"},
		{"delete", "/a", nil, "DELETE /a\nUser-Agent: postern\n\n"},
		{"post", "/a", nil, "POST /a\nContent-Length: 0\nUser-Agent: postern\n\n"},
		{"post", "/a", []any{"data", "text"}, "POST /a\nContent-Type: text/plain; charset=utf-8\nContent-Length: 4\nUser-Agent: postern\n\ntext"},
		{"post", "/a", []any{"data", ""}, "POST /a\nContent-Type: text/plain; charset=utf-8\nContent-Length: 0\nUser-Agent: postern\n\n"},
		{"put", "/a", []any{"data", values.Bytes("bytes")}, "PUT /a\nContent-Type: application/octet-stream\nContent-Length: 5\nUser-Agent: postern\n\nbytes"},
		{"post", "/a", []any{"data", dict("k", "v w")}, "POST /a\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 5\nUser-Agent: postern\n\nk=v+w"},
		{"patch", "/a", []any{"json", dict("k", values.List{int64(1), nil})}, "PATCH /a\nContent-Type: application/json\nContent-Length: 16\nUser-Agent: postern\n\n{\"k\": [1, null]}"},
		{"post", "/a", []any{"data", "<a/>", "headers", dict("content-type", "text/xml")}, "POST /a\nContent-Type: text/xml\nContent-Length: 4\nUser-Agent: postern\n\n<a/>"},
	} {
		result, err := c.call(t.Context(), t, test.function, url+test.path, test.keywords...)
		if err != nil {
			t.Errorf("%s %s: %v", test.function, test.path, err)
			continue
		}
		if got := field(result, "text"); got != test.want || field(result, "status") != int64(200) {
			t.Errorf("%s %s:\n%v\nwant\n%s", test.function, test.path, got, test.want)
		}
	}
}

func TestResponses(t *testing.T) {
	c, url := serve(t, everything, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/missing":
			w.WriteHeader(404)
			io.WriteString(w, "not here")
		case "/latin1":
			w.Header().Set("Content-Type", "text/plain; charset=ISO-8859-1")
			w.Write([]byte("caf\xe9"))
		case "/binary":
			w.Header().Set("Content-Type", "image/png")
			w.Write([]byte("\x89PNG\x00"))
		case "/nul":
			w.Write([]byte("a\x00b"))
		case "/headers":
			w.Header().Add("X-Many", "a")
			w.Header().Add("X-Many", "b")
			w.Header().Set("X-Old", "caf\xe9")
			w.Header().Set("Set-Cookie", "a=b")
		case "/empty":
			w.WriteHeader(204)
		case "/gzip-empty":
			w.Header().Set("Content-Encoding", "gzip")
		}
	})
	for path, want := range map[string]any{
		"/missing": "not here", "/latin1": values.Bytes("caf\xe9"), "/binary": values.Bytes("\x89PNG\x00"), "/nul": values.Bytes("a\x00b"),
		"/empty": "", "/gzip-empty": "",
	} {
		result := c.get(t, url+path)
		got := field(result, "text")
		if got == nil {
			got = field(result, "content")
		}
		if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", want, want) {
			t.Errorf("%s: %T %q, want %T %q", path, got, got, want, want)
		}
	}
	if status := field(c.get(t, url+"/missing"), "status"); status != int64(404) {
		t.Errorf("status %v", status)
	}
	result := c.get(t, url+"/headers")
	if header(result, "x-many") != "a, b" || header(result, "x-old") != "café" {
		t.Errorf("headers %v", field(result, "headers"))
	}
	// A cookie is shown, and not kept.
	echoing, url := serve(t, everything, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session=1")
		echo(w, r)
	})
	for range 2 {
		if got := field(echoing.get(t, url+"/"), "text").(string); strings.Contains(got, "Cookie") {
			t.Errorf("a cookie was kept: %s", got)
		}
	}
}

func TestRedirects(t *testing.T) {
	var requests atomic.Int32
	c, url := serve(t, everything+"\nredirects = 3\n", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		var status int
		if n, _ := fmt.Sscanf(r.URL.Path, "/to-echo/%d", &status); n == 1 {
			w.Header().Set("Location", "../echo?from=redirect#part")
			w.WriteHeader(status)
			return
		}
		switch r.URL.Path {
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/nowhere":
			w.WriteHeader(302)
		default:
			echo(w, r)
		}
	})
	for _, test := range []struct {
		function string
		status   int
		want     string
	}{
		{"get", 301, "GET"}, {"get", 302, "GET"}, {"get", 303, "GET"}, {"get", 307, "GET"}, {"get", 308, "GET"},
		{"post", 301, "GET"}, {"post", 302, "GET"}, {"post", 303, "GET"}, {"post", 307, "POST"}, {"post", 308, "POST"},
		{"put", 301, "PUT"}, {"put", 302, "PUT"}, {"put", 303, "GET"}, {"put", 307, "PUT"},
		{"delete", 302, "DELETE"}, {"delete", 303, "GET"},
	} {
		var keywords []any
		if test.function == "post" || test.function == "put" {
			keywords = []any{"data", "body"}
		}
		result, err := c.call(t.Context(), t, test.function, fmt.Sprintf("%s/to-echo/%d", url, test.status), keywords...)
		if err != nil {
			t.Errorf("%s %d: %v", test.function, test.status, err)
			continue
		}
		text := field(result, "text").(string)
		keeps := test.want == "POST" || test.want == "PUT"
		if !strings.HasPrefix(text, test.want+" /echo?from=redirect\n") || strings.Contains(text, "body") != keeps || strings.Contains(text, "Content-Type") != keeps {
			t.Errorf("%s %d: %s", test.function, test.status, text)
		}
		if field(result, "url") != url+"/echo?from=redirect" {
			t.Errorf("url %v", field(result, "url"))
		}
	}
	requests.Store(0)
	_, err := c.call(t.Context(), t, "get", url+"/loop")
	familytest.FailsWith(t, err, "http.TooManyRedirects", "more than 3 redirects")
	if n := requests.Load(); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	if result := c.get(t, url+"/nowhere"); field(result, "status") != int64(302) {
		t.Errorf("a redirect to nowhere: %v", result)
	}
	if result := c.get(t, url+"/loop", "follow_redirects", false); field(result, "status") != int64(302) || header(result, "location") != "/loop" {
		t.Errorf("not followed: %v", result)
	}
	c.scope = strings.Replace(c.scope, "redirects = 3", "redirects = 0", 1)
	if result := c.get(t, url+"/loop"); field(result, "status") != int64(302) {
		t.Errorf("with redirects = 0: %v", result)
	}
}

func TestTypesOfArguments(t *testing.T) {
	c, url := serve(t, everything, echo)
	for _, test := range []struct {
		name  string
		value any
		class string
	}{
		{"params", "q=1", "TypeError"}, {"params", dict("q", dict()), "TypeError"}, {"params", dict("q", 1i), "TypeError"},
		{"headers", values.List{"a"}, "TypeError"}, {"headers", dict("Accept", int64(1)), "TypeError"},
		{"headers", dict("Accept", "a\r\nHost: b"), "ValueError"}, {"headers", dict("Accept", "a\nb"), "ValueError"},
		{"headers", dict("Accept", "a\x00b"), "ValueError"}, {"headers", dict("Accept\r\nX", "b"), "ValueError"},
		{"headers", dict("Accept ", "b"), "ValueError"}, {"headers", dict("", "b"), "ValueError"}, {"headers", dict("Äccept", "b"), "ValueError"},
		{"headers", dict("accept", "a", "ACCEPT", "b"), "ValueError"}, {"headers", dict("Accept", strings.Repeat("a", 17<<10)), "ValueError"},
		{"data", int64(1), "TypeError"}, {"data", values.List{}, "TypeError"}, {"data", dict("a", values.Set{}), "TypeError"},
		{"json", values.Set{}, "TypeError"}, {"json", 1i, "TypeError"},
		{"timeout", "5", "TypeError"}, {"timeout", int64(0), "ValueError"}, {"timeout", -1.0, "ValueError"},
		{"follow_redirects", "no", "TypeError"}, {"verify", false, "TypeError"}, {"proxies", dict(), "TypeError"}, {"cookies", dict(), "TypeError"},
	} {
		_, err := c.call(t.Context(), t, "post", url+"/", test.name, test.value)
		familytest.FailsWith(t, err, test.class, "")
	}
	_, err := c.call(t.Context(), t, "post", url+"/", "data", "a", "json", "b")
	familytest.FailsWith(t, err, "TypeError", "together")
}
