package mcpclient_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/capabilities"
)

// A server that does not come so far as to say what tools it has is an error that says why.
func TestServersThatDoNotStart(t *testing.T) {
	tool := func(schema string) string { return `list {"name":"tool","inputSchema":` + schema + `}` }
	for kind, want := range map[string]string{
		"silent":                             `it has not said what tools it has within start_timeout`,
		"no-version":                         `unsupported protocol version: "1999-01-01"`,
		"refusing":                           `the server refuses: no [31m today`,
		"garbage object":                     `the server has sent what is no message of JSON-RPC`,
		"endless":                            `the server has sent more than 4194304 bytes before it has said what tools it has`,
		"dies":                               `the server has ended with exit status 3; its last words: no configuration`,
		"closes":                             `the server has closed its output`,
		"pages":                              `the server's list of tools has more than 100 pages`,
		"circle":                             `the server's list of tools has no end: a page leads back to one before it`,
		"many 501":                           `there are more than 500 tools`,
		"many 2":                             `the server has two tools "tool"`,
		"large 5000000":                      `the server has sent more than 4194304 bytes before it has said what tools it has`,
		"result {}":                          `the server's list of tools is malformed: tools is not an array`,
		"result []":                          `it is not an object`,
		"result 3":                           `it is not an object`,
		`result {"tools":[],"tools":[]}`:     `member "tools" is there twice`,
		`result {"tools":[],"nextCursor":3}`: `nextCursor is not a text, or too long`,
		`result {"tools":[3]}`:               `a tool is not an object`,
		`result {"tools":[{"name":3}]}`:      `the name of a tool is not a text`,
		`result {"tools":[{"name":""}]}`:     `a tool's name has to be 1 to 128 printable characters, and one is ""`,
		`result {"tools":[{"name":"a\u001b[31m"}]}`:                                     `a tool's name has to be 1 to 128 printable characters, and one is "a\x1b[31m"`,
		`result {"tools":[{"name":"a","name":"b"}]}`:                                    `member "name" is there twice`,
		`list {"name":"getTool","inputSchema":{}},{"name":"get-tool","inputSchema":{}}`: `the server's tools "getTool" and "get-tool" would both be s.get_tool in Python`,
		tool(`[]`): `the server's tool "tool" cannot be used: the schema of the arguments: it is not an object`,
		tool(`"` + strings.Repeat("x", 300_000) + `"`): `its schema has more than 262144 bytes`,
		tool(nested(100)): `the server's tool "tool" cannot be used: the schema of the arguments`,
		tool(wide(200)):   `there are more than 100 parameters`,
	} {
		timeout := "20s"
		if kind == "silent" {
			timeout = "300ms"
		}
		if len(kind) > 50_000 {
			file := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(file, []byte(strings.TrimPrefix(kind, "list ")), 0o600); err != nil {
				t.Fatal(err)
			}
			kind = "file " + file
		}
		_, err := tryConnect(t, table("s", kind, "functions = [\"*\"]\nstart_timeout = \""+timeout+"\""))
		if len(kind) > 60 {
			kind = kind[:60]
		}
		if err == nil || !strings.HasPrefix(err.Error(), `mcp server "s": `) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
		if err != nil && (len(err.Error()) > 3000 || strings.ContainsAny(err.Error(), "\x1b\n")) {
			t.Errorf("%s: %q", kind, err)
		}
	}
}

func nested(depth int) string {
	return strings.Repeat(`{"type":"object","properties":{"a":`, depth) + "{}" + strings.Repeat("}}", depth)
}

func wide(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(`"p%d":{}`, i))
	}
	return `{"type":"object","properties":{` + strings.Join(parts, ",") + `}}`
}

// What is not granted can be as bad as it likes.
func TestToolsThatAreNotGranted(t *testing.T) {
	list := `list {"name":"tool","inputSchema":{"type":"object"}},{"name":"bad","inputSchema":` + nested(100) + `},{"name":"x-y","inputSchema":{}},{"name":"xY","inputSchema":{}}`
	w := connect(t, table("s", list, `functions = ["tool"]`))
	w.says(t, "'ok'", "s.tool")
}

