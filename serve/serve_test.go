package serve_test

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/serve"
)

func TestSession(t *testing.T) {
	k := started(t, config(t), "")
	if got := k.exec("a", "import math\nx = (1, b'2', {3})\nmath.sqrt(125)"); got != "11.180339887498949" {
		t.Error(got)
	}
	if got := k.exec("a", "x"); got != `{"$tuple":[1,{"$bytes":"Mg=="},{"$set":[3]}]}` {
		t.Error(got)
	}
	k.run("session.set", `{"session":"a","variables":{"y":{"$decimal":"1.10"}}}`)
	if got := k.exec("a", "def f(a, *, b): return [a, b, y]\n"); got != "null" {
		t.Error(got)
	}
	r := k.run("session.call", `{"session":"a","function":"f","args":[{"$int":"99999999999999999999"}],"kwargs":{"b":null}}`)
	if got := string(r.Value); got != `[{"$int":"99999999999999999999"},null,{"$decimal":"1.10"}]` {
		t.Error(got)
	}
	// What is printed comes as notifications, before the answer.
	k.run("session.exec", execParams("a", "print('hello')", `,"stream":true`))
	if len(k.notes) != 1 || !strings.Contains(string(k.notes[0].Params), `"stream":"stdout","text":"hello\n"`) {
		t.Errorf("notifications: %v", k.notes)
	}
	denied := k.run("session.exec", execParams("a", "math.cos(1)", ""))
	if denied.Error == nil || !denied.Error.Denied || denied.Error.Type != "Denied" {
		t.Errorf("%+v", denied.Error)
	}
	k.must("session.reset", `{"session":"a"}`)
	if got := k.exec("a", "x"); got != "NameError: name 'x' is not defined" {
		t.Error(got)
	}
	k.must("session.close", `{"session":"a"}`)
	wantCode(t, k.call("session.exec", execParams("a", "1", "")), -32003, `no session "a"`)
}

func TestForkSaveRestore(t *testing.T) {
	k := started(t, config(t), "")
	k.exec("a", "n = [1]")
	k.must("session.fork", `{"session":"a","to":"b"}`)
	k.exec("b", "n.append(2)")
	var saved struct{ Data string }
	json.Unmarshal([]byte(k.must("session.save", `{"session":"b"}`)), &saved)
	k.exec("b", "n.append(3)")
	k.must("session.restore", fmt.Sprintf(`{"data":%q,"session":"c"}`, saved.Data))
	for session, want := range map[string]string{"a": "[1]", "b": "[1,2,3]", "c": "[1,2]"} {
		if got := k.exec(session, "n"); got != want {
			t.Errorf("%s has %s, want %s", session, got, want)
		}
	}
	wantCode(t, k.call("session.fork", `{"session":"a","to":"b"}`), -32004, "there is a session")
	wantCode(t, k.call("session.restore", `{"data":"AAAA"}`), -32008, "not a saved session")
	wantCode(t, k.call("session.restore", `{"data":"?"}`), -32602, "base64")
	k.exec("a", "f = open") // nothing is open yet
	// A name that failed to open is free again.
	k.must("session.restore", fmt.Sprintf(`{"data":%q,"session":"d"}`, saved.Data))
}

