package scrub_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/internal/scrub"
)

func replacer(secrets ...[2]string) *scrub.Replacer {
	var pairs [][2]string
	for _, secret := range secrets {
		for _, form := range scrub.Forms(secret[0]) {
			pairs = append(pairs, [2]string{form, secret[1]})
		}
	}
	return scrub.NewReplacer(pairs)
}

func TestText(t *testing.T) {
	r := replacer([2]string{`s3cret/01+"é"`, "TOKEN"}, [2]string{"s3cret/01", "SHORTER"}, [2]string{"12345678", "A_VERY_LONG_NAME"}, [2]string{"1234567", "TOO_SHORT"})
	for text, want := range map[string]string{
		"":                                       "",
		"nothing":                                "nothing",
		`a s3cret/01+"é" b`:                      "a [TOKEN] b",
		"s3cret/01+":                             "[SHORTER]+",
		"s3cret/0":                               "s3cret/0",
		"x12345678x1234567x":                     "x[secret]x1234567x",
		"S3CRET/01":                              "[SHORTER]",
		url.QueryEscape("s3cret/01"):             "[SHORTER]",
		`{"a":"s3cret\/01+\"é\""}`:               `{"a":"[TOKEN]"}`,
		`s3cret/01+&#34;é&#34;`:                  "[TOKEN]",
		hex.EncodeToString([]byte("xs3cret/01")): "78[SHORTER]",
		"s\x003\x00c\x00r\x00e\x00t\x00/\x000\x001\x00": "[SHORTER]",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for before := range 3 {
		text := strings.Repeat("u", before) + "s3cret/01"
		encoded := base64.StdEncoding.EncodeToString([]byte(text))
		got := r.Text(encoded)
		if left, _ := base64.StdEncoding.DecodeString(got); strings.Contains(string(left), "cret") || !strings.Contains(got, "[") {
			t.Errorf("%s became %s", encoded, got)
		}
	}
	var none *scrub.Replacer
	if none.Text("12345678") != "12345678" || new(scrub.Replacer).Text("12345678") != "12345678" || scrub.NewReplacer([][2]string{{"1234567", "A"}}).Text("12345678") != "12345678" {
		t.Error("nothing was to be replaced")
	}
}

// FuzzText finds no text that becomes longer, or in which a secret is left that was in it alone.
func FuzzText(f *testing.F) {
	f.Add("before", "s3cret-0123", "after")
	f.Add("\x00", "\"\\/é\u2028\xff----", "==")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		r := replacer([2]string{secret, "NAME"}, [2]string{"another-secret", "OTHER"})
		marshalled, _ := json.Marshal(secret)
		for _, form := range []string{secret, strings.ToUpper(secret), url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)), string(marshalled[1 : len(marshalled)-1])} {
			text := before + form + after
			got := r.Text(text)
			if len(got) > len(text) {
				t.Errorf("%q became %q", text, got)
			}
			if alone := r.Text(form); len(secret) >= scrub.Least && len(form) >= scrub.Least && strings.Contains(alone, form) {
				t.Errorf("%q is still in %q", form, alone)
			}
		}
	})
}
