package http_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/capabilities"
	family "github.com/postern-sandbox/postern/capabilities/http"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
)

// raw starts a server that writes what it likes on each connection, once it has read a request.
func raw(t *testing.T, scope string, answer func(conn net.Conn)) (caller, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					answer(conn)
				}
			}()
		}
	}()
	url := "http://" + listener.Addr().String()
	return caller{scope: "private = [\"127.0.0.1\"]\nurls = [\"" + url + "/**\"]\n" + scope}, url
}

// endlessly writes until the other side has had enough.
func endlessly(conn net.Conn, text string) {
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

// What comes at once, and is wrong.
func TestWrongResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, test := range []struct {
		name, answer string
		class, part  string
	}{
		{"nothing", "", "ConnectionError", "ended too early"},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "ConnectionError", "valid HTTP"},
		{"HTML without headers", "<html></html>", "ConnectionError", ""},
		{"half of the status", "HTTP/1.1 2", "ConnectionError", ""},
		{"a status that is none", "HTTP/1.1 abc OK\r\n\r\n", "ConnectionError", "valid HTTP"},
		{"a negative status", "HTTP/1.1 -20 OK\r\n\r\n", "ConnectionError", "valid HTTP"},
		{"another version", "HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", "", ""},
		{"half of the headers", ok + "Content-Ty", "ConnectionError", ""},
		{"a header without a colon", ok + "Content-Type text\r\n\r\n", "ConnectionError", "valid HTTP"},
		{"a header with a NUL", ok + "X: a\x00b\r\nContent-Length: 0\r\n\r\n", "ConnectionError", "valid HTTP"},
		{"a folded header", ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", "", ""},
		{"content-length too large", ok + "Content-Length: 10\r\n\r\nabc", "ConnectionError", "ended too early"},
		{"content-length too small", ok + "Content-Length: 2\r\n\r\nabcdef", "", "ab"},
		{"content-length negative", ok + "Content-Length: -1\r\n\r\nabc", "ConnectionError", "valid HTTP"},
		{"content-length no number", ok + "Content-Length: 0x10\r\n\r\nabc", "ConnectionError", "valid HTTP"},
		{"content-length beyond 64 bits", ok + "Content-Length: 99999999999999999999\r\n\r\nabc", "ConnectionError", "valid HTTP"},
		{"two content-lengths", ok + "Content-Length: 1\r\nContent-Length: 3\r\n\r\nabc", "ConnectionError", "valid HTTP"},
		{"content-length of a terabyte", ok + "Content-Length: 1099511627776\r\n\r\nabc", "http.TooLarge", "max_response"},
		{"an unknown transfer-encoding", ok + "Transfer-Encoding: rot13\r\n\r\nabc", "ConnectionError", "valid HTTP"},
		{"half of a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n10\r\nabc", "ConnectionError", "ended too early"},
		{"a chunk that is none", ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc", "ConnectionError", ""},
		{"a chunk of 2⁶⁴", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", "ConnectionError", ""},
		{"no gzip", ok + "Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnot a gzip!!", "ConnectionError", "gzip"},
		{"half of a gzip", ok + "Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + zipped(strings.Repeat("abc", 50))[:20], "ConnectionError", "ended too early"},
		{"a gzip with a wrong checksum", ok + "Content-Encoding: gzip\r\n\r\n" + wrongSum(zipped("abc")), "ConnectionError", "gzip"},
		{"an encoding that was not asked for", ok + "Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", "ConnectionError", `not asked for: "br"`},
		{"two encodings", ok + "Content-Encoding: gzip, gzip\r\nContent-Length: 3\r\n\r\nabc", "ConnectionError", "not asked for"},
		{"an upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nabc", "ConnectionError", "valid HTTP"},
		{"an early hint before it", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nab", "", "ab"},
		{"many headers", ok + strings.Repeat("X: "+strings.Repeat("a", 100)+"\r\n", 1000) + "\r\n", "ConnectionError", ""},
		{"one huge header", ok + "X: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "ConnectionError", ""},
		{"a huge status line", "HTTP/1.1 200 " + strings.Repeat("a", 1<<20) + "\r\n\r\n", "ConnectionError", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, url := raw(t, "", func(conn net.Conn) { io.WriteString(conn, test.answer) })
			result, err := c.call(t.Context(), t, "get", url+"/")
			if test.class != "" {
				familytest.FailsWith(t, err, test.class, test.part)
				if err != nil && strings.Contains(err.Error(), "->") {
					t.Errorf("the message shows this machine's address: %v", err)
				}
				return
			}
			if err != nil || field(result, "text") != test.part {
				t.Errorf("%v, %v; want %q", result, err, test.part)
			}
		})
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

func wrongSum(zip string) string { return zip[:len(zip)-8] + "\x00\x00\x00\x00" + zip[len(zip)-4:] }

// What would be more and more: limits end it.
func TestEndlessResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	bomb := zipped(strings.Repeat("\x00", 64<<20))
	for _, test := range []struct {
		name        string
		answer      func(net.Conn)
		class, part string
	}{
		{"an endless body", func(c net.Conn) { io.WriteString(c, ok+"\r\n"); endlessly(c, strings.Repeat("a", 1000)) }, "http.TooLarge", `larger than "64KiB"`},
		{"endless chunks", func(c net.Conn) {
			io.WriteString(c, ok+"Transfer-Encoding: chunked\r\n\r\n")
			endlessly(c, "3\r\nabc\r\n")
		}, "http.TooLarge", ""},
		{"endless headers", func(c net.Conn) { io.WriteString(c, ok); endlessly(c, "X: abc\r\n") }, "ConnectionError", ""},
		{"an endless header", func(c net.Conn) { io.WriteString(c, ok+"X: "); endlessly(c, "abc") }, "ConnectionError", ""},
		{"endless early hints", func(c net.Conn) { endlessly(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") }, "ConnectionError", ""},
		{"endless 100s", func(c net.Conn) { endlessly(c, "HTTP/1.1 100 Continue\r\n\r\n") }, "ConnectionError", ""},
		{"an endless status", func(c net.Conn) { endlessly(c, "HTTP/1.1 200 a") }, "ConnectionError", ""},
		{"a decompression bomb", func(c net.Conn) {
			fmt.Fprintf(c, ok+"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(bomb), bomb)
		}, "http.TooLarge", ""},
		{"a bomb in many members", func(c net.Conn) { io.WriteString(c, ok+"Content-Encoding: gzip\r\n\r\n"); endlessly(c, zipped("")) }, "http.TooLarge", ""},
		{"a gzip whose name is endless", func(c net.Conn) {
			io.WriteString(c, ok+"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x00")
			endlessly(c, "name")
		}, "", ""},
		{"endless redirects", func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n", time.Now().UnixNano())
		}, "http.TooManyRedirects", "more than 5"},
		{"a redirect with an endless body", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n")
			endlessly(c, "abc")
		}, "http.TooManyRedirects", ""},
		{"an endless trailer", func(c net.Conn) {
			io.WriteString(c, ok+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\na\r\n0\r\n")
			endlessly(c, "X: abc\r\n")
		}, "ConnectionError", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, url := raw(t, "max_response = \"64KiB\"\n", test.answer)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := c.call(ctx, t, "get", url+"/")
			if ctx.Err() != nil {
				t.Fatal("nothing ended it")
			}
			if test.class == "" {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			familytest.FailsWith(t, err, test.class, test.part)
		})
	}
}

// What never ends by itself: ctx does, and the argument timeout.
func TestSlowResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	wait := func(c net.Conn) { io.Copy(io.Discard, c) } // until the other side closes
	for name, answer := range map[string]func(net.Conn){
		"silence":                  wait,
		"half of a status":         func(c net.Conn) { io.WriteString(c, "HTTP/1.1 2"); wait(c) },
		"no end of headers":        func(c net.Conn) { io.WriteString(c, ok+"X: a\r\n"); wait(c) },
		"no body":                  func(c net.Conn) { io.WriteString(c, ok+"Content-Length: 5\r\n\r\n"); wait(c) },
		"half of a body":           func(c net.Conn) { io.WriteString(c, ok+"Content-Length: 5\r\n\r\nab"); wait(c) },
		"half of a chunk":          func(c net.Conn) { io.WriteString(c, ok+"Transfer-Encoding: chunked\r\n\r\n5\r\nab"); wait(c) },
		"half of a gzip":           func(c net.Conn) { io.WriteString(c, ok+"Content-Encoding: gzip\r\n\r\n\x1f\x8b"); wait(c) },
		"an early hint, and then?": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n"); wait(c) },
		"a byte at a time": func(c net.Conn) {
			io.WriteString(c, ok+"\r\n")
			for {
				if _, err := c.Write([]byte{'a'}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var open atomic.Int32
			c, url := raw(t, "", func(conn net.Conn) {
				open.Add(1)
				defer open.Add(-1)
				answer(conn)
			})
			// The connection, if there was time to make one, does not outlive the call.
			closed := func() {
				for begun := time.Now(); open.Load() > 0; time.Sleep(time.Millisecond) {
					if time.Since(begun) > 20*time.Second {
						t.Fatal("the connection is open still")
					}
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.call(ctx, t, "get", url+"/")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want the error of ctx", err)
			}
			closed()
			_, err = c.call(t.Context(), t, "get", url+"/", "timeout", 0.05)
			familytest.FailsWith(t, err, "TimeoutError", "no complete response within 50ms")
			closed()
		})
	}
}

// A resolver, and an address, that do not answer.
func TestSlowConnections(t *testing.T) {
	c := caller{family.Config{Resolver: stuck{}}, `urls = ["**"]`}
	_, err := c.call(t.Context(), t, "get", "http://api.example.com/", "timeout", 0.05)
	familytest.FailsWith(t, err, "TimeoutError", "")

	// Nobody speaks TLS behind this port.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c = caller{family.Config{}, "urls = [\"**\"]\nprivate = [\"127.0.0.1\"]"}
	_, err = c.call(t.Context(), t, "get", "https://"+listener.Addr().String()+"/", "timeout", 0.05)
	familytest.FailsWith(t, err, "TimeoutError", "")
}

type stuck struct{}

func (stuck) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	resolver := names{"example.com": addresses("127.0.0.1"), "other.example": addresses("127.0.0.1")}
	scope := "urls = [\"https://**:*/**\"]\nprivate = [\"127.0.0.1\"]\n"
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trusting, doubting := family.Config{Resolver: resolver, Roots: roots}, family.Config{Resolver: resolver}

	c := caller{trusting, scope}
	if got := field(c.get(t, "https://example.com:"+port+"/"), "text"); got != "fine" {
		t.Errorf("got %v", got)
	}
	_, err := c.call(t.Context(), t, "get", "https://other.example:"+port+"/")
	familytest.FailsWith(t, err, "ConnectionError", "certificate is not trusted")
	_, err = caller{doubting, scope}.call(t.Context(), t, "get", "https://example.com:"+port+"/")
	familytest.FailsWith(t, err, "ConnectionError", "certificate is not trusted")

	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.Config.ErrorLog = server.Config.ErrorLog
	old.StartTLS()
	defer old.Close()
	_, port, _ = strings.Cut(strings.TrimPrefix(old.URL, "https://"), ":")
	_, err = c.call(t.Context(), t, "get", "https://example.com:"+port+"/")
	familytest.FailsWith(t, err, "ConnectionError", "TLS")

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, port, _ = strings.Cut(strings.TrimPrefix(plain.URL, "http://"), ":")
	_, err = c.call(t.Context(), t, "get", "https://example.com:"+port+"/")
	familytest.FailsWith(t, err, "ConnectionError", "TLS")
}

// Where redirects may not lead.
func TestHostileRedirects(t *testing.T) {
	reached := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Errorf("reached %s", r.URL) }))
	defer reached.Close()
	var location string
	c, url := serve(t, `urls = ["%s/**", "http://[::1]/**", "http://intern.example/**", "http://169.254.169.254/**", "https://api.example.com/v1/**"]`, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{location}
		w.WriteHeader(307)
	})
	c.config.Resolver = names{"intern.example": addresses("10.0.0.1"), "api.example.com": addresses("192.168.0.1")}
	for _, test := range []struct{ location, key string }{
		{reached.URL + "/", "urls"}, {"//" + strings.TrimPrefix(reached.URL, "http://") + "/", "urls"},
		{strings.Replace(reached.URL, "http://", "HTTP://", 1), "urls"}, {strings.Replace(reached.URL, "127.0.0.1", "localhost", 1), "urls"},
		{strings.Replace(reached.URL, "127.0.0.1", "2130706433", 1), "urls"}, {strings.Replace(reached.URL, "127.0.0.1", "127.1", 1), "urls"},
		{strings.Replace(reached.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1), "urls"}, {strings.Replace(url, "http://", "https://", 1), "urls"},
		{"http://[::1]/", "private"}, {"http://intern.example/", "private"}, {"http://169.254.169.254/latest/meta-data/", "private"}, {"https://api.example.com/v1/x", "private"},
		{"https://api.example.com/v2/x", "urls"}, {"https://api.example.com/v1/../v2", "urls"}, {"https://api.example.com/v1/%2e%2e/v2", "urls"}, {"https://api.example.com/v1/..%2fv2", "urls"},
		{"file:///etc/passwd", "urls"}, {"ftp://api.example.com/v1/x", "urls"}, {"javascript:alert(1)", "urls"}, {"data:text/html,x", "urls"}, {"unix:/run/x", "urls"}, {"mailto:a@b.example", "urls"},
		{"https://user:pw@api.example.com/v1/x", "urls"}, {`https://api.example.com\@evil.example/v1/x`, "urls"}, {"https://api.example.com%40evil.example/v1/", "urls"},
		{"https://api.example.com:99999/v1/x", "urls"}, {"https://api.example.com:x/v1/x", "urls"}, {"https:///v1/x", "urls"}, {"http://", "urls"}, {"://", "urls"}, {"%zz", "urls"}, {"/%zz", "urls"}, {"/%c0%ae", "urls"}, {"/%00", "urls"},
		{"http://[::1%25eth0]/", "urls"}, {"/" + strings.Repeat("a", 9000), "urls"},
	} {
		location = test.location
		_, err := c.call(t.Context(), t, "get", url+"/")
		familytest.IsDenied(t, err, test.key, "")
	}
}

func TestRequestSizes(t *testing.T) {
	c, url := serve(t, everything+"\nmax_request = \"10B\"\nmax_response = \"10B\"\n", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})
	if got, err := c.call(t.Context(), t, "post", url+"/", "data", "0123456789"); err != nil || field(got, "text") != "0123456789" {
		t.Errorf("%v, %v", got, err)
	}
	for _, body := range []any{"0123456789a", strings.Repeat("é", 6), dict("0123456789", "")} {
		_, err := c.call(t.Context(), t, "post", url+"/", "data", body)
		familytest.IsDenied(t, err, "max_request", "has 1")
	}
	_, err := c.call(t.Context(), t, "post", url+"/", "json", strings.Repeat("a", 9))
	familytest.IsDenied(t, err, "max_request", "has 11 bytes")
	big, url := serve(t, everything+"\nmax_response = \"10B\"\n", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "0123456789a") })
	_, err = big.call(t.Context(), t, "get", url+"/")
	familytest.FailsWith(t, err, "http.TooLarge", `larger than "10B"`)
}

// The environment's proxy is not used.
func TestNoProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	c := caller{family.Config{Resolver: names{"api.example.com": addresses("127.0.0.9")}}, "urls = [\"**\"]\nprivate = [\"127.0.0.9\"]"}
	_, err := c.call(t.Context(), t, "get", "http://api.example.com:1/")
	familytest.FailsWith(t, err, "ConnectionError", "")
}

// A call that nobody decided does nothing.
func TestUndecided(t *testing.T) {
	for _, capability := range family.Family(family.Config{}).Capabilities {
		_, err := capability.Call(t.Context(), &capabilities.Call{Args: []any{"http://127.0.0.1/"}})
		familytest.FailsWith(t, err, "RuntimeError", "not decided")
	}
}