func TestErrors(t *testing.T) {
	k := dial(t, config(t))
	wantCode(t, k.call("session.new", `{}`), -32001, "initialize was not called")
	bad := func(policy string) string {
		p, _ := json.Marshal(policy)
		return `{"protocol":1,"policy":{"text":` + string(p) + `}}`
	}
	r := k.call("initialize", bad("policy = 1\nname = \"x\"\n[grant.math]\nfunctions = [\"sqr\"]\n"))
	wantCode(t, r, -32002, `(client policy):4:14: grant.math.functions: there is no function "sqr" in family "math"`)
	if data, _ := json.Marshal(r.Error.Data); string(data) != `{"mistakes":[{"column":14,"file":"(client policy)","hint":"did you mean \"sqrt\"?","line":4,"message":"grant.math.functions: there is no function \"sqr\" in family \"math\""}]}` {
		t.Errorf("data: %s", data)
	}
	k.must("initialize", `{"protocol":1}`) // one that failed can be repeated
	wantCode(t, k.call("initialize", `{"protocol":1}`), -32001, "before")
	k.must("session.new", `{"session":"a"}`)
	wantCode(t, k.call("session.new", `{"session":"a"}`), -32004, "there is a session")
	var c struct{ Modules []string }
	json.Unmarshal([]byte(k.must("server.describe", "{}")), &c)
	if len(c.Modules) < 100 {
		t.Errorf("modules: %v", c.Modules)
	}

	// What the schema does not allow is sent as it is.
	for _, c := range []struct {
		line, id string
		code     int
	}{
		{`{"jsonrpc":"2.0","id":"p","method"`, "null", -32700},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"x\"}", "null", -32700},
		{`[{"jsonrpc":"2.0","id":1,"method":"shutdown"}]`, "null", -32600},
		{`17`, "null", -32600},
		{`{}`, "null", -32600},
		{`{"jsonrpc":"1.0","id":"v","method":"shutdown"}`, `"v"`, -32600},
		{`{"jsonrpc":"2.0","id":1.5,"method":"shutdown"}`, "null", -32600},
		{`{"jsonrpc":"2.0","id":null,"method":"shutdown"}`, "null", -32600},
		{`{"jsonrpc":"2.0","id":"w","id":"x","method":"shutdown"}`, "null", -32600},
		{`{"jsonrpc":"2.0","id":"x","method":7}`, `"x"`, -32600},
		{`{"jsonrpc":"2.0","id":"y","method":"shutdown","result":1}`, `"y"`, -32600},
		{`{"jsonrpc":"2.0","id":"z","method":"shutdown","extra":1}`, `"z"`, -32600},
		{`{"jsonrpc":"2.0","id":"q","result":1,"error":{}}`, `"q"`, -32600},
		{`{"jsonrpc":"2.0","id":"a","method":"session.destroy"}`, `"a"`, -32601},
		{`{"jsonrpc":"2.0","id":"b","method":"session.exec","params":["a","1"]}`, `"b"`, -32602},
		{`{"jsonrpc":"2.0","id":"c","method":"session.exec","params":{"session":"a"}}`, `"c"`, -32602},
		{`{"jsonrpc":"2.0","id":"d","method":"session.exec","params":{"session":"a","code":1}}`, `"d"`, -32602},
		{`{"jsonrpc":"2.0","id":"e","method":"session.exec","params":{"session":"a","code":"1","cdoe":"1"}}`, `"e"`, -32602},
		{`{"jsonrpc":"2.0","id":"f","method":"session.exec","params":{"session":"a","code":null}}`, `"f"`, -32602},
		{`{"jsonrpc":"2.0","id":"g","method":"session.exec","params":{"session":"a","code":"1","timeout_ms":-1}}`, `"g"`, -32602},
		{`{"jsonrpc":"2.0","id":"h","method":"session.set","params":{"session":"a","variables":{"x":{"$nope":1}}}}`, `"h"`, -32602},
		{`{"jsonrpc":"2.0","id":"i","method":"session.call","params":{"session":"a","function":"f","args":{}}}`, `"i"`, -32602},
		{`{"jsonrpc":"2.0","id":"j","method":"session.new","params":{"session":"a\u0000"}}`, `"j"`, -32602},
		{`{"jsonrpc":"2.0","id":"k","method":"session.new","params":{"session":"` + strings.Repeat("x", 65) + `"}}`, `"k"`, -32602},
		{`{"jsonrpc":"2.0","id":"l","method":"shutdown","params":{"now":true}}`, `"l"`, -32602},
	} {
		answered := make(chan reply, 1)
		k.mu.Lock()
		k.waiting[c.id] = answered
		k.mu.Unlock()
		k.write(c.line)
		wantCode(t, <-answered, c.code, "")
	}
	// Nothing of this did harm; nor does what needs no answer.
	k.write(`{"jsonrpc":"2.0","method":"nobody/knows"}`)
	k.write(`{"jsonrpc":"2.0","id":99,"result":{"value":1}}`)
	k.write(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":"nothing"}}`)
	k.write("\r\n  ")
	if got := k.exec("a", "1+1"); got != "2" {
		t.Error(got)
	}
}

