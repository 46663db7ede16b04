package jsonobject_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/internal/jsonobject"
)

func TestMembers(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                     "",
		` {"a" : [1, {"a": 2}]}`: "",
		`{"a":1,"b":{"a":1}}`:    "",
		`[]`:                     "not an object",
		`3`:                      "not an object",
		``:                       "not an object",
		`{"a":1,"a":1}`:          `member "a" is there twice`,
		`{"a":1,"\u0061":1}`:     `member "a" is there twice`,
		`{"a":1`:                 "EOF",
		`{"a":}`:                 "invalid character",
		`{"` + strings.Repeat("x", 100) + `":1,"` + strings.Repeat("x", 100) + `":2}`: `member "` + strings.Repeat("x", 50) + `" is there twice`,
	} {
		found, err := jsonobject.Members([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if errors.Is(err, jsonobject.ErrNotObject) != (want == "not an object") || (found == nil) != (err != nil) {
			t.Errorf("%s: %v, %v", text, found, err)
		}
	}
	found, err := jsonobject.Members([]byte(`{"a" : [ 1 ], "b": "x"}`))
	if err != nil || len(found) != 2 || string(found["a"]) != "[ 1 ]" || string(found["b"]) != `"x"` {
		t.Errorf("%q, %v", found, err)
	}
}