// Schemas with references in circles and alternatives of alternatives are read, and calls are checked in a bounded time.
func TestSchemaBombs(t *testing.T) {
	circle := `{"type":"object","properties":{"x":{"$ref":"#/$defs/a"}},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`
	branches := `{"$ref":"#/$defs/a0"}`
	defs := `"a30":{"type":"string"}`
	for i := range 30 {
		defs += fmt.Sprintf(`,"a%d":{"anyOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]}`, i, i+1, i+1)
	}
	branching := `{"type":"object","properties":{"x":` + branches + `},"$defs":{` + defs + `}}`
	w := connect(t, table("s", `list {"name":"circle","inputSchema":`+circle+`},{"name":"branches","inputSchema":`+branching+`}`, `functions = ["*"]`))
	w.says(t, "'ok'", "s.circle", "x", int64(1))
	if _, err := w.call(t.Context(), "s.branches", "x", int64(1)); err == nil {
		t.Error("a value that fits none of a billion alternatives")
	}
}

// Whatever a server answers to a call, the call comes back with a value or with the server's own exception, and the next one can be made.
func TestAnswers(t *testing.T) {
	text := func(text string) string { return `"result":{"content":[{"type":"text","text":"` + text + `"}]}` }
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	deeper := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for kind, want := range map[string]string{
		"answer " + text(`a\u0000\ud83d\ude00`):                                                           `'a\x00😀'`,
		`answer "result":{}`:                                                                              `None`,
		`answer "result":{"content":null}`:                                                                `None`,
		`answer "result":{"content":[]}`:                                                                  `None`,
		`answer "result":{"content":[{"type":"new","a":1.5}]}`:                                            `{'type': 'new', 'a': 1.5}`,
		`answer "result":{"structuredContent":{"n":12345678901234567890,"f":1.0}}`:                        `{'n': 12345678901234567890, 'f': 1.0}`,
		`answer "result":{"structuredContent":{"$bytes":"AA=="}}`:                                         `{'$bytes': 'AA=='}`,
		`answer "result":{"structuredContent":[1]}`:                                                       `[1]`,
		`answer "result":[]`:                                                                              `s.Error: s.tool: the server's answer is malformed: it is not an object`,
		`answer "result":3`:                                                                               `s.Error: s.tool: the server's answer is malformed: it is not an object`,
		`answer "result":{"content":3}`:                                                                   `s.Error: s.tool: the server's answer is malformed: content is not an array`,
		`answer "result":{"content":[3]}`:                                                                 `s.Error: s.tool: the server's answer is malformed: a block of content is not an object`,
		`answer "result":{"content":[{"type":"text"}]}`:                                                   `s.Error: s.tool: the server's answer is malformed: a block of text has no text`,
		`answer "result":{"content":[{"type":"image","data":"é"}]}`:                                       `s.Error: s.tool: the server's answer is malformed: the data of a block of type image is not base64`,
		`answer "result":{"content":[{"type":"resource"}]}`:                                               `s.Error: s.tool: the server's answer is malformed: a block with a resource has none`,
		`answer "result":{"content":[],"content":[]}`:                                                     `s.Error: s.tool: the server's answer is malformed: member "content" is there twice`,
		`answer "result":{"content":[],"isError":"yes"}`:                                                  `s.Error: s.tool: the server's answer is malformed: isError is neither true nor false`,
		`answer "result":{"content":[],"isError":true}`:                                                   `s.Error: s.tool failed, and does not say why`,
		`answer "result":{"structuredContent":{},"content":[{"type":"text","text":"no"}],"isError":true}`: `s.Error: no`,
		`answer "result":{"structuredContent":` + deep + `}`:                                              `s.Error: s.tool: the tool answered what is not JSON…`,
		`answer "result":{"content":[{"type":"text","text":"a","x":` + deep + `}]}`:                       `s.Error: s.tool: the server's answer is malformed: a block of content is not JSON…`,
		`answer "error":{"code":-32602,"message":"bad \u001b[31m\narguments"}`:                            `s.Error: s.tool: the server refused the call: bad [31m arguments`,
		`answer "error":{}`:                                                                               `s.Error: s.tool: the server refused the call: …`,
		`answer "result":null`:                                                                            `s.Error: s.tool: …`,
		"wrong-id":                                                                                        `'right'`,
		"garbage":                                                                                         `'ok'`,
		"flood 2000":                                                                                      `'ok'`,
		"big 900":                                                                                         `'` + strings.Repeat("x", 900) + `'`,
		"big 5000":                                                                                        `s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)`,
		"big 50000":                                                                                       `s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)`,
		"slow-death":                                                                                      `s.Error: s.tool: the server has ended with exit status 0`,
		"mortal":                                                                                          `s.Error: s.tool: the server has ended with exit status 0`,
		`answer "result":{"structuredContent":` + deeper + `}`:                                            `s.Error: s.tool: the server has sent what is no message of JSON-RPC`,
		"not-json": `s.Error: s.tool: the server has sent what is no message of JSON-RPC`,
	} {
		rest := "functions = [\"*\"]\nmax_response = \"1KiB\""
		if len(want) > 900 || strings.Contains(kind, deep) {
			rest = "functions = [\"*\"]\nmax_response = \"64KiB\""
		}
		if kind == "big 5000" || kind == "big 50000" || kind == "big 900" {
			rest = "functions = [\"*\"]\nmax_response = \"1KiB\""
		}
		t.Run(kind[:min(len(kind), 50)], func(t *testing.T) {
			w := connect(t, table("s", kind, rest))
			w.says(t, want, "s.tool", "x", int64(1))
			w.says(t, want, "s.tool", "x", int64(1))
		})
	}
}