func TestPolicyOfTheServer(t *testing.T) {
	tools := oneLine(toolsOfTests)
	own := `,"policy":{"text":"policy = 1\nname = \"own\"\n[grant.math]\nfunctions = [\"sqrt\"]\n"}`
	for _, c := range []struct {
		name           string
		fixed, clients bool
		policy, params string
		refused        string // or "" and how many tools are granted
		granted        int
	}{
		{"no policy of the server's", false, false, smallPolicy, own + tools, "", 2},
		{"the default", false, false, smallPolicy, tools, "", 2},
		{"fixed, another", true, false, smallPolicy, own, "the server's policy is fixed", 0},
		{"fixed, tools", true, false, smallPolicy, tools, "clients cannot grant their own tools", 0},
		{"fixed, tools not asked for", true, false, smallPolicy, `,"tools":[{"name":"f"}]`, "", 0},
		{"fixed, client tools", true, true, smallPolicy, tools, "", 2},
		{"the policy says which", true, true, smallPolicy + "[grant.tools]\nfunctions = [\"add\"]\n", tools, "", 1},
		{"another name", true, false, smallPolicy + "[grant.tools]\nfunctions = [\"add\", \"fail\"]\nas = \"program\"\n", tools, "", 2},
		{"the policy grants what is not there", true, true, smallPolicy + "[grant.tools]\nfunctions = [\"g\"]\n", tools, `there is no function "g"`, 0},
		{"a file", false, false, smallPolicy, `,"policy":{"file":"policy.toml"}`, "reads no files", 0},
		{"bad tool", false, false, smallPolicy, `,"tools":[{"name":"f","parameters":[{"name":"class"}]}]`, "not a parameter name", 0},
		{"a tool twice", false, false, smallPolicy, `,"tools":[{"name":"f"},{"name":"f"}]`, "twice", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			served := config(t)
			served.Fixed, served.ClientTools, served.Policy.Text = c.fixed, c.clients, []byte(c.policy)
			k := dial(t, served)
			r := k.call("initialize", `{"protocol":1`+c.params+`}`)
			if c.refused != "" {
				if r.Error == nil || !strings.Contains(r.Error.Message, c.refused) {
					t.Errorf("got %s", r.line)
				}
				return
			}
			if got := strings.Count(string(r.Result), `"name":"tools.`); r.Error != nil || got != c.granted {
				t.Errorf("%d tools granted, want %d: %s", got, c.granted, r.line)
			}
			if c.granted > 0 {
				k.must("session.new", `{"session":"a"}`)
				if got := k.exec("a", "add.__name__"); got != `"add"` {
					t.Errorf("add is %s", got)
				}
			}
		})
	}
}

const toolsOfTests = `,"grant_tools":true,"tools":[
	{"name":"add","doc":"Adds.","parameters":[{"name":"a","type":"int"},{"name":"b","type":"int","optional":true}],"returns":"int"},
	{"name":"fail","parameters":[{"name":"rest","kind":"var_positional"},{"name":"names","kind":"var_keyword"}]}]`

func oneLine(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "\n", ""), "\t", "") }

func TestTools(t *testing.T) {
	k := dial(t, config(t))
	k.tools = func(tool string, params json.RawMessage) string {
		var p struct{ Args, Kwargs json.RawMessage }
		json.Unmarshal(params, &p)
		if tool == "add" {
			return fmt.Sprintf(`"result":{"value":{"$tuple":[%s,%s]}}`, p.Args, p.Kwargs)
		}
		return `"error":{"code":1,"message":"no luck","data":{"type":"KeyError"}}`
	}
	k.must("initialize", oneLine(`{"protocol":1`+toolsOfTests+`}`))
	k.must("session.new", `{"session":"a"}`)
	for _, c := range []struct{ code, want string }{
		{"add(1)", `{"$tuple":[[1],{}]}`},
		{"add(2.5, b=(1, 2))", `{"$tuple":[[2.5],{"b":{"$tuple":[1,2]}}]}`},
		{"add()", "TypeError: add() missing 1 required positional argument: 'a'"},
		{"add(1, c=2)", "TypeError: add() got an unexpected keyword argument 'c'"},
		{"fail(1, 2, x=3)", "KeyError: 'no luck'"},
		{"tools['tools.add'].__doc__", `"Adds. [a: int; b: int; returns int]"`},
		{"import tools; tools.add is add", "true"}, // from now on, tools is the module
	} {
		if got := k.exec("a", c.code); got != c.want {
			t.Errorf("%s: %s, want %s", c.code, got, c.want)
		}
	}
	k.must("session.reset", `{"session":"a"}`)
	if got := k.exec("a", "add(3)"); got != `{"$tuple":[[3],{}]}` {
		t.Errorf("after reset: %s", got)
	}
}

