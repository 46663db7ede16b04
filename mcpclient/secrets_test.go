package mcpclient_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/mcpclient"
)

const handedOn = "functions = [\"*\"]\nenv_from = [\"TEST_TOKEN\", \"TEST_SHORT\", \"TEST_FOLDER\", \"TEST_KEY\"]"

// setSecrets sets the variables of handedOn.
func setSecrets(t *testing.T) {
	t.Setenv("TEST_TOKEN", "s3cret-0123456789")
	t.Setenv("TEST_SHORT", "s3cret")
	t.Setenv("TEST_FOLDER", t.TempDir())
	t.Setenv("TEST_KEY", "-----BEGIN KEY-----\nAbCdEfGhIjKlMnOpQrStUvWx\n-----END KEY-----\n")
}

// telling is the table of a server that is given secrets, and has them in encodings too.
func telling(kind string) string {
	encoded := base64.StdEncoding.EncodeToString([]byte("user:s3cret-0123456789"))
	return fmt.Sprintf("[mcp.s]\ncommand = [%q]\nenv = { %s = %s, TEST_TOKEN_64 = %q, TEST_TOKEN_U = 's3\\u0063ret-0123456789', GORACE = \"atexit_sleep_ms=0\" }\n%s\n",
		os.Args[0], serverVariable, literal(kind), encoded, handedOn)
}

// silent finds secrets where there must be none.
func silent(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(text, "s3cret-0") || strings.Contains(text, "AbCdEf") {
			t.Error(text)
		}
	}
}

// What env_from hands on is told to nobody by a server that shows it in its answers, wherever it stands.
func TestAnswersHaveNoSecrets(t *testing.T) {
	setSecrets(t)
	folder := os.Getenv("TEST_FOLDER")
	text := func(text string) string { return `"result":{"content":[{"type":"text","text":"` + text + `"}]}` }
	for answer, want := range map[string]string{
		text(`a $TEST_TOKEN b ${TEST_TOKEN}c`): `'a [TEST_TOKEN] b [TEST_TOKEN]c'`,
		text("$TEST_TOKEN_U"):                  `'[TEST_TOKEN]'`,
		text("S3CRET-0123456789"):              `'[TEST_TOKEN]'`,
		text("s3cret-012345678"):               `'s3cret-012345678'`,
		text("$TEST_SHORT is short"):           `'s3cret is short'`,
		text("$TEST_FOLDER/a.txt"):             `'` + folder + `/a.txt'`,
		text("AbCdEfGhIjKlMnOpQrStUvWx"):       `'[TEST_KEY]'`,
		`"result":{"content":[{"type":"text","text":"s3cret-"},{"type":"text","text":"$TEST_TOKEN"}]}`:             `'s3cret-\n[TEST_TOKEN]'`,
		`"result":{"content":[{"type":"new","$TEST_TOKEN":{"a":["$TEST_TOKEN",{"b":"${TEST_TOKEN}!"}]}}]}`:         `{'type': 'new', '[TEST_TOKEN]': {'a': ['[TEST_TOKEN]', {'b': '[TEST_TOKEN]!'}]}}`,
		`"result":{"content":[{"type":"resource","resource":{"uri":"a:$TEST_TOKEN","text":"$TEST_TOKEN"}}]}`:       `{'type': 'resource', 'uri': 'a:[TEST_TOKEN]', 'text': '[TEST_TOKEN]'}`,
		`"result":{"content":[{"type":"resource","resource":{"uri":"a","blob":"$TEST_TOKEN_64"}}]}`:                `{'type': 'resource', 'uri': 'a', 'data': b'user:[TEST_TOKEN]'}`,
		`"result":{"content":[{"type":"image","mimeType":"$TEST_TOKEN","data":"$TEST_TOKEN_64"}]}`:                 `{'type': 'image', 'mime_type': '[TEST_TOKEN]', 'data': b'user:[TEST_TOKEN]'}`,
		`"result":{"content":[{"type":"resource_link","uri":"a","name":"$TEST_TOKEN"}]}`:                           `{'type': 'resource_link', 'uri': 'a', 'name': '[TEST_TOKEN]'}`,
		`"result":{"structuredContent":{"$TEST_TOKEN":["x",["$TEST_TOKEN"],{"a":"$TEST_TOKEN"},1.5,null]}}`:        `{'[TEST_TOKEN]': ['x', ['[TEST_TOKEN]'], {'a': '[TEST_TOKEN]'}, 1.5, None]}`,
		`"result":{"structuredContent":{"$TEST_TOKEN":1,"[TEST_TOKEN]":2}}`:                                        `s.Error: s.tool: the tool answered what is malformed: two members have one name, when the secrets are taken out of them`,
		`"result":{"content":[{"type":"new","$TEST_TOKEN":1,"[TEST_TOKEN]":2}]}`:                                   `s.Error: s.tool: the server's answer is malformed: two members have one name, when the secrets are taken out of them`,
		`"result":{"content":[{"type":"text","text":"$TEST_TOKEN is wrong"}],"isError":true}`:                      `s.Error: [TEST_TOKEN] is wrong`,
		`"result":{"$TEST_TOKEN":1,"$TEST_TOKEN":1}`:                                                               `s.Error: s.tool: the server's answer is malformed: member "[TEST_TOKEN]" is there twice`,
		`"result":{"` + strings.Repeat("x", 40) + `$TEST_TOKEN":1,"` + strings.Repeat("x", 40) + `$TEST_TOKEN":1}`: `s.Error: s.tool: the server's answer is malformed: a member with a long name is there twice`,
		`"error":{"code":1,"message":"$TEST_TOKEN is wrong","data":"$TEST_TOKEN"}`:                                 `s.Error: s.tool: the server refused the call: [TEST_TOKEN] is wrong`,
		`"error":{"code":1,"message":"` + strings.Repeat("x", 1990) + `$TEST_TOKEN"}`:                              `s.Error: s.tool: the server refused the call: ` + strings.Repeat("x", 1990) + `[TEST_TOKE…`,
	} {
		t.Run(answer[:min(len(answer), 60)], func(t *testing.T) {
			w := connect(t, telling("telling "+answer))
			_, err := w.call(t.Context(), "s.tool")
			w.says(t, want, "s.tool")
			if strings.HasPrefix(want, "s.Error") {
				silent(t, fmt.Sprint(err))
			}
			silent(t, w.log.String())
		})
	}
}

