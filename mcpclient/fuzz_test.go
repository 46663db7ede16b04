package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// FuzzList finds no list of tools that makes functions which Python or a log could not have, or which are others when they are read again from a log.
func FuzzList(f *testing.F) {
	for _, seed := range []string{
		`{"tools":[]}`, `{"tools":[{"name":"getUser","description":"d\n\u001b[31m","inputSchema":{"type":"object","properties":{"id":{"type":"integer"},"class":{}},"required":["id"]}}],"nextCursor":"a"}`,
		`{"tools":[{"name":"a","inputSchema":{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"}]}}},"outputSchema":{"type":"array","items":{"type":"string"}}}]}`,
		`{"tools":[{"name":"a-b"},{"name":"a_b"},{"name":"A B"}]}`, `{"tools":[{"name":"` + strings.Repeat("x", 130) + `"}]}`, `{"tools":3}`, `{"tools":[{"name":"lambda","inputSchema":{"default":1e999}}]}`,
	} {
		f.Add([]byte(seed), "*")
	}
	f.Fuzz(func(t *testing.T, raw []byte, pattern string) {
		tools, next, err := readPage(raw)
		if err != nil || len(next) > maxCursor {
			if err == nil || tools != nil && next != "" {
				t.Errorf("%q, %v", next, err)
			}
			return
		}
		offer, err := newOffer(t.Context(), tools, "s", func(name string) bool { return policies.FitsName(pattern, name) })
		if err != nil {
			return
		}
		for _, tool := range offer.Tools {
			if strings.ContainsFunc(tool.Name+tool.Signature+tool.Doc, func(r rune) bool { return !unicode.IsPrint(r) }) || len(tool.Doc) > 5000 {
				t.Errorf("%q %q %q", tool.Name, tool.Signature, tool.Doc)
			}
		}
		family := offer.family("s", absent{})
		if _, err := capabilities.NewRegistry(family); err != nil {
			t.Fatal(err)
		}
		again, err := Recorded("s", family.Description)
		if err != nil || string(again.Description) != string(family.Description) || len(again.Capabilities) != len(family.Capabilities) {
			t.Fatalf("%v\n%s\n%s", err, family.Description, again.Description)
		}
		for i := range family.Capabilities {
			if family.Capabilities[i].Spec() != again.Capabilities[i].Spec() {
				t.Errorf("%+v\n%+v", family.Capabilities[i].Spec(), again.Capabilities[i].Spec())
			}
		}
	})
}

// FuzzResult finds no answer of which neither a value comes that Python can have, nor an exception of the server's own.
func FuzzResult(f *testing.F) {
	for _, seed := range []string{
		`{"content":[{"type":"text","text":"a"},{"type":"image","data":"AAAA","mimeType":"image/png"}]}`, `{"structuredContent":{"n":1},"content":[]}`, `{"isError":true,"content":[{"type":"text","text":"no"}]}`,
		`{"content":[{"type":"resource","resource":{"uri":"a","blob":"AA=="}},{"type":"resource_link","uri":"b"},{"type":"x","$bytes":"AA=="}]}`, `{}`, `[]`, `{"content":{}}`, `{"structuredContent":1e999}`,
	} {
		f.Add([]byte(seed))
	}
	tools, _, err := readPage([]byte(`{"tools":[{"name":"a"},{"name":"b","outputSchema":{"type":"object","properties":{"n":{"type":"integer"}}}}]}`))
	if err != nil {
		f.Fatal(err)
	}
	offer, err := newOffer(f.Context(), tools, "s", func(string) bool { return true })
	if err != nil {
		f.Fatal(err)
	}
	c := newClient(&policies.Server{Name: "s", MaxResponse: 1 << 20}, Config{Logger: hclog.NewNullLogger()})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, tool := range offer.Tools {
			v, err := c.result(t.Context(), tool, raw)
			var raised *capabilities.PythonError
			switch {
			case err == nil:
				if _, err := values.AppendOK(nil, v, 1<<24); err != nil {
					t.Errorf("%s: %v", values.Format(v), err)
				}
			case !errors.As(err, &raised) || raised.Type != "s.Error":
				t.Errorf("%v", err)
			}
		}
	})
}

