package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzMessage: whatever a line is, it is read without a panic; what is accepted has one meaning, and what is not has a standard code.
func FuzzMessage(f *testing.F) {
	for _, line := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"session.exec","params":{"session":"a","code":"1"}}`,
		`{"jsonrpc":"2.0","id":"x","result":{"value":{"$tuple":[1]}}}`,
		`{"jsonrpc":"2.0","id":-7,"error":{"code":1,"message":"m"}}`,
		`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":1}}`,
		`{"jsonrpc":"2.0","id":1e3,"method":"x"}`, `[]`, `{`, `{"id":1,"id":2}`, "{\"jsonrpc\":\"2.0\",\"id\":\"\\ud800\",\"method\":\"x\"}", ` null `,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, wrong := parseMessage(line)
		if m.id != "" {
			if again, err := canonicalID(json.RawMessage(m.id)); err != nil || again != m.id {
				t.Errorf("the id %s is not canonical: %s, %v", m.id, again, err)
			}
		}
		if wrong != nil {
			if wrong.Code != codeParse && wrong.Code != codeInvalidRequest && wrong.Code != codeInvalidParams {
				t.Errorf("code %d", wrong.Code)
			}
			return
		}
		if m.isResponse() == (m.result == nil && m.err == nil) || m.isResponse() && m.id == "" {
			t.Errorf("neither call nor response: %q", line)
		}
		for _, part := range []json.RawMessage{m.params, m.result, m.err} {
			if part != nil && !json.Valid(part) {
				t.Errorf("a part is not JSON: %q", part)
			}
		}
		// The readers of parameters.
		var p runParams
		var code string
		var variables map[string]any
		var list []any
		readParams(m.params, p.fields(map[string]any{"code": &code, "variables": namedValues(&variables), "args": listOfValues(&list)}), runOptions...)
		var tools []Tool
		if readParams(m.params, map[string]any{"tools": &tools}) == nil {
			for _, tool := range tools {
				tool.signature()
				if doc := tool.oneLine(); len(doc) > maxDoc || strings.ContainsAny(doc, "\r\n") {
					t.Errorf("doc %q", doc)
				}
			}
		}
		readToolAnswer(m)
	})
}

// FuzzReadLine: lines come out as they went in, but for those that are too long.
func FuzzReadLine(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), 2)
	f.Add(bytes.Repeat([]byte("x"), 40), 7)
	f.Fuzz(func(t *testing.T, data []byte, max int) {
		if max < 0 || max > 1<<10 {
			return
		}
		in := bufio.NewReaderSize(bytes.NewReader(data), 16)
		for i, want := range bytes.SplitAfter(data, []byte("\n")) {
			line, tooLong, err := readLine(in, max)
			if tooLong != (len(want) > max+1) || !tooLong && !bytes.Equal(line, want) {
				t.Fatalf("line %d: %q, %v; want %q", i, line, tooLong, want)
			}
			if err != nil {
				break
			}
		}
	})
}
