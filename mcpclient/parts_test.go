package mcpclient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/internal/scrub"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

func TestParts(t *testing.T) {
	for value, want := range map[string][]string{
		"s3cret-0123456789":                                   {"s3cret-0123456789"},
		"Bearer abcdefgh":                                     {"Bearer abcdefgh", "abcdefgh"},
		"dXNlcjpwYXNzd29yZA==":                                {"dXNlcjpwYXNzd29yZA==", "user:password", "password"},
		"Basic dXNlcjpwYXNzd29yZA==":                          {"Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA==", "user:password", "password"},
		"AAAAAAAA":                                            {"AAAAAAAA"},
		"postgres://u:p%40ssword@host/db":                     {"postgres://u:p%40ssword@host/db", "p@ssword"},
		"-----BEGIN-----\n0123456789abcdef\r\nx":              {"-----BEGIN-----\n0123456789abcdef\r\nx", "0123456789abcdef"},
		strings.Repeat("a", 1024) + strings.Repeat("b", 1026): {strings.Repeat("a", 683), strings.Repeat("a", 341) + strings.Repeat("b", 342), strings.Repeat("b", 684)},
	} {
		if got := parts(value); !slices.Equal(got, want) {
			t.Errorf("%q: %q", value, got)
		}
	}
}

func TestPathsAreNoSecrets(t *testing.T) {
	folder := t.TempDir()
	for value, want := range map[string]bool{
		folder: true, folder + string(filepath.ListSeparator) + filepath.Dir(folder): true,
		folder + "/none": false, "parts_test.go": false, "/+8sDh3Hq0Zp1": false, folder + string(filepath.ListSeparator) + "s3cret": false,
	} {
		if isPath(value) != want {
			t.Errorf("%s: %t", value, !want)
		}
	}
}

// However many secrets there are, and however long they are, what is looked for is a bounded part more than they.
func TestManySecrets(t *testing.T) {
	server := new(policies.Server)
	for i := range 100 {
		server.EnvFrom = append(server.EnvFrom, fmt.Sprintf("TOKEN_%d", i))
	}
	s := newSecrets(server)
	long := func(name string) string {
		var b strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&b, "%s.%d", name[len("TOKEN_"):], i)
		}
		return b.String()
	}
	look := s.watch(func(name string) (string, bool) { return long(name), true })
	for _, name := range append(server.EnvFrom, "TOKEN_OTHER") {
		look(name)
	}
	if got := s.text("a " + long("TOKEN_7") + " b"); strings.Trim(strings.ReplaceAll(got, "[TOKEN_7]", ""), " ab") != "" {
		t.Error(got)
	}
	if got := s.text(long("TOKEN_OTHER")); got != long("TOKEN_OTHER") {
		t.Error(got)
	}
	// One that has another value each time is kept a few times.
	s = newSecrets(&policies.Server{EnvFrom: []string{"TOKEN"}})
	for i := range 10 {
		s.add("TOKEN", fmt.Sprintf("s3cret-%d", i))
	}
	if got := s.text("s3cret-6 s3cret-7 s3cret-9"); got != "s3cret-6 [TOKEN] [TOKEN]" {
		t.Error(got)
	}
}

// FuzzSecrets finds no answer in which a secret is left, and none that becomes longer.
func FuzzSecrets(f *testing.F) {
	f.Add("s3cret-0123456789", []byte(`{"a":["s3cret-0123456789",{"s3cret-0123456789":1}],"b":"xs3cret-0123456789x"}`))
	f.Add("AAAAAAAA", []byte(`["AAAAAAAAAAAAAAAA",{"AAAAAAAA":1,"[TOKEN]":2}]`))
	f.Fuzz(func(t *testing.T, secret string, answer []byte) {
		s := newSecrets(&policies.Server{EnvFrom: []string{"TOKEN"}})
		s.watch(func(string) (string, bool) { return secret, true })("TOKEN")
		v, err := values.DecodeJSON(answer)
		if err != nil {
			return
		}
		before, err := values.Append(nil, v, 1<<24)
		if err != nil {
			return
		}
		got, err := s.value(v)
		if err != nil {
			return
		}
		after, err := values.Append(nil, got, 1<<24)
		if err != nil || len(after) > 6*len(before) {
			t.Fatalf("%d bytes became %d, %v", len(before), len(after), err)
		}
		var generic any
		decoder := json.NewDecoder(bytes.NewReader(answer))
		decoder.UseNumber()
		if decoder.Decode(&generic) == nil {
			if _, err := s.value(generic); err != nil {
				t.Errorf("%s: %v", answer, err)
			}
		}
		value := strings.TrimSpace(secret)
		if len(value) < scrub.Least || isPath(value) || strings.Contains("[TOKEN][secret]", value) {
			return
		}
		left := 0
		var walk func(v any)
		walk = func(v any) {
			switch v := v.(type) {
			case string:
				// What is left over at the sides of one that was taken out can be one again.
				if strings.Contains(v, value) && !strings.Contains(v, "[TOKEN]") && !strings.Contains(v, scrub.Anonymous) {
					left++
				}
			case values.List:
				for _, item := range v {
					walk(item)
				}
			case *values.Dict:
				for k, item := range v.All() {
					walk(k)
					walk(item)
				}
			}
		}
		if walk(got); left > 0 {
			t.Errorf("%q is still in %s", value, after)
		}
	})
}
