package http

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
)

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirected gives the request to which a redirect leads, as the Fetch standard has it ("HTTP-redirect fetch"): its method and body, and
// no credentials for another origin. Whether it may be made is not decided here.
func (r *request) redirected(status int, location string) (*request, error) {
	base, err := r.target.url()
	if err != nil {
		return nil, err
	}
	reference, err := url.Parse(location)
	if err != nil || len(location) > maxURL {
		return nil, deny("urls", "", "a redirect leads to what is no URL: %q", cut(location))
	}
	t, err := canonical(base.ResolveReference(reference).String())
	if err != nil {
		return nil, deny("urls", "", "a redirect leads to %q: %s", cut(location), err)
	}
	next := &request{method: r.method, target: t, headers: r.headers.Clone(), body: r.body, timeout: r.timeout, follow: true}
	movedPost := (status == http.StatusMovedPermanently || status == http.StatusFound) && r.method == http.MethodPost
	seeOther := status == http.StatusSeeOther && r.method != http.MethodGet && r.method != http.MethodHead
	if movedPost || seeOther {
		next.method, next.body = http.MethodGet, nil
		for name := range next.headers {
			if strings.HasPrefix(name, "Content-") {
				next.headers.Del(name)
			}
		}
	}
	if t.origin() != r.target.origin() {
		// What code has set for the first host and is not on the list of what any request may have is not for another.
		for name := range next.headers {
			if !harmless(name) {
				next.headers.Del(name)
			}
		}
	}
	return next, nil
}

// harmless reports whether a header may go along to another origin. The Fetch standard drops Authorization; names that a policy adds, such
// as Cookie and X-Api-Key, are as likely to be credentials.
func harmless(name string) bool {
	return strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "Accept") || strings.HasPrefix(name, "If-") || name == "Range" || name == "User-Agent"
}

// redirectDenied says of a denial that it was a redirect that led there.
func redirectDenied(err error) error {
	var denied *capabilities.Denied
	if errors.As(err, &denied) {
		denied.Reason = "a redirect leads there: " + denied.Reason
	}
	return err
}