// What a record keeps of a server can be read again, however long its tools' descriptions become in the one form of JSON.
func TestDescriptionsThatGrow(t *testing.T) {
	for _, character := range []string{"\u2028", "\xff", "\\u001f"} {
		text := strings.Repeat(character, (maxList-100)/len(character))
		tools, _, err := readPage([]byte(`{"tools":[{"name":"a","description":"` + text + `"}]}`))
		if err != nil {
			continue
		}
		offer, err := newOffer(t.Context(), tools, "s", func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Recorded("s", offer.Description()); err != nil {
			t.Errorf("%q: %v", character, err)
		}
	}
}

// A patient context ends when it was asked a few times.
type patient struct {
	context.Context
	asked, most int
}

func (p *patient) Err() error {
	if p.asked++; p.asked > p.most {
		return context.DeadlineExceeded
	}
	return nil
}

// Schemas that take long to be read take no longer than the server has to start: before each it is asked whether there is time.
func TestStartTimeoutIsForSchemas(t *testing.T) {
	var list []described
	for i := range maxTools {
		list = append(list, described{Name: fmt.Sprint("tool", i), InputSchema: []byte("{}")})
	}
	granted := 0
	ctx := &patient{Context: t.Context(), most: 10}
	if _, err := newOffer(ctx, list, "s", func(string) bool { granted++; return true }); !errors.Is(err, context.DeadlineExceeded) || granted > 10 {
		t.Errorf("%v after %d tools", err, granted)
	}
}

// An answer that is still compared with its schema when the call's time is over is no answer, and no fault of the server.
func TestAnswersThatCostTime(t *testing.T) {
	tools, _, err := readPage([]byte(`{"tools":[{"name":"a","outputSchema":{"type":"array","items":{"type":"integer"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	offer, err := newOffer(t.Context(), tools, "s", func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(&policies.Server{Name: "s", MaxResponse: 1 << 20}, Config{Logger: hclog.NewNullLogger()})
	raw := []byte(`{"structuredContent":[` + strings.Repeat("1,", 100_000) + `1]}`)
	if _, err := c.result(t.Context(), offer.Tools[0], raw); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var raised *capabilities.PythonError
	if _, err := c.result(ctx, offer.Tools[0], raw); !errors.Is(err, context.Canceled) || errors.As(err, &raised) {
		t.Error(err)
	}
}

func TestSkipper(t *testing.T) {
	for message, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"result":{"id":2}}`:         "1",
		`{"result":{"id":2,"a":["id",{"id":3}]}, "id" : 7 }`: "7",
		`{"result":"\"id\":3,","id":"a\"b"}`:                 `"a\"b"`,
		`{"id":null}`:                                        "null",
		`{"method":"id","params":{"id":1}}`:                  "",
		`{"id":{"a":1}}`:                                     "",
		`{"id":[1]}`:                                         "",
		`{"id":1`:                                            "",
		`{"idx":1,"xid":2}`:                                  "",
		`{"id":` + strings.Repeat("1", 200) + `}`:            strings.Repeat("1", 100),
		`{"` + strings.Repeat("x", 200) + `":1,"id":5}`:      "5",
		`{"id":1,"id":2}`:                                    "1",
		`"id":1`:                                             "",
		`[{"id":1}]`:                                         "",
	} {
		var s skipper
		for i := range len(message) {
			s.pass([]byte(message[i : i+1]))
		}
		if answer := s.answer(); want == "" && answer != nil || want != "" && !strings.Contains(string(answer), `"id":`+want+`,`) {
			t.Errorf("%s: %s", message, answer)
		}
	}
}

// FuzzSkipper: what is skipped is answered by what is a message, and a message by its own ID.
func FuzzSkipper(f *testing.F) {
	for _, seed := range []string{`{"jsonrpc":"2.0","id":1,"result":{"id":2}}`, `{"result":"\"id\":3,","id":"a\"b"}`, `{"a":[{"id":[1]}],"id":null}`, `}{"id":1}`, `{"id":-1.5e3}`} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, message []byte, at int) {
		var s skipper
		at = max(0, min(at, len(message)))
		s.pass(message[:at])
		s.pass(message[at:])
		answer := s.answer()
		if len(s.kept) > 100 || answer != nil && !json.Valid(answer) {
			t.Errorf("%q: %q", message, answer)
		}
		found, err := members(message)
		if id := found["id"]; err == nil && json.Valid(message) && id != nil && len(id) < 100 && id[0] != '{' && id[0] != '[' && !strings.Contains(string(message), `\u`) {
			if !strings.Contains(string(answer), `"id":`+string(id)+`,`) {
				t.Errorf("%q: %q", message, answer)
			}
		}
	})
}
