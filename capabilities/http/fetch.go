package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/internal/scrub"
	"github.com/postern-sandbox/postern/policies"
)

// maxResponseHeaders bounds the headers of one response, those of informational ones before it included.
const maxResponseHeaders = 64 << 10

// A fetch is one call: its request, and those that redirects make of it.
type fetch struct {
	*family
	scope     policies.Scope
	secrets   []secret
	scrub     *scrub.Replacer
	transport *http.Transport
	ctx       context.Context // of the whole call; every connection is closed when it ends
	foreign   bool            // a redirect has left the first request's origin: no secret is sent any more
}

// errOwnTimeout is the cause of a context that ended because of the argument timeout.
var errOwnTimeout = errors.New("http: the argument timeout")

var errProtocol = errors.New("http: a response that answers no request of this kind")

// fetch makes a request and follows its redirects.
func (f *family) fetch(ctx context.Context, r *request, scope policies.Scope) (any, error) {
	var cancel context.CancelFunc
	own := ctx
	if r.timeout > 0 {
		own, cancel = context.WithTimeoutCause(ctx, r.timeout, errOwnTimeout)
	} else {
		own, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	secrets, err := secretsOf(scope)
	if err != nil {
		return nil, deny("secrets", "", "%s", err)
	}
	x := &fetch{family: f, scope: scope, secrets: secrets, scrub: newScrubber(secrets, f.Environment), ctx: own}
	x.transport = x.newTransport()
	defer x.transport.CloseIdleConnections()
	result, err := x.follow(r)
	if err == nil {
		return result, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if own.Err() != nil && errors.Is(context.Cause(own), errOwnTimeout) {
		return nil, capabilities.Raise("TimeoutError", "http.%s: no complete response within %v", lower(r.method), r.timeout)
	}
	return nil, x.explain(r, err)
}

// newTransport makes what connects for this call alone: connections are not shared with calls under another scope. It takes no
// proxy from the environment, sends no more than HTTP/1.1 needs, and decompresses nothing by itself.
func (x *fetch) newTransport() *http.Transport {
	d := &dialer{resolver: x.Resolver, private: privateOf(x.scope)}
	return &http.Transport{
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			conn, err := d.dial(x.ctx, host, port)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(x.ctx, func() { conn.Close() })
			return conn, nil
		},
		TLSClientConfig:        &tls.Config{RootCAs: x.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    30 * time.Second,
		DisableCompression:     true,
		DisableKeepAlives:      true, // and so nothing is read that no request has asked for
		MaxResponseHeaderBytes: maxResponseHeaders,
	}
}

// follow sends a request, and those to which redirects lead.
func (x *fetch) follow(r *request) (any, error) {
	most := int(x.scope.Number("redirects"))
	for n := 0; ; n++ {
		response, err := x.send(r)
		if err != nil {
			return nil, err
		}
		if response.StatusCode < 200 { // 101 to an upgrade that nobody asked for
			response.Body.Close()
			return nil, errProtocol
		}
		location := response.Header.Get("Location")
		if !redirects(response.StatusCode) || location == "" || !r.follow || most == 0 {
			defer response.Body.Close()
			return x.result(r, response)
		}
		response.Body.Close()
		if n == most {
			return nil, capabilities.Raise("http.TooManyRedirects", "more than %d redirects (redirects of [grant.http])", most)
		}
		next, err := r.redirected(response.StatusCode, location)
		if err != nil {
			return nil, err
		}
		if err := checkRequest(next, x.scope); err != nil {
			return nil, redirectDenied(err)
		}
		x.foreign = x.foreign || next.target.origin() != r.target.origin()
		r = next
	}
}

// send sends one request. Its response's body must be closed.
func (x *fetch) send(r *request) (*http.Response, error) {
	u, err := r.target.url()
	if err != nil {
		return nil, err
	}
	h := &http.Request{Method: r.method, URL: u, Host: u.Host, Header: r.headers.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if r.body != nil {
		h.Body, h.ContentLength = io.NopCloser(bytes.NewReader(r.body)), int64(len(r.body))
	}
	if len(r.body) == 0 && r.body != nil {
		h.Body = http.NoBody
	}
	if h.Header.Get("User-Agent") == "" {
		h.Header.Set("User-Agent", "postern")
	}
	if h.Header.Get("Range") == "" { // a range is of the bytes as they are sent
		h.Header.Set("Accept-Encoding", "gzip")
	}
	if err := x.addSecrets(h, r.target); err != nil {
		return nil, err
	}
	return x.transport.RoundTrip(h.WithContext(x.ctx))
}

// addSecrets adds the headers that are meant for a URL.
func (x *fetch) addSecrets(h *http.Request, t target) error {
	if x.foreign {
		return nil
	}
	for i := range x.secrets {
		s := &x.secrets[i]
		if h.Header.Get(s.header) != "" || !allMatch(s.urls, t.readings()) {
			continue
		}
		sent, _, err := s.value(x.Environment)
		if err != nil {
			return err
		}
		h.Header.Set(s.header, sent)
	}
	return nil
}

func allMatch(patterns []policies.Pattern, texts []string) bool {
	for _, text := range texts {
		if !policies.MatchAny(patterns, text) {
			return false
		}
	}
	return true
}

// explain makes an exception of what went wrong. Its text has no address of this machine or of its network, and no secret.
func (x *fetch) explain(r *request, err error) error {
	var raised *capabilities.PythonError
	var denied *capabilities.Denied
	var address *addressError
	switch {
	case errors.As(err, &raised):
		return raised
	case errors.As(err, &denied):
		denied.Reason = x.scrub.Text(denied.Reason)
		return denied
	case errors.As(err, &address):
		hint := ""
		if _, isAddress := netip.ParseAddr(address.host); isAddress != nil {
			hint = "a name with an address on the public internet, or one that private names"
		}
		return deny("private", hint, "%s", address.Error())
	}
	return &capabilities.PythonError{Type: "ConnectionError", Message: x.scrub.Text(r.target.origin() + ": " + cause(err))}
}
