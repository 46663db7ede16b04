package serve_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/serve"
)

// A note is a notification session.output.
type note struct{ Session, Stream, Text string }

// printed is what notifications have told of a request until now, "out " or "err " before each text.
func (k *client) printed(request string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, n := range k.notes {
		var p struct {
			note
			Request json.RawMessage
		}
		if n.Method == "session.output" && json.Unmarshal(n.Params, &p) == nil && string(p.Request) == request {
			all = append(all, strings.TrimPrefix(p.Stream, "std")+" "+p.Text)
		}
	}
	return strings.Join(all, "|")
}

// The client has been told what the code had printed when the code calls it.
func TestOutputComesWhileCodeRuns(t *testing.T) {
	k := dial(t, config(t))
	k.tools = func(_ string, params json.RawMessage) string {
		var p struct{ Request json.RawMessage }
		json.Unmarshal(params, &p)
		told, _ := json.Marshal(k.printed(string(p.Request)))
		return fmt.Sprintf(`"result":{"value":%s}`, told)
	}
	k.must("initialize", oneLine(`{"protocol":1`+toolsOfTests+`}`))
	k.must("session.new", `{"session":"a"}`)
	code := "def f(x):\n  print('a')\n  first = add(1)\n  print('é', end='')\n  return [first, add(2), x]"
	k.exec("a", code)
	want := `["out a\n","out a\n|out é",7]`
	for method, params := range map[string]string{
		"session.call": `{"session":"a","function":"f","args":[7],"stream":true}`,
		"session.exec": execParams("a", "f(7)", `,"stream":true`),
	} {
		r := k.run(method, params)
		if string(r.Value) != want || r.Stdout != "a\né" {
			t.Errorf("%s: the tool was called with %s told, want %s; stdout %q", method, r.Value, want, r.Stdout)
		}
	}
	if r := k.run("session.exec", execParams("a", "f(7)", "")); string(r.Value) != `["","",7]` {
		t.Errorf("without stream, %s was told", r.Value)
	}
}

// Both streams come in the order in which they were written, and make up what the answer has.
func TestOutputOfStreams(t *testing.T) {
	c := config(t)
	c.Policy.Text = []byte(strings.Replace(smallPolicy, `imports = [`, `imports = ["sys", `, 1))
	k := started(t, c, "")
	_, answered := k.start("session.exec", execParams("a", "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\nsum(range(10**15))", `,"stream":true,"timeout_ms":100`))
	wantCode(t, <-answered, -32801, "timeout_ms") // stopped by force, so that there is no result
	if got := k.printed("3"); got != "out a\n|err b\n|out c\n" {
		t.Errorf("printed %q", got)
	}
	k.must("session.reset", `{"session":"a"}`)
	// One that a limit has stopped, whichever comes first, has one, and what was printed is in it.
	r := k.run("session.exec", execParams("a", "import re\nprint('begun')\nre.match(r'(a+)+$', 'a'*40+'b')", ""))
	if r.Error == nil || r.Error.Limit == "" || !r.Restored || r.Stdout != "begun\n" {
		t.Errorf("%+v, %+v", r, r.Error)
	}
	id, answered := k.start("session.exec", execParams("a", "for n in range(100_000): print('x', n)", `,"stream":true`))
	var result struct{ Stdout string }
	json.Unmarshal((<-answered).Result, &result)
	all := strings.ReplaceAll(strings.TrimPrefix(k.printed(id), "out "), "|out ", "")
	if len(all) < 64<<10 || all != result.Stdout {
		t.Errorf("%d bytes were told of %d", len(all), len(result.Stdout))
	}
}

func TestCancelOfCodeThatPrints(t *testing.T) {
	k := started(t, config(t), "")
	id, answered := k.start("session.exec", execParams("a", "print('begun')\nwhile True: pass", `,"stream":true`))
	for start := time.Now(); k.printed(id) == "" && time.Since(start) < 20*time.Second; {
		time.Sleep(time.Millisecond)
	}
	k.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":%s}}`, id))
	wantCode(t, <-answered, -32800, "canceled") // its wall_time would have made a result
}

// Output that the client does not read must not pile up: the code waits for the client. It can still be canceled.
func TestClientThatDoesNotReadOutput(t *testing.T) {
	c := config(t)
	c.Policy.Text = []byte(strings.Replace(smallPolicy, `wall_time = "5s"`, "wall_time = \"1s\"\noutput = \"8MiB\"", 1))
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- serve.Serve(t.Context(), in, out, c)
		out.Close()
	}()
	lines := bufio.NewReader(fromServer)
	say := func(format string, args ...any) { fmt.Fprintf(toServer, format+"\n", args...) }
	for n, request := range []string{`"initialize","params":{"protocol":1}`, `"session.new","params":{"session":"a"}`} {
		say(`{"jsonrpc":"2.0","id":%d,"method":%s}`, n, request)
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	code := "import time\nfor n in range(1_000_000): print('line', n)"
	say(`{"jsonrpc":"2.0","id":7,"method":"session.exec","params":%s}`, execParams("a", code, `,"stream":true`))
	// Longer than wall_time: that it waits is not the run's time.
	time.Sleep(1500 * time.Millisecond)
	say(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":7}}`)
	var text strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Params note
			ID     int
			Error  *serve.Error
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m.ID == 7 {
			if m.Error == nil || m.Error.Code != -32800 {
				t.Errorf("answered %.300s", line)
			}
			break
		}
		text.WriteString(m.Params.Text)
	}
	if text.Len() < 1000 || text.Len() > 1<<20 {
		t.Errorf("%d bytes were kept for it", text.Len())
	}
	toServer.Close()
	go io.Copy(io.Discard, lines)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
