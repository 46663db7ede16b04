package http_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	family "github.com/postern-sandbox/postern/capabilities/http"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/policies"
)

const token = `ghp_s3cr3t/"T0ken"+&x=`

func environment(name string) (string, bool) {
	v, ok := map[string]string{"TOKEN": token, "OTHER": "an-other-secret", "SHORT": "abc", "EMPTY": "", "BROKEN": "secret\r\nHost: x"}[name]
	return v, ok
}

// A server that shows the headers of a request in every way that one can think of.
func TestScrubbing(t *testing.T) {
	c, base := serve(t, everything+"\nsecrets = { Authorization = \"Bearer env:TOKEN\" }\nredirects = 0\n", func(w http.ResponseWriter, r *http.Request) {
		sent := r.Header.Get("Authorization")
		if sent != "Bearer "+token {
			t.Errorf("sent %q", sent)
		}
		switch r.URL.Path {
		case "/header":
			w.Header().Set("X-Echo", sent)
			w.Header().Set("Www-Authenticate", `Bearer realm="`+strings.ToUpper(token)+`"`)
		case "/header-name":
			w.Header()["X-"+strings.NewReplacer("/", "", `"`, "", "+", "", "&", "", "=", "").Replace(token)] = []string{"x"}
		case "/location":
			w.Header().Set("Location", "/?"+url.QueryEscape(token))
			w.WriteHeader(302)
		case "/plain":
			fmt.Fprintf(w, "<%s|%s>", sent, token)
		case "/twice":
			io.WriteString(w, strings.Repeat(token, 3))
		case "/json":
			fmt.Fprintf(w, `{"Authorization": %q}`, sent)
		case "/query":
			io.WriteString(w, url.QueryEscape(sent)+" "+url.PathEscape(token))
		case "/html":
			io.WriteString(w, "<pre>"+strings.NewReplacer(`"`, "&#34;", "&", "&amp;").Replace(token)+"</pre>")
		case "/hex":
			io.WriteString(w, hex.EncodeToString([]byte(token))+strings.ToUpper(hex.EncodeToString([]byte(sent))))
		case "/base64":
			for before := range 3 {
				fmt.Fprintln(w, base64.StdEncoding.EncodeToString([]byte("xyz"[:before]+token+"tail")), base64.URLEncoding.EncodeToString([]byte("xyz"[:before]+sent)))
			}
		case "/utf16":
			for _, c := range []byte(token) {
				w.Write([]byte{c, 0})
			}
			for _, c := range []byte(token) {
				w.Write([]byte{0, c})
			}
		case "/binary":
			io.WriteString(w, "\x00\xff"+token+"\x00")
		}
	})
	for _, path := range []string{"/header", "/location", "/plain", "/twice", "/json", "/query", "/html", "/hex", "/base64", "/utf16", "/binary"} {
		result := c.get(t, base+path)
		shown := strings.ReplaceAll(result.String(), "\x00", "")
		if content, ok := field(result, "content").(interface{ String() string }); ok {
			shown += content.String()
		}
		for _, part := range []string{"s3cr3t", "S3CR3T", hex.EncodeToString([]byte("s3cr3t")), "czNjcjN0", "M2NyM3", "zM2NyM3Q"} {
			if strings.Contains(shown, part) {
				t.Errorf("%s shows %s", path, shown)
			}
		}
		if !strings.Contains(shown, "[secret]") {
			t.Errorf("%s has no mark: %s", path, shown)
		}
	}
}

