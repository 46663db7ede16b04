package http

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// result makes what Python gets of a response: status, url, headers, and the body as text or content. guest/src/lib/_postern_http.py
// makes an object of it.
func (x *fetch) result(r *request, response *http.Response) (any, error) {
	body, err := readBody(r.method, response, x.scope.Number("max_response"))
	if err != nil {
		return nil, err
	}
	d := new(values.Dict)
	d.SetString("status", int64(response.StatusCode))
	d.SetString("url", x.scrub.Text(r.target.full()))
	headers := values.NewDict(len(response.Header))
	for _, name := range slices.Sorted(maps.Keys(response.Header)) {
		headers.SetString(x.scrub.Text(strings.ToLower(name)), x.scrub.Text(latin1(strings.Join(response.Header[name], ", "))))
	}
	d.SetString("headers", headers)
	text := x.scrub.Text(string(body))
	if isText(response.Header.Get("Content-Type"), text) {
		d.SetString("text", text)
	} else {
		d.SetString("content", values.Bytes(text))
	}
	return d, nil
}

// isText reports whether a body is UTF-8, by what the server says and what it sends, and such as crosses as a str without growing much.
func isText(kind, body string) bool {
	_, parameters, err := mime.ParseMediaType(kind)
	if charset := strings.ToLower(parameters["charset"]); err == nil && charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii" {
		return false
	}
	if !utf8.ValidString(body) {
		return false
	}
	return strings.IndexFunc(body, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) < 0
}

// latin1 reads a header's value that is not UTF-8 as the older standards have it.
func latin1(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	runes := make([]rune, len(value))
	for i := range len(value) {
		runes[i] = rune(value[i])
	}
	return string(runes)
}

// readBody reads a body, decompressed, and no more of it than is permitted: neither of what comes nor of what it becomes.
func readBody(method string, response *http.Response, most int64) ([]byte, error) {
	if response.ContentLength > most && method != http.MethodHead {
		return nil, tooLarge(most)
	}
	if method == http.MethodHead || response.ContentLength == 0 {
		return nil, nil
	}
	var body io.Reader = &bounded{response.Body, most, most}
	switch encoding := strings.ToLower(strings.TrimSpace(response.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(body)
		if errors.Is(err, io.EOF) {
			return nil, nil // nothing, in whatever encoding
		}
		if err != nil {
			return nil, err
		}
		body = &bounded{unzipped, most, most}
		response.Header.Del("Content-Encoding")
		response.Header.Del("Content-Length")
	default:
		return nil, fmt.Errorf("%w: %q", errEncoding, cut(encoding))
	}
	return io.ReadAll(body)
}

var errEncoding = errors.New("the response has an encoding that was not asked for")

// bounded reads up to a number of bytes and fails if there are more.
type bounded struct {
	from io.Reader
	left int64
	most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLarge(b.most)
	}
	return n, err
}

func tooLarge(most int64) error {
	return capabilities.Raise("http.TooLarge", "the response is larger than %s (max_response of [grant.http])",
		policies.ScopeValue{Key: &policies.ScopeKey{Type: policies.ScopeSize}, Number: most}.String())
}

// cause says what went wrong with a connection, in words that show nothing of this machine.
func cause(err error) string {
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "there is no host of that name"
	case errors.As(err, &lookup):
		return "the host's name could not be looked up"
	case errors.Is(err, errNoAddress):
		return "the host's name has no address"
	case errors.As(err, &certificate):
		return "the server's certificate is not trusted: " + cut(certificate.Err.Error())
	case errors.As(err, &record):
		return "the server does not speak TLS as it should"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the server broke the connection off"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "the host cannot be reached"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the response ended too early"
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return "the response is not the gzip that it says it is"
	case errors.Is(err, errEncoding):
		return err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the host did not answer in time"
	}
	var operation *net.OpError
	switch {
	case !errors.As(err, &operation):
	case operation.Op == "remote error" || operation.Op == "local error": // of crypto/tls
		return "the server does not speak TLS as it should"
	default:
		return "the connection failed"
	}
	return "the server did not answer with valid HTTP"
}

func lower(method string) string { return strings.ToLower(method) }
