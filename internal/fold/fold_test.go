package fold_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/internal/fold"
)

func TestKey(t *testing.T) {
	for _, same := range [][]string{
		{"path", "PATH", "Path"},
		{"token", "to\u212aen", "TOKEN"},
		{"size", "\u017fize", "SIZE"},
		{"straße", "STRASSE", "STRA\u1e9eE"},
		{"é", "e\u0301", "É", "E\u0301"},
		{"title", "T\u0130TLE", "t\u0131tle"},
		{"Å", "\u212b", "a\u030a"},
		{"ﬁle", "FILE", "file"},
		{"σ", "ς", "Σ"},
		{"\u01c5", "\u01c4", "\u01c6"},
	} {
		for _, name := range same[1:] {
			if fold.Key(name) != fold.Key(same[0]) {
				t.Errorf("%+q and %+q are not the same", same[0], name)
			}
		}
	}
	for _, name := range []string{"", "pat", "paths", "path ", "p_ath", "раth", "x²", "ｐath"} {
		if fold.Key(name) == fold.Key("path") || fold.Key(name) == fold.Key("x2") {
			t.Errorf("%+q is another name", name)
		}
	}
}

// Whatever characters Go folds into one are one.
func TestEveryCharacter(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		for _, other := range []rune{unicode.SimpleFold(r), unicode.ToLower(r), unicode.ToUpper(r), unicode.ToTitle(r)} {
			if other != r && fold.Key(string(r)) != fold.Key(string(other)) {
				t.Errorf("%U and %U are not the same", r, other)
			}
		}
	}
}

// FuzzKey finds no two names that Go's encoding/json takes for the same member, or that another case makes of each other, and that have other keys.
func FuzzKey(f *testing.F) {
	for _, pair := range [][2]string{{"token", "to\u212aen"}, {"ſ", "S"}, {"ß", "ẞ"}, {"\u0345", "ι"}, {"\u1fd3", "\u0390"}, {"e\u0301", "É"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		if !utf8.ValidString(one) || !utf8.ValidString(other) {
			return
		}
		key := fold.Key(one)
		if len(key) > 9*len(one) {
			t.Errorf("%+q became %+q", one, key)
		}
		if fold.Key(key) != key && fold.Key(fold.Key(key)) != fold.Key(key) {
			t.Errorf("the key of %+q has another key", one)
		}
		if (strings.EqualFold(one, other) || bytes.EqualFold([]byte(one), []byte(other))) && key != fold.Key(other) {
			t.Errorf("%+q and %+q are not the same", one, other)
		}
		if lower := strings.ToLower(one); key != fold.Key(lower) {
			t.Errorf("%+q and %+q are not the same", one, lower)
		}
		if upper := strings.ToUpper(one); key != fold.Key(upper) {
			t.Errorf("%+q and %+q are not the same", one, upper)
		}
		var into struct{ Token *int }
		member, err := json.Marshal(map[string]int{one: 1})
		if err == nil && json.Unmarshal(member, &into) == nil && into.Token != nil && key != fold.Key("Token") {
			t.Errorf("%+q is Token to Go", one)
		}
	})
}
