package mcpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/policies"
)

// An endpoint is a server that is reached over streamable HTTP.
type endpoint struct {
	mcp.StreamableClientTransport

	guard   *guard
	headers map[string]string
	carrier *http.Transport

	mu  sync.Mutex
	why error // of the last request that failed
}

const (
	// slack is how many bytes of an answer over HTTP can be messages that are not the answer, as of progress.
	slack = 1 << 20

	// maxResumptions is how often an answer that has broken off is gone on with.
	maxResumptions = 2
)

func newEndpoint(server *policies.Server, config Config) (*endpoint, error) {
	e := &endpoint{headers: make(map[string]string)}
	for name, text := range server.HeadersFrom {
		source, _ := policies.ParseHeaderSource(text) // the policy has checked it
		value, ok := config.Environment(source.Variable)
		switch value = strings.TrimSpace(value); {
		case !ok || value == "":
			return nil, &hinted{fmt.Errorf("the variable %s, which headers_from names for %s, is not set", source.Variable, name), "set it in the environment that postern is started with"}
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			return nil, fmt.Errorf("the variable %s, which headers_from names for %s, has a character that no header can have", source.Variable, name)
		}
		e.headers[name] = strings.TrimSpace(source.Scheme + " " + value)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	e.carrier = &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: config.Roots}, TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 90 * time.Second,
	}
	e.StreamableClientTransport = mcp.StreamableClientTransport{
		Endpoint: server.URL, MaxRetries: maxResumptions, DisableStandaloneSSE: true, MaxEventSize: int(max(maxList, server.MaxResponse+envelope)),
		HTTPClient: &http.Client{
			Transport:     e,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return e, nil
}

func (e *endpoint) start(g *guard) error {
	e.guard = g
	return nil
}

// RoundTrip sends a request with the headers of the policy, and bounds what comes back.
func (e *endpoint) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	for name, value := range e.headers {
		request.Header.Set(name, value)
	}
	if version := e.guard.protocol(); version != "" {
		request.Header.Set("Mcp-Protocol-Version", version)
	}
	response, err := e.carrier.RoundTrip(request)
	if err != nil {
		if request.Context().Err() == nil {
			e.note(err)
		}
		return nil, err
	}
	limit := e.guard.limit()
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		limit += slack
	}
	response.Body = &bounded{response.Body, limit, e}
	if err := e.whole(request, response); err != nil {
		return nil, err
	}
	switch status := response.StatusCode; {
	case status >= 300 && status < 400:
		response.Body.Close()
		err := e.redirected(request.URL, status, response.Header.Get("Location"))
		e.note(err)
		return nil, err
	case status >= 400:
		e.note(statusWords(status))
	case request.Method == http.MethodPost && status != http.StatusAccepted && status != http.StatusNoContent:
		e.note(nil)
	}
	return response, nil
}

// whole reads an answer that is one message, as long as its call waits for it. The SDK reads it when the request is over for it already, and takes what goes wrong then, were it that the call has
// no more time, for the end of the session, with all other calls in it.
func (e *endpoint) whole(request *http.Request, response *http.Response) error {
	if request.Method != http.MethodPost || response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		if request.Context().Err() == nil {
			e.note(err)
		}
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(data))
	return nil
}

// redirected is the error of a server that is somewhere else. To follow would be to choose another server, and to send it the headers.
func (e *endpoint) redirected(from *url.URL, status int, location string) error {
	err := fmt.Errorf("the server answers with %d, a redirect, which is not followed", status)
	to, parseErr := from.Parse(location)
	if location == "" || parseErr != nil {
		return err
	}
	return &hinted{err, "it leads to " + printable(to.Redacted()) + ": if that is the server, name it as url"}
}

func (e *endpoint) note(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.why = err
}

// end closes what is left of connections.
func (e *endpoint) end() { e.carrier.CloseIdleConnections() }

// over reports whether an error is the end of the session.
func (e *endpoint) over(err error) bool { return errors.Is(err, mcp.ErrSessionMissing) }

// words says what went wrong with the last request.
func (e *endpoint) words(err error) error {
	e.mu.Lock()
	why := e.why
	e.mu.Unlock()
	if errors.Is(err, mcp.ErrSessionMissing) {
		return fmt.Errorf("the server has ended the session: %w", mcp.ErrSessionMissing)
	}
	if why == nil {
		return err
	}
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(why, &lookup):
		return fmt.Errorf("there is no host %q", lookup.Name)
	case errors.Is(why, syscall.ECONNREFUSED):
		return errors.New("the connection was refused")
	case errors.As(why, &certificate), errors.As(why, &unknown):
		return fmt.Errorf("the server's certificate is not trusted: %w", why)
	}
	return why
}

// A bounded body fails when there is more of it than there may be.
type bounded struct {
	io.ReadCloser
	left     int64
	endpoint *endpoint
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		err := b.endpoint.guard.tooLarge()
		b.endpoint.note(err)
		return 0, err
	}
	return n, err
}

// Connect implements [mcp.Transport].
func (e *endpoint) Connect(ctx context.Context) (mcp.Connection, error) {
	return e.StreamableClientTransport.Connect(ctx)
}
