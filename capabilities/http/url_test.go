package http_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// decided gives what a GET of a URL would request, "" if the scope denies it.
func decided(t testing.TB, scope, url string) (string, policies.Verdict) {
	t.Helper()
	_, verdict, err := caller{scope: scope}.decide(t, "get", &capabilities.Call{Args: []any{url}})
	if err != nil {
		t.Fatal(err)
	}
	if !verdict.Allow {
		return "", verdict
	}
	return strings.TrimPrefix(fmt.Sprint(verdict.Canonical), "GET "), verdict
}

func TestCanonicalURLs(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"https://example.com", "https://example.com/"},
		{"HTTPS://EXAMPLE.COM/A", "https://example.com/A"},
		{"https://example.com:443/", "https://example.com/"},
		{"http://example.com:80/", "http://example.com/"},
		{"http://example.com:443/", "http://example.com:443/"},
		{"https://example.com:/", "https://example.com/"},
		{"https://example.com:08443/", "https://example.com:8443/"},
		{"https://example.com./", "https://example.com/"},
		{"https://example.com?q", "https://example.com/?q"},
		{"https://example.com?", "https://example.com/?"},
		{"https://example.com/#@other.com/", "https://example.com/"},
		{"https://example.com#/../x", "https://example.com/"},
		{"https://example.com/a/../b/./c", "https://example.com/b/c"},
		{"https://example.com/a/b/..", "https://example.com/a/"},
		{"https://example.com/a/.", "https://example.com/a/"},
		{"https://example.com/../../a", "https://example.com/a"},
		{"https://example.com/%2e%2E/a", "https://example.com/a"},
		{"https://example.com/a/.%2e/b", "https://example.com/b"},
		{"https://example.com/%41%7e%2d", "https://example.com/A~-"},
		{"https://example.com/%c3%a4", "https://example.com/%C3%A4"},
		{"https://example.com/ä", "https://example.com/%C3%A4"},
		{"https://example.com/a b", "https://example.com/a%20b"},
		{"https://example.com/a//b", "https://example.com/a//b"},
		{"https://example.com/a%2fb", "https://example.com/a%2Fb"},
		{"https://example.com/a;b=c", "https://example.com/a;b=c"},
		{"https://example.com/[x]", "https://example.com/%5Bx%5D"},
		{"https://example.com/?a=b c&d=\"e\"", "https://example.com/?a=b%20c&d=%22e%22"},
		{"https://example.com/?a=%41%26", "https://example.com/?a=A%26"},
		{"https://example.com/?a=../..", "https://example.com/?a=../.."},
		{`https://example.com/?a=\`, "https://example.com/?a=%5C"},
		{"https://bücher.example/", "https://xn--bcher-kva.example/"},
		{"https://BÜCHER.example/", "https://xn--bcher-kva.example/"},
		{"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"},
		{"https://XN--BCHER-KVA.example/", "https://xn--bcher-kva.example/"},
		{"https://faß.example/", "https://xn--fa-hia.example/"},
		{"https://ｅｘａｍｐｌｅ.com/", "https://example.com/"},
		{"https://example。com/", "https://example.com/"},
		{"https://ex\u00adample.com/", "https://example.com/"},
		{"https://r3---sn-x.example.com/", "https://r3---sn-x.example.com/"},
		{"https://a_b.example.com/", "https://a_b.example.com/"},
		{"https://9.9.9.9/", "https://9.9.9.9/"},
		{"https://[2606:4700:0:0:0:0:0:1111]/", "https://[2606:4700::1111]/"},
		{"https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443/"},
		{"https://[2606:4700::ABCD]:443/", "https://[2606:4700::abcd]/"},
	} {
		got, verdict := decided(t, `urls = ["**"]`, test.url)
		if got != test.want {
			t.Errorf("%q: %q (%s), want %q", test.url, got, verdict.Reason, test.want)
		}
	}
}

// hostileURLs are none that this family would ever request, whatever is permitted.
var hostileURLs = []string{
	"", " ", "example.com", "/etc/passwd", "//example.com/", "https:example.com", "https:/example.com", "https:///example.com", "https://", "https://?", "https:///",
	"ftp://example.com/", "file:///etc/passwd", "file://example.com/etc", "gopher://example.com/", "data:text/html,x", "javascript://example.com/%0aalert(1)",
	"unix:///var/run/docker.sock", "jar:https://example.com/", "view-source:https://example.com/", "blob:https://example.com/", "ws://example.com/", "dict://example.com/",
	" https://example.com/", "https://exa mple.com/", "https://example.com /", "https://example.com\t/", "https://example.com\n/", "ht\ntps://example.com/", "https://example.com/\r\nHost: x",
	"https://example.com/\x00", "https://example.com\x00.evil.com/", "https://example.com/a\x7f", "https://example.com/\x1b[0m", "\x01https://example.com/",
	"https://user@example.com/", "https://user:pass@example.com/", "https://@example.com/", "https://:@example.com/", "https://example.com@evil.com/", "https://example.com:443@evil.com/",
	"https://example.com%40evil.com/", "https://ex%61mple.com/", "https://example.com%2f.evil.com/", "https://example.com%00/", "https://%65xample.com/",
	`https://example.com\@evil.com/`, `https://example.com\.evil.com/`, `https:\\example.com/`, `https://example.com\`, `https://evil.com\/example.com`,
	"https://example..com/", "https://.example.com/", "https://example.com../", "https://./", "https://../", "https://-/\x00", "https://" + strings.Repeat("a", 64) + ".com/",
	"https://" + strings.Repeat("a.", 130) + "com/", "https://example.com:0/", "https://example.com:65536/", "https://example.com:-1/", "https://example.com:+80/", "https://example.com:8o/",
	"https://example.com:80:80/", "https://example.com:0x50/", "https://example.com: 80/", "https://example.com:٤٤٣/", "https://example.com:99999999999999999999/",
	"https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/", "https://127.0.1/", "https://0177.0.0.1/", "https://127.0.0.0x1/", "https://127.0.0.01/",
	"https://127.0.0.1.1/", "https://1.2.3.256/", "https://1.2.3/", "https://0/", "https://0x/", "https://１２７.１/", "https://①②⑦.1/", "https://4294967297/", "https://1.2.3.4.5/", "https://foo.1/", "https://foo.0x1/",
	"https://[::1/", "https://::1/", "https://[::1]x/", "https://[::1%eth0]/", "https://[::1%25eth0]/", "https://[fe80::1%25lo]/", "https://[127.0.0.1]/", "https://[]/", "https://[:::]/", "https://[1::2::3]/", "https://[::g]/", "https://[v1.x]/", "https://x[::1]/", "https://[[::1]]/",
	"https://xn--a/", "https://xn--/", "https://xn--ls8h=/", "https://xn--0.example/", "https://a\u202eb.com/", "https://example\u2024\uff0ecom\u2100.evil/", "https://exam\ufffdple.com/", "https://\u2488.com/\x00", "https://a\u200db.com/",
	"https://ex!ample.com/", "https://ex$ample.com/", "https://ex'ample.com/", "https://ex(ample.com/", "https://exa,mple.com/", "https://<script>/", "https://exa^mple.com/", "https://exa|mple.com/", "https://*.example.com/", "https://**/",
	"https://example.com/%", "https://example.com/%2", "https://example.com/%zz", "https://example.com/?%", "https://example.com/?a=100%", "https://example.com/%u002e%u002e/",
	"https://example.com/a/..%2fb", "https://example.com/a/%2e%2e%2fb", "https://example.com/a/..%5cb", "https://example.com/a/%252e%252e/b", "https://example.com/a/%252e%252e%252fb", "https://example.com/a/%25252e%25252e/b",
	"https://example.com/a/..;/b", "https://example.com/a/..;x=y/b", "https://example.com/a/.;/b", "https://example.com/a/%2e%2e;/b", "https://example.com/a/..%3b/b", "https://example.com/a/b%2f..%2fc", "https://example.com/%2f..",
	"https://example.com/a/%c0%ae%c0%ae/b", "https://example.com/%c0%af", "https://example.com/%e0%80%ae", "https://example.com/%ff", "https://example.com/%00", "https://example.com/a%0d%0aHost:%20x", "https://example.com/%7f", "https://example.com/a%09",
	"https://example.com/\xff", "https://\xffexample.com/", "https://example.com/?\xc0\xae", "https://example.com/" + strings.Repeat("a", 9000),
}

