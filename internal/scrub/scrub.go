// Package scrub takes secrets out of texts that come back from those who were given the secrets.
//
// It finds a secret as it is, and in the encodings in which programs show what they were sent. Who wants to give a secret away can write it in ways that nobody foresees: it protects from
// carelessness, not from malice.
package scrub

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Least is how long a secret must be, in bytes: a shorter one cannot be told from other text.
const Least = 8

// Anonymous stands where a secret was that has no name, or one that is longer than the secret. It is not longer than any secret.
const Anonymous = "[secret]"

// Forms gives a secret as it is and in other encodings, each form once and none shorter than Least: in capitals and small letters, escaped for URLs, HTML and JSON, in hexadecimal digits, base64 and
// UTF-16. All together are some tens of times as long as the secret. There are none of one that is shorter than Least.
func Forms(secret string) []string {
	if len(secret) < Least {
		return nil
	}
	marshalled, _ := json.Marshal(secret)
	wide := make([]byte, 0, 2*len(secret))
	for i := range len(secret) {
		wide = append(wide, secret[i], 0)
	}
	forms := []string{
		secret, strings.ToLower(secret), strings.ToUpper(secret),
		url.QueryEscape(secret), url.PathEscape(secret), lowerHex(url.QueryEscape(secret)), lowerHex(url.PathEscape(secret)),
		html.EscapeString(secret), strings.ReplaceAll(html.EscapeString(secret), "&#34;", "&quot;"),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
		string(wide), "\x00" + string(wide[:len(wide)-1]),
	}
	for _, quoted := range []string{string(marshalled[1 : len(marshalled)-1]), strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(secret)} {
		forms = append(forms, quoted, strings.ReplaceAll(quoted, "/", `\/`))
	}
	// In base64 a text has three forms, by how many bytes stand before it. The characters at the ends, which hold bits of what is
	// around it, are left out.
	for before := range 3 {
		padded := append(make([]byte, before), secret...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			whole := encoding.EncodeToString(padded)
			begin, end := (before*8+5)/6, len(padded)*8/6
			forms = append(forms, whole[begin:end])
		}
	}
	var list []string
	for _, form := range forms {
		if len(form) >= Least && !slices.Contains(list, form) {
			list = append(list, form)
		}
	}
	return list
}

// lowerHex gives percent-encoded text with lower-case digits.
func lowerHex(text string) string {
	return percent.ReplaceAllStringFunc(text, strings.ToLower)
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// A Replacer takes secrets out of texts. It is safe for concurrent use. A nil Replacer, and the zero one, change nothing.
type Replacer struct {
	replace *strings.Replacer
}

// NewReplacer makes a Replacer of pairs: a form of a secret, and the name of the secret, which may be empty. In the place of the form comes "[NAME]", or Anonymous where that is longer than the
// form: no text becomes longer. Forms that are shorter than Least are passed over; of the names of one form the first counts.
func NewReplacer(pairs [][2]string) *Replacer {
	pairs = slices.DeleteFunc(slices.Clone(pairs), func(p [2]string) bool { return len(p[0]) < Least })
	if len(pairs) == 0 {
		return nil
	}
	// The longest first, of those that begin at the same place.
	slices.SortStableFunc(pairs, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	var flat []string
	for _, p := range pairs {
		instead := "[" + p[1] + "]"
		if p[1] == "" || len(instead) > len(p[0]) {
			instead = Anonymous
		}
		flat = append(flat, p[0], instead)
	}
	return &Replacer{strings.NewReplacer(flat...)}
}

// Text takes the secrets out of a text, which does not become longer.
func (r *Replacer) Text(text string) string {
	if r == nil || r.replace == nil || len(text) < Least {
		return text
	}
	return r.replace.Replace(text)
}