// A promise of a schema is held against an answer, and what is wrong is said without secrets, although texts are cut in messages.
func TestPromisesHaveNoSecrets(t *testing.T) {
	setSecrets(t)
	for answer, want := range map[string]string{
		`{"structuredContent":{"n":"$TEST_TOKEN"}}`:                                      `s.Error: s.tool: the tool answered a string at ['n'] where its schema says an integer`,
		`{"structuredContent":{"n":1,"$TEST_TOKEN":2}}`:                                  `{'n': 1, '[TEST_TOKEN]': 2}`,
		`{"structuredContent":{"n":1,"e":"$TEST_TOKEN"}}`:                                `s.Error: s.tool: the tool answered '[TEST_TOKEN]' at ['e'] where its schema says 'a'`,
		`{"structuredContent":{"n":1,"e":"` + strings.Repeat("x", 50) + `$TEST_TOKEN"}}`: `s.Error: s.tool: the tool answered '` + strings.Repeat("x", 50) + `[TEST_TOK… at ['e'] where its schema says 'a'`,
		`{"structuredContent":{"n":1,"b":"$TEST_TOKEN_64"}}`:                             `{'n': 1, 'b': b'user:[TEST_TOKEN]'}`,
	} {
		w := connect(t, telling("promise "+answer))
		w.says(t, want, "s.tool")
		silent(t, w.log.String())
	}
}

// What a server says of its tools, and why it cannot be used, has no secrets either; nor has the log.
func TestToolsHaveNoSecrets(t *testing.T) {
	setSecrets(t)
	list := `telling-list {"name":"tool","description":"Sends $TEST_TOKEN.","inputSchema":{"type":"object","properties":{"a":{"type":"string","description":"Not $TEST_TOKEN","default":"$TEST_TOKEN"},"k$TEST_TOKEN":{"enum":["$TEST_TOKEN"]}}}},` +
		`{"name":"t$TEST_TOKEN","inputSchema":{}}`
	w := connect(t, telling(list))
	family, _ := w.Family("s")
	if len(family.Capabilities) != 2 {
		t.Errorf("%+v", family.Capabilities)
	}
	for _, capability := range family.Capabilities {
		spec := capability.Spec()
		silent(t, spec.Function, spec.Signature, spec.Doc, string(family.Description))
		if spec.Function == "tool" && spec.Doc != "Sends [TEST_TOKEN]. [a: str, Not [TEST_TOKEN]; k_TEST_TOKEN_: '[TEST_TOKEN]'; returns any]" {
			t.Error(spec.Doc)
		}
	}
	offer, err := mcpclient.Look(t.Context(), &policy(t, telling(list)).Servers[0], mcpclient.Config{})
	if err != nil {
		t.Fatal(err)
	}
	silent(t, offer.Tools[0].Original+offer.Tools[1].Original, string(offer.Description()))
	// The digest is that of what is told: it is the same when the token is another.
	t.Setenv("TEST_TOKEN", "an0ther-9876543210")
	again, err := mcpclient.Look(t.Context(), &policy(t, telling(list)).Servers[0], mcpclient.Config{})
	if err != nil || again.SHA256() != offer.SHA256() {
		t.Errorf("%v", err)
	}
	setSecrets(t)
	for kind, want := range map[string]string{
		"telling-error $TEST_TOKEN is wrong": `the server refuses: [TEST_TOKEN] is wrong`,
		"telling-version $TEST_TOKEN":        `unsupported protocol version: "[TEST_TOKEN]"`,
		`telling-list {"name":"` + strings.Repeat("x", 50) + `$TEST_TOKEN","inputSchema":[]}`: `the server's tool "` + strings.Repeat("x", 50) + `[TEST_TOKE…" cannot be used`,
		`telling-list {"name":"a","$TEST_TOKEN":1,"$TEST_TOKEN":1}`:                           `member "[TEST_TOKEN]" is there twice`,
		`telling-list {"name":"a","inputSchema":{"$TEST_TOKEN":1,"[TEST_TOKEN]":1}}`:          `two members have one name`,
	} {
		_, err := tryConnect(t, telling(kind))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
		silent(t, fmt.Sprint(err))
	}
	w = connect(t, telling("telling-noise "+strings.Repeat("x", 190)+"$TEST_TOKEN"))
	if !strings.Contains(w.log.String(), "xxxx[TEST_TOKE") {
		t.Error(w.log)
	}
	silent(t, w.log.String())
}