func TestSecretsInErrors(t *testing.T) {
	c, base := serve(t, everything+"\nsecrets = { Authorization = \"env:TOKEN\" }\n", func(w http.ResponseWriter, r *http.Request) {
		switch sent := r.Header.Get("Authorization"); r.URL.Path {
		case "/elsewhere":
			w.Header().Set("Location", "https://other.example/"+url.PathEscape(sent))
			w.WriteHeader(302)
		case "/scheme":
			w.Header().Set("Location", "ftp:"+strings.ReplaceAll(sent, `"`, ""))
			w.WriteHeader(302)
		case "/encoding":
			w.Header().Set("Content-Encoding", strings.NewReplacer("\"", "", "/", "").Replace(sent))
			io.WriteString(w, "x")
		}
	})
	for _, path := range []string{"/elsewhere", "/scheme", "/encoding"} {
		_, err := c.call(t.Context(), t, "get", base+path)
		if err == nil || path == "/elsewhere" && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Where secrets are sent.
func TestWhereSecretsGo(t *testing.T) {
	show := func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprintf(w, "%d %d", len(r.Header.Get("Authorization")), len(r.Header.Get("X-Api-Key")))
	}
	one, other := httptest.NewServer(http.HandlerFunc(show)), httptest.NewServer(http.HandlerFunc(show))
	defer one.Close()
	defer other.Close()
	all := fmt.Sprintf("private = [\"127.0.0.1\"]\nurls = [\"%s/**\", \"%s/**\"]\nheaders = [\"X-Token\"]\n", one.URL, other.URL)
	both, none, first, second := fmt.Sprintf("%d %d", len(token), len("an-other-secret")), "0 0", fmt.Sprintf("%d 0", len(token)), fmt.Sprintf("%d 0", len("an-other-secret"))
	for _, test := range []struct {
		name, secrets, url, want string
	}{
		{"its host", `{ Authorization = "env:TOKEN for ONE/**" }`, one.URL + "/a", first},
		{"another host", `{ Authorization = "env:TOKEN for ONE/**" }`, other.URL + "/a", none},
		{"its path", `{ Authorization = "env:TOKEN for ONE/api/**" }`, one.URL + "/api/a", first},
		{"another path", `{ Authorization = "env:TOKEN for ONE/api/**" }`, one.URL + "/web/a", none},
		{"out of its path", `{ Authorization = "env:TOKEN for ONE/api/**" }`, one.URL + "/api/../web", none},
		{"a separator that may be none", `{ Authorization = "env:TOKEN for ONE/api/*" }`, one.URL + "/api/a%2Fb", none},
		{"two headers", `{ Authorization = "env:TOKEN for ONE/**", X-Api-Key = "env:OTHER for ONE/**" }`, one.URL + "/a", both},
		{"by host", `{ Authorization = "env:TOKEN for ONE/**, env:OTHER for OTHER/**" }`, other.URL + "/a", second},
		{"a redirect on the host", `{ Authorization = "env:TOKEN for ONE/**" }`, one.URL + "/a?to=/b", first},
		{"a redirect to another host", `{ Authorization = "env:TOKEN for ONE/**" }`, one.URL + "/a?to=" + url.QueryEscape(other.URL+"/b"), none},
		{"a redirect to a host with one of its own", `{ Authorization = "env:TOKEN for ONE/**, env:OTHER for OTHER/**" }`, one.URL + "/a?to=" + url.QueryEscape(other.URL+"/b"), none},
		{"a redirect to its host", `{ Authorization = "env:TOKEN for ONE/**" }`, other.URL + "/a?to=" + url.QueryEscape(one.URL+"/b"), none},
		{"there and back", `{ Authorization = "env:TOKEN for ONE/**" }`, one.URL + "/a?to=" + url.QueryEscape(other.URL+"/b?to="+url.QueryEscape(one.URL+"/c")), none},
	} {
		c := caller{family.Config{Environment: environment}, all + "secrets = " + strings.NewReplacer("ONE", one.URL, "OTHER", other.URL, "env:OTHER", "env:OTHER").Replace(test.secrets)}
		if got := field(c.get(t, test.url), "text"); got != test.want {
			t.Errorf("%s: lengths %v, want %v", test.name, got, test.want)
		}
	}
	for secret, part := range map[string]string{"SHORT": "shorter than 8", "EMPTY": "not set", "MISSING": "not set", "BROKEN": "a character"} {
		c := caller{family.Config{Environment: environment}, all + `secrets = { Authorization = "env:` + secret + ` for ` + one.URL + `/**" }`}
		_, err := c.call(t.Context(), t, "get", one.URL+"/a")
		familytest.FailsWith(t, err, "RuntimeError", part)
		if _, err := c.call(t.Context(), t, "get", other.URL+"/a"); err != nil {
			t.Errorf("%s, where it is not sent: %v", secret, err)
		}
	}
	c := caller{family.Config{Environment: environment}, all + `secrets = { Authorization = "env:TOKEN" }`}
	_, err := c.call(t.Context(), t, "get", one.URL+"/a")
	familytest.IsDenied(t, err, "secrets", "must say for which URLs")
	c.scope = all + `secrets = { X-Secret = "env:TOKEN for ` + one.URL + `/**" }`
	c.scope = strings.Replace(c.scope, `["X-Token"]`, `["Range"]`, 1)
	_, err = c.call(t.Context(), t, "get", one.URL+"/a", "headers", dict("range", "bytes=0-3"))
	familytest.IsDenied(t, err, "secrets", "Range cannot be set")
	_, err = c.call(t.Context(), t, "get", other.URL+"/a?to="+url.QueryEscape(one.URL+"/b"), "headers", dict("range", "bytes=0-3"))
	familytest.IsDenied(t, err, "secrets", "a redirect leads there: the header Range cannot be set")
	if _, err = c.call(t.Context(), t, "get", other.URL+"/a", "headers", dict("range", "bytes=0-3")); err != nil {
		t.Error(err)
	}
	c.scope = all + `secrets = { X-Token = "env:TOKEN for ` + one.URL + `/**" }`
	_, err = c.call(t.Context(), t, "get", one.URL+"/a", "headers", dict("x-token", "mine"))
	familytest.IsDenied(t, err, "secrets", "the host sets X-Token")
}

func TestScopes(t *testing.T) {
	keys := family.Family(family.Config{}).Scopes
	for _, wrong := range []string{
		``, `urls = []`, `urls = ["ftp://a/**"]`, `urls = ["a.example"]`, `urls = "https://a.example/"`, `urls = ["https://A.example/"]`,
		`private = ["localhost"]`, `private = ["10.0.0.1/8"]`, `private = ["10.0.0"]`, `private = ["::ffff:10.0.0.0/104"]`, `private = ["fe80::1%eth0"]`, `private = ["*"]`,
		`headers = ["Host"]`, `headers = ["Content-Length"]`, `headers = ["Transfer-Encoding"]`, `headers = ["Connection"]`, `headers = ["Proxy-Authorization"]`, `headers = ["X-Forwarded-For"]`,
		`headers = ["content-type"]`, `headers = ["a b"]`, `headers = ["*"]`, `headers = ["X-Http-Method-Override"]`, `headers = ["Sec-Fetch-Site"]`, `headers = ["Te"]`, `headers = ["Upgrade"]`,
		`secrets = { Host = "env:A" }`, `secrets = { authorization = "env:A" }`, `secrets = { Authorization = "ghp_token" }`, `secrets = { Authorization = "$A" }`, `secrets = { Authorization = "env:" }`,
		`secrets = { Authorization = "env:A for a.example" }`, `secrets = { Authorization = "env:A for https://a b/" }`, `secrets = { Authorization = "env:A env:B" }`, `secrets = "env:A"`,
		`redirects = 21`, `redirects = -1`, `max_response = "8MiB"`, `max_response = 0`, `max_request = "1GiB"`, `verify = false`, `proxy = "http://a"`,
	} {
		text := wrong
		if !strings.Contains(text, "urls") && text != "" {
			text = "urls = [\"https://a.example/\"]\n" + text
		}
		if _, err := policies.ParseScope(keys, text); err == nil {
			// A key that is missing is an error of the grant, not of the scope alone.
			if text != "" {
				t.Errorf("%s: no mistake", wrong)
			}
		}
	}
}

func TestHeadersThatCodeSets(t *testing.T) {
	c, base := serve(t, everything+"\nheaders = [\"Accept\", \"Cookie\", \"Authorization\"]\n", echo)
	for _, name := range []string{
		"Host", "host", "Connection", "Content-Length", "content-length", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Keep-Alive", "Expect", "Proxy-Authorization", "Proxy-Connection", "proxy-anything",
		"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "Sec-Fetch-Site", "Sec-WebSocket-Key", "HTTP2-Settings", "Accept-Encoding",
		"Accept-Language", "Content-Type", "X-Api-Key", "Cookie2", "Referer", "Origin",
	} {
		_, err := c.call(t.Context(), t, "get", base+"/", "headers", dict(name, "x"))
		familytest.IsDenied(t, err, "headers", "")
	}
	got := field(c.get(t, base+"/", "headers", dict("cookie", "a=b", "authorization", "Basic x")), "text").(string)
	if !strings.Contains(got, "Cookie: a=b\n") || !strings.Contains(got, "Authorization: Basic x\n") {
		t.Errorf("headers that the grant names: %s", got)
	}
}