// What a tool's schema promises of its answers is held against it.
func TestPromises(t *testing.T) {
	const tool = `{"tools":[{"name":"tool","inputSchema":{},"outputSchema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}}]}`
	_ = tool
	for answer, want := range map[string]string{
		`{"structuredContent":{"n":1}}`:                    `{'n': 1}`,
		`{"structuredContent":{"n":"1"}}`:                  `s.Error: s.tool: the tool answered a string at ['n'] where its schema says an integer`,
		`{"structuredContent":{}}`:                         `s.Error: s.tool: the tool answered …`,
		`{"content":[{"type":"text","text":"{\"n\":1}"}]}`: `s.Error: s.tool: the tool has not answered with the structured content that its schema promises`,
	} {
		w := connect(t, table("s", "promise "+answer, `functions = ["*"]`))
		w.says(t, want, "s.tool")
	}
}

// A call that is given up comes back at once, whatever the server does.
func TestServersThatDoNotAnswer(t *testing.T) {
	for _, kind := range []string{"mute", "deaf"} {
		w := connect(t, table("s", kind, `functions = ["*"]`))
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := w.call(ctx, "s.tool", "x", int64(1))
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
	// Not even what is sent to it holds a call up: the pipe is full.
	w := connect(t, table("s", `deaf-list {"name":"tool","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}`, `functions = ["*"]`))
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := w.call(ctx, "s.tool", "text", strings.Repeat("x", 1<<20))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
}

// An answer that is too large fails its call alone, however often: the server goes on. One that has no end ends it.
func TestLargeAnswersFailAlone(t *testing.T) {
	for _, where := range []string{"front", "behind"} {
		w := connect(t, table("s", "sized "+where, "functions = [\"*\"]\nmax_response = \"1KiB\""))
		pid, err := w.call(t.Context(), "s.tool", "x", int64(0))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 * 6 { // more often than it may be started again
			w.says(t, "s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)", "s.tool", "x", int64(100_000))
		}
		w.says(t, fmt.Sprintf("'%s'", pid), "s.tool", "x", int64(0))
		w.says(t, "s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)", "s.tool", "x", int64(100<<20))
		if again, err := w.call(t.Context(), "s.tool", "x", int64(0)); err != nil || again == pid {
			t.Errorf("%v, %v", again, err)
		}
	}
}

// A server that has ended is started again, a few times; one that comes back with other tools is not used any more, one with more tools is.
func TestRestarts(t *testing.T) {
	w := connect(t, table("s", "mortal", `functions = ["*"]`))
	for range 6 {
		w.says(t, "s.Error: s.tool: the server has ended with exit status 0", "s.tool")
	}
	w.says(t, "s.Error: s.tool: the server is dead: it has ended 6 times in 5m0s", "s.tool")
	w.says(t, "s.Error: s.tool: the server is dead: it has ended 6 times in 5m0s", "s.tool")

	w = connect(t, table("s", "changing "+filepath.Join(t.TempDir(), "state"), `functions = ["*"]`))
	w.says(t, "s.Error: s.tool: the server has ended with exit status 0", "s.tool")
	for range 2 {
		w.says(t, "s.Error: s.tool: the server came back with other tools than were granted when the host began, and is not used any more", "s.tool")
	}

	state := filepath.Join(t.TempDir(), "state")
	w = connect(t, table("s", "growing "+state, `functions = ["*"]`))
	for range 2 {
		w.says(t, "s.Error: s.tool: the server has ended with exit status 0", "s.tool")
	}
	if text, _ := os.ReadFile(state); len(text) != 2 {
		t.Errorf("it was asked for its tools %d times", len(text))
	}
	if _, ok := w.Lookup("s.tool2"); ok {
		t.Error("a tool that has come later is granted")
	}
	w = connect(t, table("s", "fleeting "+filepath.Join(t.TempDir(), "state"), `functions = ["*"]`))
	for range 3 {
		w.says(t, "s.Error: s.tool: the server has ended with exit status 0", "s.tool")
	}
	w = connect(t, table("s", "notes", `functions = ["exit", "none"]`))
	w.says(t, "s.Error: s.exit: the server has ended with exit status 7; its last words: goodbye [31m", "s.exit")
	w.says(t, "None", "s.none")
}

// After the servers are closed their functions fail.
func TestClosed(t *testing.T) {
	w := connect(t, table("s", "mute", `functions = ["*"]`))
	calling := make(chan error)
	go func() {
		_, err := w.call(context.Background(), "s.tool")
		calling <- err
	}()
	time.Sleep(50 * time.Millisecond)
	if err := w.servers.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{<-calling, func() error { _, err := w.call(t.Context(), "s.tool"); return err }()} {
		var raised *capabilities.PythonError
		if !errors.As(err, &raised) || raised.Type != "s.Error" {
			t.Errorf("%v", err)
		}
	}
}

// Stderr does not fill the log, and shows nothing that a terminal would obey.
func TestStderr(t *testing.T) {
	w := connect(t, table("s", "notes", `functions = ["exit"]`))
	w.says(t, "s.Error: s.exit…", "s.exit")
	eventually(t, func() bool { return strings.Contains(w.log.String(), "goodbye") })
	if strings.Contains(w.log.String(), "\x1b") {
		t.Errorf("%q", w.log)
	}
}

// Nor does what is on stdout and no message.
func TestNoise(t *testing.T) {
	w := connect(t, table("s", "noise 3000", `functions = ["*"]`))
	w.says(t, "'ok'", "s.tool")
	if n := strings.Count(w.log.String(), "noise"); n != 1000 {
		t.Errorf("%d lines", n)
	}
}

// What env_from hands on is not told to the agent, or kept in the log, by a server that writes it to stderr.
func TestStderrHasNoSecrets(t *testing.T) {
	t.Setenv("TEST_TOKEN", "s3cret-0123456789")
	w := connect(t, table("s", "leaking TEST_TOKEN", "functions = [\"*\"]\nenv_from = [\"TEST_TOKEN\"]"))
	w.says(t, "s.Error: s.tool: the server has ended with exit status 1; its last words: cannot log in with…", "s.tool")
	_, err := w.call(t.Context(), "s.tool")
	eventually(t, func() bool { return strings.Contains(w.log.String(), "cannot log in with") })
	for _, text := range []string{fmt.Sprint(err), w.log.String()} {
		if strings.Contains(text, "s3cret") {
			t.Error(text)
		}
	}
}