func TestHostileURLs(t *testing.T) {
	for _, url := range hostileURLs {
		got, verdict := decided(t, `urls = ["**"]`, url)
		if got != "" || verdict.Key != "urls" || verdict.Reason == "" {
			t.Errorf("%q: requests %q (%s: %s)", url, got, verdict.Key, verdict.Reason)
		}
	}
}

func TestPermittedURLs(t *testing.T) {
	const scope = `urls = ["https://api.example.com/v1/**", "https://*.files.example.com/public/*", "http://local.example:8080/", "https://git.example/projects/*/issues"]`
	for _, test := range []struct {
		url     string
		permits bool
	}{
		{"https://api.example.com/v1", true},
		{"https://api.example.com/v1/", true},
		{"https://api.example.com/v1/a/b?q=1", true},
		{"https://API.example.com:443/v1/x", true},
		{"https://api.example.com./v1/x", true},
		{"https://api.example.com/v2/../v1/x", true},
		{"https://a.files.example.com/public/x", true},
		{"http://local.example:8080", true},
		{"https://git.example/projects/7/issues", true},

		{"http://api.example.com/v1/x", false},
		{"https://api.example.com:8443/v1/x", false},
		{"https://api.example.com:80/v1/x", false},
		{"https://api.example.com/v1/../v2", false},
		{"https://api.example.com/v1/..", false},
		{"https://api.example.com/v1/%2e%2e/v2", false},
		{"https://api.example.com/v1/..%2fv2", false},
		{"https://api.example.com/v1/..;/v2", false},
		{"https://api.example.com/v1x", false},
		{"https://api.example.com/V1/x", false},
		{"https://api.example.com/", false},
		{"https://api.example.com//v1/x", false},
		{"https://api.example.com.evil.com/v1/x", false},
		{"https://evil.com/https://api.example.com/v1/x", false},
		{"https://evil.com?https://api.example.com/v1/x", false},
		{"https://evil.com#https://api.example.com/v1/x", false},
		{"https://api.example.comevil/v1/x", false},
		{"https://xapi.example.com/v1/x", false},
		{"https://files.example.com/public/x", false},
		{"https://a.b.files.example.com/public/x", false},
		{"https://.files.example.com/public/x", false},
		{"https://a.files.example.com/public/x/y", false},
		{"https://a.files.example.com/public/x%2Fy", false},
		{"https://a.files.example.com/public/x%5Cy", false},
		{"https://a.files.example.com/public%2Fx", false},
		{"https://a.files.example.com/public/", false},
		{"https://git.example/projects/a%2Fb/issues", false},
		{"http://local.example/", false},
		{"http://local.example:8080/x", false},
		{"https://аpi.example.com/v1/x", false}, // a Cyrillic letter
		{"https://api.examp1e.com/v1/x", false},
		{"https://api.exämple.com/v1/x", false},
	} {
		got, verdict := decided(t, scope, test.url)
		if (got != "") != test.permits {
			t.Errorf("%q: requests %q (%s)", test.url, got, verdict.Reason)
		}
		if !test.permits && (verdict.Key != "urls" || !strings.Contains(verdict.Nearest, "://")) {
			t.Errorf("%q: %+v", test.url, verdict)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, url := range hostileURLs {
		f.Add(url)
	}
	for _, url := range []string{"https://api.example.com/v1/a%2Fb?c=d#e", "https://bücher.example/../v1", "http://[::1]:80/", "https://api.example.com/v1/..", "https://api.example.com:443/v1//x"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := decided(t, `urls = ["**"]`, text)
		narrow, _ := decided(t, `urls = ["https://api.example.com/v1/**"]`, text)
		if narrow != "" && narrow != got {
			t.Fatalf("%q is %q and %q", text, got, narrow)
		}
		if got == "" {
			return
		}
		if again, _ := decided(t, `urls = ["**"]`, got); again != got {
			t.Fatalf("%q: %q, and then %q", text, got, again)
		}
		u, err := url.Parse(got)
		if err != nil || u.User != nil || u.Fragment != "" || u.String() != got {
			t.Fatalf("%q: %q is %q to net/url (%v)", text, got, u, err)
		}
		for _, r := range got {
			if r <= ' ' || r >= 0x7f {
				t.Fatalf("%q: %q has %U", text, got, r)
			}
		}
		if narrow != "" {
			if u.Host != "api.example.com" || u.Scheme != "https" || u.Path != "/v1" && !strings.HasPrefix(u.Path, "/v1/") {
				t.Fatalf("%q is permitted as %q", text, got)
			}
			for segment := range strings.SplitSeq(u.Path, "/") {
				if segment == ".." || segment == "." {
					t.Fatalf("%q is permitted as %q", text, got)
				}
			}
		}
	})
}
