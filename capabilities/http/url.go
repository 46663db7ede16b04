package http

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// A target is a URL in the one form in which it is decided about and requested. The zero target is none.
type target struct {
	scheme string // "http" or "https"
	host   string // a name in lower-case ASCII, or an address; an IPv6 address without its brackets
	port   string // always there
	path   string // begins with "/", percent-encoded
	query  string // with its "?", percent-encoded; may be empty
}

// maxURL is how long a URL may be, in bytes.
const maxURL = 8192

// canonical brings a URL into its canonical form: lower-case scheme and host, an internationalised name as punycode, no
// default port, no fragment, no dot segments, no percent-encoding of what needs none, and upper-case hexadecimal digits. What
// browsers, servers and libraries read in different ways is an error and not repaired.
func canonical(text string) (target, error) {
	switch {
	case len(text) > maxURL:
		return target{}, fmt.Errorf("a URL has at most %d bytes", maxURL)
	case !utf8.ValidString(text):
		return target{}, errors.New("the URL is not valid Unicode")
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return target{}, fmt.Errorf("the URL has the control character %U", r)
		}
	}
	text, _, _ = strings.Cut(text, "#")
	scheme, rest, ok := strings.Cut(text, "://")
	var t target
	if t.scheme = strings.ToLower(scheme); !ok || t.scheme != "http" && t.scheme != "https" {
		return target{}, errors.New(`a URL begins with "https://" or "http://"`)
	}
	hierarchy, query, hasQuery := strings.Cut(rest, "?")
	if strings.Contains(hierarchy, `\`) {
		return target{}, errors.New(`the URL has a "\"`)
	}
	authority, path := hierarchy, ""
	if i := strings.IndexByte(hierarchy, '/'); i >= 0 {
		authority, path = hierarchy[:i], hierarchy[i:]
	}
	var err error
	if t.host, t.port, err = canonicalAuthority(authority, t.scheme); err != nil {
		return target{}, err
	}
	if t.path, err = canonicalPath(path); err != nil {
		return target{}, err
	}
	if hasQuery {
		if query, err = encode(query, queryChars); err != nil {
			return target{}, err
		}
		t.query = "?" + query
	}
	return t, nil
}

// String gives the URL without its query: what patterns are matched with.
func (t target) String() string { return t.origin() + t.path }

// full gives the URL with its query.
func (t target) full() string { return t.String() + t.query }

// origin gives SCHEME://HOST[:PORT].
func (t target) origin() string { return t.scheme + "://" + t.authority() }

func (t target) authority() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.port == defaultPort(t.scheme) {
		return host
	}
	return host + ":" + t.port
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// readings gives the URL in all ways in which a server may read it: "%2F" and "%5C" are parts of a segment to some, and separators to
// others. A pattern must permit each.
func (t target) readings() []string {
	text := t.String()
	if separated := separators.Replace(t.path); separated != t.path {
		return []string{text, t.origin() + separated}
	}
	return []string{text}
}

var separators = strings.NewReplacer("%2F", "/", "%5C", "/")

// url gives the URL as net/http takes it. It fails if that would request something else.
func (t target) url() (*url.URL, error) {
	path, err := url.PathUnescape(t.path)
	if err != nil {
		return nil, err
	}
	u := &url.URL{Scheme: t.scheme, Host: t.authority(), Path: path, RawPath: t.path, RawQuery: strings.TrimPrefix(t.query, "?"), ForceQuery: t.query == "?"}
	if u.String() != t.full() || u.RequestURI() != t.path+t.query {
		return nil, fmt.Errorf("http: %q would be requested as %q", t.full(), u)
	}
	return u, nil
}

func canonicalAuthority(authority, scheme string) (host, port string, err error) {
	if strings.Contains(authority, "@") {
		return "", "", errors.New("the URL has a user or a password; those are not sent")
	}
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strings.Trim(port, "0123456789") != "" {
		return "", "", errors.New("the port is not a number from 1 to 65535")
	}
	host, err = canonicalHost(host)
	return host, strconv.FormatUint(n, 10), err
}