// What headers_from sends is told to nobody either.
func TestEndpointsTellNoSecrets(t *testing.T) {
	t.Setenv("TEST_TOKEN", base64.StdEncoding.EncodeToString([]byte("user:s3cret-0123456789")))
	for _, test := range []struct {
		call func(w http.ResponseWriter, r *http.Request, id json.RawMessage)
		want string
	}{
		{func(w http.ResponseWriter, r *http.Request, id json.RawMessage) {
			_, password, _ := r.BasicAuth()
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s, %s"}]}}`, id, r.Header.Get("Authorization"), password)
		}, `'Basic [TEST_TOKEN], [TEST_TOKEN]'`},
		{func(w http.ResponseWriter, r *http.Request, id json.RawMessage) {
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"structuredContent":{"%s":1}}}`, id, r.Header.Get("Authorization"))
		}, `{'Basic [TEST_TOKEN]': 1}`},
		{func(w http.ResponseWriter, r *http.Request, id json.RawMessage) {
			_, password, _ := r.BasicAuth()
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"not with %s"}}`, id, password)
		}, `s.Error: s.tool: the server refused the call: not with [TEST_TOKEN]`},
		{func(w http.ResponseWriter, r *http.Request, id json.RawMessage) {
			w.Header().Set("Content-Type", r.Header.Get("Authorization"))
		}, `s.Error: s.tool: …`},
	} {
		server := httptest.NewServer(reply(test.call))
		w := connect(t, at(server.URL, "functions = [\"*\"]\nheaders_from = { Authorization = \"Basic env:TEST_TOKEN\" }"))
		_, err := w.call(t.Context(), "s.tool")
		silent(t, fmt.Sprint(err), w.log.String())
		if strings.Contains(fmt.Sprint(err), os.Getenv("TEST_TOKEN")) {
			t.Error(err)
		}
		w.says(t, test.want, "s.tool")
		server.CloseClientConnections()
		server.Close()
	}
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		http.Redirect(w, r, "/login?token="+password, http.StatusTemporaryRedirect)
	}))
	defer redirecting.Close()
	_, err := tryConnect(t, at(redirecting.URL, "functions = [\"*\"]\nheaders_from = { Authorization = \"Basic env:TEST_TOKEN\" }"))
	var failed *mcpclient.StartError
	if !errors.As(err, &failed) || failed.Hint != "it leads to "+redirecting.URL+"/login?token=[TEST_TOKEN]: if that is the server, name it as url" {
		t.Errorf("%v, %+v", err, failed)
	}
}

// Nothing of a secret is in records, whichever way a server tells it.
func TestRecordsHaveNoSecrets(t *testing.T) {
	setSecrets(t)
	for _, answer := range []string{
		`"result":{"structuredContent":{"a":"$TEST_TOKEN"}}`, `"result":{"content":[{"type":"text","text":"$TEST_TOKEN"}],"isError":true}`, `"error":{"code":1,"message":"$TEST_TOKEN"}`,
	} {
		log := new(records)
		s := session(t, log, telling("telling "+answer))
		r := run(t, s, "import s\ntry:\n    said = s.tool()\nexcept s.Error as error:\n    said = str(error)\nsaid")
		if r.Error != nil || !strings.Contains(*r.Repr, "[TEST_TOKEN]") {
			t.Errorf("%v %v", r.Error, r.Repr)
		}
		text, err := json.Marshal(log.kept)
		if err != nil || !strings.Contains(string(text), "[TEST_TOKEN]") {
			t.Errorf("%v", err)
		}
		silent(t, string(text))
	}
}

// A server that is started again can be given another token: neither is told.
func TestTokensThatChange(t *testing.T) {
	state, token := filepath.Join(t.TempDir(), "state"), "s3cret-0123456789"
	environment := func(name string) (string, bool) {
		switch name {
		case "TEST_TOKEN":
			return token, true
		case "PATH", "HOME":
			return os.LookupEnv(name)
		}
		return "", false
	}
	p := policy(t, table("s", "remembering "+state, "functions = [\"*\"]\nenv_from = [\"TEST_TOKEN\"]"))
	servers, err := mcpclient.Connect(t.Context(), p, mcpclient.Config{Environment: environment})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	registry, err := capabilities.NewRegistry(servers.Families()...)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Registry: registry, servers: servers}
	w.says(t, "s.Error: s.tool: the server has ended…", "s.tool")
	token = "an0ther-9876543210"
	w.says(t, "'[TEST_TOKEN] [TEST_TOKEN] '", "s.tool")
}