// What a client answers can be anything.
func TestToolAnswers(t *testing.T) {
	k := dial(t, config(t))
	k.must("initialize", oneLine(`{"protocol":1`+toolsOfTests+`}`))
	k.must("session.new", `{"session":"a"}`)
	k.unchecked = true
	for text, want := range map[string]string{
		`"result":{"value":null}`:                        "null",
		`"result":{"value":{"$bytes":"!"}}`:              "RuntimeError: the client's answer is not a value",
		`"result":{"values":1}`:                          "RuntimeError: the client's answer is not",
		`"result":null`:                                  "RuntimeError: the client's answer is not",
		`"error":{"code":1,"message":"m"}`:               "RuntimeError: m",
		`"error":{"data":{"type":"os.error"}}`:           "RuntimeError: ",
		`"error":{"data":{"type":"SystemExit"}}`:         "RuntimeError: ",
		`"error":7`:                                      "RuntimeError: the client's error is not understood",
		`"error":{"message":"x","data":{"type":"eval"}}`: "RuntimeError: x",
	} {
		k.tools = func(string, json.RawMessage) string { return text }
		if got := k.exec("a", "add(1)"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestCancelAndDeadline(t *testing.T) {
	k := started(t, config(t), "")
	k.exec("a", "kept = 1")
	id, answered := k.start("session.exec", execParams("a", "while True: pass", ""))
	_, behind := k.start("session.exec", execParams("a", "kept", "")) // waits for its turn
	canceled, unbegun := k.start("session.exec", execParams("a", "kept = 2", ""))
	k.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":%s}}`, canceled))
	time.Sleep(20 * time.Millisecond) // a request that runs and one that waits are both canceled; which, is up to the machine
	k.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":%s}}`, id))
	wantCode(t, <-answered, -32800, "canceled")
	if r := <-behind; !strings.Contains(r.line, `"value":1`) {
		t.Errorf("behind it: %s", r.line)
	}
	wantCode(t, <-unbegun, -32800, "canceled")
	if got := k.exec("a", "kept"); got != "1" {
		t.Errorf("what was canceled before it began did something: %s", got)
	}
	wantCode(t, k.call("session.exec", execParams("a", "while True: pass", `,"timeout_ms":30`)), -32801, "timeout_ms")
	if got := k.exec("a", "kept"); got != "1" {
		t.Error(got)
	}
}

// A loop in C cannot be asked to stop. What "checkpoint" has kept is there afterwards.
func TestCheckpoint(t *testing.T) {
	k := started(t, config(t), "")
	k.run("session.exec", execParams("a", "kept = 1", `,"checkpoint":true`))
	wantCode(t, k.call("session.exec", execParams("a", "sum(range(10**15))", `,"timeout_ms":30`)), -32801, "timeout_ms")
	if got := k.exec("a", "kept"); got != "1" {
		t.Error(got)
	}
	r := k.call("session.exec", execParams("a", "sum(range(10**15))", `,"timeout_ms":30`))
	wantCode(t, r, -32801, "timeout_ms")
	if data, _ := json.Marshal(r.Error.Data); string(data) != `{"lost":true}` {
		t.Errorf("data: %s", data)
	}
	wantCode(t, k.call("session.exec", execParams("a", "1", "")), -32005, "lost")
	k.must("session.reset", `{"session":"a"}`)
	if got := k.exec("a", "1"); got != "1" {
		t.Error(got)
	}
}

// TestManySessions runs fifty sessions at once, each with its own numbers, by way of a tool that is one for all.
func TestManySessions(t *testing.T) {
	k := dial(t, config(t))
	k.tools = func(_ string, params json.RawMessage) string {
		var p struct {
			Session string
			Args    []int
		}
		json.Unmarshal(params, &p)
		return fmt.Sprintf(`"result":{"value":[%q,%d]}`, p.Session, p.Args[0]+1)
	}
	k.must("initialize", oneLine(`{"protocol":1`+toolsOfTests+`}`))
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			name := fmt.Sprintf("session %d", n)
			k.must("session.new", fmt.Sprintf(`{"session":%q}`, name))
			k.exec(name, fmt.Sprintf("mine = %d", n))
			for i := range 5 {
				code := fmt.Sprintf("seen = add(mine)\nfor _ in range(1000): pass\nmine += 1\n[seen, mine, %d]", i)
				want := fmt.Sprintf(`[[%q,%d],%d,%d]`, name, n+i+1, n+i+1, i)
				if got := k.exec(name, code); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			if n%2 == 0 {
				k.must("session.close", fmt.Sprintf(`{"session":%q}`, name))
			}
		})
	}
	wg.Wait()
}

func TestBounds(t *testing.T) {
	c := config(t)
	c.MaxSessions, c.MaxMessage, c.MaxRequests = 2, 4096, 4
	k := started(t, c, "")
	k.must("session.new", `{"session":"b"}`)
	wantCode(t, k.call("session.new", `{}`), -32006, "2 sessions")
	k.must("session.close", `{"session":"b"}`)
	k.must("session.new", `{"session":"c"}`) // there is room again

	long := make(chan reply, 1)
	k.mu.Lock()
	k.waiting["null"] = long
	k.mu.Unlock()
	k.write(`{"jsonrpc":"2.0","id":"long","method":"session.exec","params":{"session":"a","code":"` + strings.Repeat(" ", 5000) + `"}}`)
	wantCode(t, <-long, -32007, "longer than 4096 bytes")

	id, blocks := k.start("session.exec", execParams("a", "while True: pass", ""))
	var waiting []<-chan reply
	for range 6 {
		_, answered := k.start("session.exec", execParams("a", "1", ""))
		waiting = append(waiting, answered)
	}
	for _, answered := range waiting[3:] {
		wantCode(t, <-answered, -32006, "too many requests")
	}
	k.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":%s}}`, id))
	wantCode(t, <-blocks, -32800, "")
	for _, answered := range waiting[:3] {
		if r := <-answered; r.Error != nil {
			t.Error(r.Error)
		}
	}
}

func TestTheEnd(t *testing.T) {
	t.Run("of the input", func(t *testing.T) {
		k := started(t, config(t), "")
		_, answered := k.start("session.exec", execParams("a", "1+1", ""))
		k.in.Close()
		if r := <-answered; !strings.Contains(r.line, `"value":2`) {
			t.Errorf("what had come is not done: %s", r.line)
		}
		if err := <-k.done; err != nil {
			t.Error(err)
		}
	})
	t.Run("of the input while code runs for ever", func(t *testing.T) {
		c := config(t)
		c.Policy.Text = []byte(strings.Replace(smallPolicy, "5s", "1h", 1))
		k := started(t, c, "")
		k.start("session.exec", execParams("a", "sum(range(10**15))", ""))
		k.in.Close()
		if err := <-k.done; err != nil {
			t.Error(err)
		}
	})
	t.Run("shutdown", func(t *testing.T) {
		k := started(t, config(t), "")
		_, answered := k.start("session.exec", execParams("a", "while True: pass", ""))
		k.must("shutdown", "{}")
		wantCode(t, <-answered, -32800, "")
		if err := <-k.done; err != nil {
			t.Error(err)
		}
	})
	t.Run("while a tool is called", func(t *testing.T) {
		k := dial(t, config(t))
		k.tools = func(string, json.RawMessage) string { k.in.Close(); return `"result":{"value":1}` }
		k.must("initialize", oneLine(`{"protocol":1`+toolsOfTests+`}`))
		k.must("session.new", `{"session":"a"}`)
		_, answered := k.start("session.exec", execParams("a", "add(1)", ""))
		if r := <-answered; !strings.Contains(r.line, "the client is gone") {
			t.Error(r.line)
		}
		<-k.done
	})
	t.Run("nobody reads", func(t *testing.T) {
		in, toServer := io.Pipe()
		fromServer, out := io.Pipe()
		fromServer.Close()
		done := make(chan error, 1)
		go func() { done <- serve.Serve(t.Context(), in, out, config(t)) }()
		io.WriteString(toServer, `{"jsonrpc":"2.0","id":1,"method":"server.describe"}`+"\n")
		if err := <-done; err != nil {
			t.Error(err)
		}
		toServer.Close()
	})
}

// TestStoppedToolCall: a run that has to stop while its tool works stops as any other does, whatever its code makes of exceptions, and the client learns that its
// tool's result is no longer wanted.
func TestStoppedToolCall(t *testing.T) {
	const code = "try:\n  add(1)\nexcept Exception:\n  pass"
	k := dial(t, config(t))
	k.must("initialize", oneLine(`{"protocol":1,"policy":{"text":"policy = 1\nname = \"p\"\n[limits]\nwall_time = \"300ms\"\n"}`+toolsOfTests+`}`))
	k.must("session.new", `{"session":"a"}`)
	release, called := make(chan struct{}), make(chan struct{}, 3)
	k.tools = func(string, json.RawMessage) string {
		called <- struct{}{}
		<-release
		return `"result":{"value":1}`
	}
	if r := k.run("session.exec", execParams("a", code, "")); r.Error == nil || r.Error.Limit != "wall_time" || r.Error.Type != "LimitExceeded" {
		t.Errorf("%+v", r.Error)
	}
	wantCode(t, k.call("session.exec", execParams("a", code, `,"timeout_ms":50`)), -32801, "timeout_ms")
	<-called
	<-called
	id, answered := k.start("session.exec", execParams("a", code, ""))
	<-called
	k.write(`{"jsonrpc":"2.0","method":"$/cancel","params":{"id":` + id + `}}`)
	wantCode(t, <-answered, -32800, "canceled")
	close(release)
	k.exec("a", "1")
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.notes) != 3 || k.notes[0].Method != "$/cancel" {
		t.Errorf("notifications: %v", k.notes)
	}
}
