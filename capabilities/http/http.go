// Package http is the capability family "http": requests to the URLs that a grant permits.
//
// A URL is brought into one canonical form, decided about in that form and requested in that form, and so is the target
// of each redirect. A host's name is looked up once, and the address that was looked at is the one that is connected to. Private,
// loopback, link-local and other addresses that are not on the public internet are refused unless the grant names them. TLS
// certificates are always verified; there is no proxy, and no cookie is kept. See docs/capabilities.md.
package http

import (
	"context"
	"crypto/x509"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// Config is what the family needs of its surroundings. The zero Config has the machine's own.
type Config struct {
	// Resolver looks up names; nil is net.DefaultResolver.
	Resolver Resolver

	// Roots are the certificate authorities that are trusted; nil are the system's.
	Roots *x509.CertPool

	// Environment looks up the variables of secrets; nil is os.LookupEnv.
	Environment func(name string) (string, bool)
}

// A family is the family at work. It does not change.
type family struct{ Config }

const (
	mib = 1 << 20

	// maxBody is the most that max_response and max_request can be: what crosses to the guest in any encoding.
	maxBody = 7 * mib
)

// Family gives the family.
func Family(config Config) capabilities.Family {
	f := &family{config}
	if f.Resolver == nil {
		f.Resolver = net.DefaultResolver
	}
	if f.Environment == nil {
		f.Environment = os.LookupEnv
	}
	described := capabilities.Family{
		Name:       "http",
		Doc:        "HTTP requests to the URLs that the policy permits",
		Scopes:     scopes(),
		Decide:     decide,
		Exceptions: map[string]string{"HTTPError": "OSError", "TooLarge": "OSError", "TooManyRedirects": "OSError"},
	}
	for _, m := range methods {
		signature, effects := "(url: str, *, "+options, capabilities.Reads
		if m.body {
			signature = "(url: str, data=None, *, json=None, " + options
		}
		if m.writes {
			effects |= capabilities.Writes
		}
		described.Capabilities = append(described.Capabilities, capabilities.New(capabilities.Spec{
			Family: "http", Function: m.name, Signature: signature, Doc: m.doc, Effects: effects,
		}, f.call))
	}
	return described
}

const options = "params: dict | None = None, headers: dict[str, str] | None = None, timeout=None, follow_redirects: bool = True)"

// methods are the functions. DELETE has no body: servers disagree about what one means.
var methods = []struct {
	name, doc    string
	body, writes bool
}{
	{name: "delete", doc: "Send a DELETE request.", writes: true},
	{name: "get", doc: "Send a GET request: r.status, r.headers, r.text, r.content, r.json()."},
	{name: "head", doc: "Send a HEAD request, whose response has no body."},
	{name: "patch", doc: "Send a PATCH request with data or json.", body: true, writes: true},
	{name: "post", doc: "Send a POST request with data (str, bytes, or a dict as a form) or json.", body: true, writes: true},
	{name: "put", doc: "Send a PUT request with data or json.", body: true, writes: true},
}

func scopes() []policies.ScopeKey {
	return []policies.ScopeKey{
		{
			Name: "urls", Type: policies.ScopeURLs, Doc: "Which URLs may be requested, by any of the functions.",
			Required: `write for example urls = ["https://api.example.com/v1/**"]`, Min: 1, Example: `["https://api.example.com/v1/**"]`,
			Check: checkURLPattern,
		},
		{
			Name: "private", Type: policies.ScopeStrings, Check: checkPrivate,
			Doc:     "Which addresses and networks may be reached although they are not on the public internet. That of a metadata service is named by itself.",
			Example: `["10.1.2.0/24", "127.0.0.1"]`,
		},
		{
			Name: "headers", Type: policies.ScopeStrings, Check: checkHeader,
			Doc:     "Which headers code may set.",
			Default: `["Accept", "Accept-Language", "Content-Type", "If-Match", "If-Modified-Since", "If-None-Match", "If-Unmodified-Since", "Range", "User-Agent"]`,
			Example: `["Accept", "Content-Type", "X-Request-Id"]`,
		},
		{
			Name: "secrets", Type: policies.ScopeMap, Check: checkSecret, CheckName: checkSecretHeader, Max: 20,
			Doc:     "Headers that the host adds, from variables of its environment that code does not see. Not sent where a redirect leads to another host.",
			Example: `{ Authorization = "Bearer env:API_TOKEN for https://api.example.com/**" }`,
		},
		{
			Name: "redirects", Type: policies.ScopeInt, Default: "5", Max: 20, Example: "0",
			Doc: "How many redirects of one request are followed. Each is decided like a request of its own. With 0 the redirect itself is the response.",
		},
		{
			Name: "max_response", Type: policies.ScopeSize, Default: "1MiB", Min: 1, Max: maxBody, Example: `"256KiB"`,
			Doc: "How large the body of a response may be, as it comes and when it is decompressed.",
		},
		{
			Name: "max_request", Type: policies.ScopeSize, Default: "1MiB", Max: maxBody, Example: `"64KiB"`,
			Doc: "How large the body of a request may be.",
		},
	}
}

// checkURLPattern refuses patterns that match no request.
func checkURLPattern(text string) (offset int, message, hint string) {
	scheme, _, ok := strings.Cut(text, "://")
	if text != "**" && (!ok || scheme != "https" && scheme != "http") {
		return 0, strconv.Quote(text) + ": requests are made by https and http alone", "write for example \"https://api.example.com/v1/**\""
	}
	return 0, "", ""
}

func checkPrivate(text string) (offset int, message, hint string) {
	if _, ok := parsePrivate(text); !ok {
		return 0, strconv.Quote(text) + " is neither an address nor a network", `write "10.1.2.3" or "10.1.2.0/24"`
	}
	return 0, "", ""
}

// checkHeader checks a name in headers.
func checkHeader(name string) (offset int, message, hint string) {
	if message, hint = headerMistake(name); message != "" {
		message = strconv.Quote(name) + " " + message
	}
	return 0, message, hint
}

// checkSecretHeader checks a name in secrets.
func checkSecretHeader(name string) (message, hint string) { return headerMistake(name) }

func headerMistake(name string) (message, hint string) {
	switch {
	case strings.Contains(name, "*"):
		return "has a wildcard; each header is named by itself", ""
	case !httpguts.ValidHeaderFieldName(name) || len(name) > 100:
		return "is not the name of a header", ""
	case name != canonicalHeader(name):
		return "is not written as headers are", "write \"" + canonicalHeader(name) + "\""
	case forbidden(name):
		return "is a header that only the host sets", ""
	}
	return "", ""
}

// call makes the request that decide has made of the arguments.
func (f *family) call(ctx context.Context, args capabilities.Arguments) (any, error) {
	switch r := args.Canonical().(type) {
	case error:
		return nil, r
	case *request:
		return f.fetch(ctx, r, args.Scope())
	}
	return nil, capabilities.Raise("RuntimeError", "http: the call was not decided")
}

// maxTimeout bounds the argument timeout.
const maxTimeout = 24 * time.Hour
