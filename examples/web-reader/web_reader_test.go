package webreader_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	httpfamily "github.com/postern-sandbox/postern/capabilities/http"
	"github.com/postern-sandbox/postern/examples/internal/example"
	"github.com/postern-sandbox/postern/host"
)

const token = "the-token-of-the-reader"

// session makes a session under the policy of this folder, for a site at an address that the policy does not have.
func session(t *testing.T, address string) (*host.Session, *example.Records) {
	t.Helper()
	log := new(example.Records)
	return example.Session(t, "policy.toml", read(t, "policy.toml", address), log, httpfamily.Family(httpfamily.Config{
		Environment: func(name string) (string, bool) { return token, name == "READER_TOKEN" },
	})), log
}

func read(t *testing.T, file, address string) string {
	t.Helper()
	return strings.ReplaceAll(example.Read(t, file), "127.0.0.1:8000", address)
}

func TestAgent(t *testing.T) {
	files := http.FileServer(http.Dir("site"))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if private := strings.HasPrefix(r.URL.Path, "/private/"); (r.Header.Get("Authorization") == "Bearer "+token) != private {
			t.Errorf("%s has the header Authorization %q", r.URL, r.Header.Get("Authorization"))
		}
		files.ServeHTTP(w, r)
	}))
	defer site.Close()
	address := strings.TrimPrefix(site.URL, "http://")
	s, _ := session(t, address)
	result, err := s.Exec(t.Context(), read(t, "agent.py", address), host.ExecOptions{Filename: "agent.py"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `harbour.html: The harbour at low tide
tables.json: Tables for June
private/notes.txt: The gate is opened an hour before high water.
lost.html: 404
https://elsewhere.example/: not permitted: "https://elsewhere.example/" is not among urls
http://169.254.169.254/latest/meta-data/: not permitted: "http://169.254.169.254/latest/meta-data/" is not among urls
`
	if result.Error != nil || result.Stdout != want {
		t.Errorf("error %v, stdout:\n%s", result.Error, result.Stdout)
	}
}

// A site that means ill: nothing of the secret comes back, nowhere, and no redirect leads away.
func TestHostileSite(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/private/mirror":
			w.Header().Set("X-Seen", r.Header.Get("Authorization"))
			w.WriteHeader(403)
			w.Write([]byte("you sent " + r.Header.Get("Authorization")))
		case "/private/out":
			http.Redirect(w, r, "http://169.254.169.254/"+r.Header.Get("Authorization"), http.StatusFound)
		case "/big":
			w.Write(make([]byte, 300<<10))
		}
	}))
	defer site.Close()
	s, log := session(t, strings.TrimPrefix(site.URL, "http://"))
	result, err := s.Exec(t.Context(), "base = '"+site.URL+"/'\n"+`
import http
import postern
r = http.get(base + "private/mirror")
print(r, r.status_code, r.ok, r["status"] == r.status, r.headers["X-SEEN"], "x-seen" in r.headers, r.text, r.content)
try:
    r.raise_for_status()
except http.HTTPError as e:
    print(type(e).__mro__[1].__name__, e.response is r)
try:
    http.get(base + "private/out")
except postern.Denied as e:
    print(e.capability, "|", e.rule, "|", e.position, "|", e)
try:
    http.get(base + "big")
except http.TooLarge as e:
    print("too large:", e)
try:
    http.post(base)
except postern.Denied as e:
    print(e)
print(http.get, http.get.__signature__, tools)
r
`, host.ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(result.Stdout)
	for _, part := range []string{
		"/private/mirror> 403 False True Bearer [secret] True you sent Bearer [secret] b'you sent Bearer [secret]'", "OSError True", "http.get | grant.http | policy.toml:", "a redirect leads there",
		`larger than "256KiB"`, "http.post is not granted",
	} {
		if !strings.Contains(result.Stdout, part) {
			t.Errorf("stdout has no %q", part)
		}
	}
	if result.Error != nil {
		t.Errorf("error %v", result.Error)
	}
	for _, record := range log.Kept {
		if text := string(record.Arguments) + string(record.Result) + record.Detail + record.Reason; strings.Contains(text, token) {
			t.Errorf("a record has the secret: %s", text)
		}
	}
}