// profile is how names in other scripts become ASCII: as browsers and curl do it, with all of its checks.
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(true), idna.VerifyDNSLength(false))

func canonicalHost(host string) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		address, err := netip.ParseAddr(inner)
		if !closed || err != nil || !address.Is6() || address.Zone() != "" {
			return "", errors.New("what is in brackets is not an IPv6 address")
		}
		return address.String(), nil
	}
	host = strings.ToLower(host)
	if strings.IndexFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 || strings.HasPrefix(host, "xn--") || strings.Contains(host, ".xn--") {
		ascii, err := profile.ToASCII(host)
		if err != nil {
			return "", errors.New("the host is not an internationalised name")
		}
		host = ascii
	}
	host = strings.TrimSuffix(host, ".") // the same name, in full
	if host == "" {
		return "", errors.New("the URL has no host")
	}
	if len(host) > 253 {
		return "", errors.New("the host is longer than a name can be")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", errors.New("the host is neither a name nor an address")
		}
	}
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x") {
		return host, nil
	}
	// What ends in a number is an address to some, however it is written: 127.1, 0x7f000001, 2130706433.
	address, err := netip.ParseAddr(host)
	if err != nil || !address.Is4() {
		return "", errors.New("an IPv4 address is written as four decimal numbers")
	}
	return address.String(), nil
}

func canonicalPath(path string) (string, error) {
	path, err := encode(path, pathChars)
	if err != nil {
		return "", err
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	var kept []string
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case segment == "..":
			kept = kept[:max(len(kept)-1, 0)]
		case segment != "." && hidesDots(segment):
			return "", errors.New(`the path hides ".." in percent-encoding or behind ";"`)
		case segment != ".":
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	text := unescape(path)
	if !utf8.ValidString(text) {
		return "", errors.New("the path is not percent-encoded UTF-8")
	}
	if strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		return "", errors.New("the path has a control character")
	}
	return "/" + strings.Join(kept, "/"), nil
}

// hidesDots reports whether some server may find a "." or ".." in a segment, after decoding it once or more often, or
// after cutting off what is behind ";".
func hidesDots(segment string) bool {
	for range 8 {
		for piece := range strings.FieldsFuncSeq(segment, func(r rune) bool { return r == '/' || r == '\\' }) {
			name, _, _ := strings.Cut(piece, ";")
			if name == "." || name == ".." {
				return true
			}
		}
		decoded := unescape(segment)
		if decoded == segment {
			return false
		}
		segment = decoded
	}
	return true
}

// The characters that stand for themselves: those that RFC 3986 has in a path and in a query.
const (
	unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	pathChars  = unreserved + "!$&'()*+,;=:@/"
	queryChars = pathChars + "?"
)

// encode percent-encodes all characters but the given ones, and decodes what need not be encoded. What is encoded
// already stays so.
func encode(text, chars string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		encoded := c == '%'
		if encoded {
			var ok bool
			if c, ok = hexByte(text[i+1:]); !ok {
				return "", errors.New(`the URL has a "%" that begins no percent-encoding; write "%25" for the character itself`)
			}
			i += 2
		}
		if !encoded && strings.IndexByte(chars, c) >= 0 || encoded && strings.IndexByte(unreserved, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String(), nil
}

// unescape decodes percent-encoding and leaves what is none.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if c, ok := hexByte(text[i+1:]); text[i] == '%' && ok {
			b.WriteByte(c)
			i += 2
		} else {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// hexByte reads two hexadecimal digits at the beginning of a text.
func hexByte(text string) (byte, bool) {
	if len(text) < 2 {
		return 0, false
	}
	high, low := strings.IndexByte(hexDigits, text[0]), strings.IndexByte(hexDigits, text[1])
	if high < 0 || low < 0 {
		return 0, false
	}
	return byte(high%16<<4 | low%16), true
}

// hexDigits has each digit at its value modulo 16, the upper-case letters after the lower-case ones.
const hexDigits = "0123456789abcdef" + "0123456789ABCDEF"
