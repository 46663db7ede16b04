package serve_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	cjson "github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/serve"
)

// schema compiles a definition of docs/protocol.schema.json.
var schema = func() func(definition string) (*jsonschema.Schema, error) {
	var mu sync.Mutex
	compiler := jsonschema.NewCompiler()
	return func(definition string) (*jsonschema.Schema, error) {
		mu.Lock()
		defer mu.Unlock()
		return compiler.Compile("../docs/protocol.schema.json#/$defs/" + definition)
	}
}()

// valid reports a message that the schema does not allow.
func valid(t testing.TB, definition, line string) {
	t.Helper()
	compiled, err := schema(definition)
	if err != nil {
		t.Error(err)
		return
	}
	message, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err == nil {
		err = compiled.Validate(message)
	}
	if err != nil {
		t.Errorf("%s: %v\n%.500s", definition, err, line)
	}
}

const smallPolicy = "policy = 1\nname = \"small\"\n[python]\nimports = [\"time\", \"re\"]\n[limits]\nwall_time = \"5s\"\n[grant.math]\nfunctions = [\"sqrt\"]\n"

func config(t testing.TB) serve.Config {
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	return serve.Config{
		Families: []capabilities.Family{math.Family(), cjson.Family()},
		Modules:  modules,
		Parse: func(p serve.PolicyText, known *capabilities.Registry) (*policies.Policy, error) {
			return policies.Parse(p.Name, p.Text, policies.Vocabulary{Families: known.Vocabulary(), Modules: modules})
		},
		Policy:  serve.PolicyText{Name: "small.toml", Text: []byte(smallPolicy)},
		Host:    host.Config{Audit: audit.Discard, Cache: cache(t)},
		Version: "test",
	}
}

// cache is a folder of these tests' own. They have many policies, and the cache of the user keeps the images of a few dozen.
func cache(t testing.TB) string {
	folder, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return filepath.Join(folder, "postern-tests", "serve")
}

// A reply is what the server has sent: an answer, a call or a notification.
type reply struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *serve.Error    `json:"error"`
	line   string
}

// A client speaks with a server in this process. Tools answer what the server asks; each message in either direction is checked against the schema.
type client struct {
	t    testing.TB
	in   io.WriteCloser
	done chan error

	writing   sync.Mutex
	mu        sync.Mutex
	last      int
	methods   map[string]string // by id
	waiting   map[string]chan reply
	notes     []reply
	unchecked bool                                             // answers of tools are not checked: they are meant to be wrong
	tools     func(tool string, params json.RawMessage) string // gives "result" or "error"
}

func dial(t testing.TB, c serve.Config) *client {
	t.Helper()
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	k := &client{t: t, in: toServer, done: make(chan error, 1), methods: make(map[string]string), waiting: make(map[string]chan reply)}
	go func() {
		k.done <- serve.Serve(t.Context(), fromClient, toClient, c)
		toClient.Close()
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewReader(fromServer)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			k.receive(line)
		}
	}()
	t.Cleanup(func() {
		toServer.Close()
		<-read
	})
	return k
}

func (k *client) receive(line string) {
	r := reply{line: line}
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		k.t.Errorf("the server says %q", line)
		return
	}
	switch {
	case r.Method == "tool.call":
		valid(k.t, "request.tool.call", line)
		go func() {
			var p struct{ Tool string }
			json.Unmarshal(r.Params, &p)
			answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, r.ID, k.tools(p.Tool, r.Params))
			if !k.unchecked {
				valid(k.t, "response.tool.call", answer)
			}
			k.write(answer)
		}()
	case r.Method != "":
		valid(k.t, "from_server", line)
		k.mu.Lock()
		k.notes = append(k.notes, r)
		k.mu.Unlock()
	default:
		k.mu.Lock()
		method, answered := k.methods[string(r.ID)], k.waiting[string(r.ID)]
		delete(k.waiting, string(r.ID))
		k.mu.Unlock()
		if method == "" {
			valid(k.t, "error_response", line)
		} else {
			valid(k.t, "response."+method, line)
		}
		if answered != nil {
			answered <- r
		}
	}
}

func (k *client) write(line string) {
	k.writing.Lock()
	defer k.writing.Unlock()
	io.WriteString(k.in, line+"\n")
}

// start sends a request.
func (k *client) start(method, params string) (id string, answered <-chan reply) {
	k.mu.Lock()
	k.last++
	id = fmt.Sprint(k.last)
	channel := make(chan reply, 1)
	k.methods[id], k.waiting[id] = method, channel
	k.mu.Unlock()
	line := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, params)
	valid(k.t, "request."+method, line)
	k.write(line)
	return id, channel
}

func (k *client) call(method, params string) reply {
	_, answered := k.start(method, params)
	return <-answered
}

// must is call for what must not be answered with an error.
func (k *client) must(method, params string) string {
	k.t.Helper()
	r := k.call(method, params)
	if r.Error != nil {
		k.t.Fatalf("%s %s: %v", method, params, r.Error)
	}
	return string(r.Result)
}

// A run is the result of exec, set or call.
type run struct {
	OK       bool
	Value    json.RawMessage
	Stdout   string
	Restored bool
	Lost     bool
	Final    bool `json:"is_final_answer"`
	Error    *struct {
		Type, Message, Limit string
		Denied               bool
	}
}

func (k *client) run(method, params string) run {
	k.t.Helper()
	var r run
	if err := json.Unmarshal([]byte(k.must(method, params)), &r); err != nil {
		k.t.Fatal(err)
	}
	return r
}

// exec runs code in a session and gives the value, or the error.
func (k *client) exec(session, code string) string {
	k.t.Helper()
	r := k.run("session.exec", execParams(session, code, ""))
	if r.Error != nil {
		return r.Error.Type + ": " + r.Error.Message
	}
	return string(r.Value)
}

func execParams(session, code, more string) string {
	quoted, _ := json.Marshal(code)
	return fmt.Sprintf(`{"session":%q,"code":%s%s}`, session, quoted, more)
}

// started is a client that has called initialize, with a session "a".
func started(t testing.TB, c serve.Config, params string) *client {
	t.Helper()
	k := dial(t, c)
	k.must("initialize", `{"protocol":1`+params+`}`)
	k.must("session.new", `{"session":"a"}`)
	return k
}

func wantCode(t *testing.T, r reply, code int, says string) {
	t.Helper()
	if r.Error == nil || r.Error.Code != code || !strings.Contains(r.Error.Message, says) {
		t.Errorf("got %swant code %d and %q", r.line, code, says)
	}
}
