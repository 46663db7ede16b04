package plugins_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/plugins"
	"github.com/postern-sandbox/postern/values"
)

// A tool is a plugin of this folder, run by Extism's own SDK: no part of Postern's host is between.
type tool struct {
	compiled  *extism.CompiledPlugin
	functions map[string]*schema.Function
}

func openTool(t *testing.T, name string, host ...extism.HostFunction) *tool {
	t.Helper()
	module, err := os.ReadFile(filepath.Join(name, name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	description, err := plugins.Describe(module, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	made := &tool{functions: make(map[string]*schema.Function)}
	for _, f := range description.Functions {
		made.functions[f.Name] = f
	}
	manifest := extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}}
	if made.compiled, err = extism.NewCompiledPlugin(ctx, manifest, extism.PluginConfig{EnableWasi: true}, host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.compiled.Close(ctx) })
	return made
}

// call calls a function as Python does, in a fresh instance, and gives the repr of what comes back, or the exception.
func (l *tool) call(t *testing.T, name string, args []any, kwargs ...values.Keyword) string {
	t.Helper()
	f := l.functions[name]
	if f == nil {
		t.Fatalf("there is no function %s", name)
	}
	signature, err := capabilities.ParseSignature(f.Signature)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := signature.Bind("tool", name, &capabilities.Call{Args: args, Kwargs: kwargs})
	if err != nil {
		return err.Error()
	}
	input, err := f.Input(t.Context(), bound, 32<<20)
	if err != nil {
		return err.Error()
	}
	return l.raw(t, f, input)
}

// raw calls the export with any bytes.
func (l *tool) raw(t *testing.T, f *schema.Function, input []byte) string {
	t.Helper()
	ctx := context.Background()
	instance, err := l.compiled.Instance(ctx, extism.PluginInstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer instance.Close(ctx)
	code, answer, err := instance.Call(f.Original, input)
	switch {
	case err != nil && code == 1:
		return "Error: " + err.Error()
	case err != nil:
		t.Fatalf("%s is broken by %.200q: %v", f.Name, input, err)
	}
	v, err := f.Output(t.Context(), answer)
	if err != nil {
		t.Fatalf("%s keeps not to its schema: %v: %s", f.Name, err, answer)
	}
	return values.Format(v)
}

func named(name string, v any) values.Keyword { return values.Keyword{Name: name, Value: v} }

type question struct {
	function string
	args     []any
	kwargs   []values.Keyword
	want     string
}

func (l *tool) answers(t *testing.T, questions []question) {
	t.Helper()
	for _, q := range questions {
		if got := l.call(t, q.function, q.args, q.kwargs...); got != q.want {
			t.Errorf("%s%.200s %v:\n%s\nwant\n%s", q.function, values.Format(values.Tuple(q.args)), q.kwargs, got, q.want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	const evil = "a <b onclick=x>b</b>\n\n<script>alert(1)</script>\n\n[l](javascript:alert(1)) ![i](data:text/html,x)\n"
	openTool(t, "markdown").answers(t, []question{
		{"render", []any{"# Hi *there*"}, nil, `'<h1 id="hi-there">Hi <em>there</em></h1>\n'`},
		{"render", []any{""}, nil, `''`},
		{"render", []any{evil}, nil, `'<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n<p>&lt;script&gt;alert(1)&lt;/script&gt;\n</p>\n<p><a href="">l</a> <img src="" alt="i"></p>\n'`},
		{"render", []any{evil}, []values.Keyword{named("safe", true)}, `'<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n<p>&lt;script&gt;alert(1)&lt;/script&gt;\n</p>\n<p><a href="">l</a> <img src="" alt="i"></p>\n'`},
		{"render", []any{evil}, []values.Keyword{named("safe", false)}, `'<p>a <b onclick=x>b</b></p>\n<script>alert(1)</script>\n<p><a href="javascript:alert(1)">l</a> <img src="data:text/html,x" alt="i"></p>\n'`},
		{"render", []any{"<!-- a\n\nb -->\n<div>"}, nil, `'<p>&lt;!-- a\n\nb --&gt;\n</p>\n<p>&lt;div&gt;</p>\n'`},
		{"render", []any{"|a|b|\n|-|-|\n|1|~~2~~|\n\n- [x] done\n\nhttps://example.com"}, nil,
			`'<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td><del>2</del></td>\n</tr>\n</tbody>\n</table>\n<ul>\n<li><input checked="" disabled="" type="checkbox"> done</li>\n</ul>\n<p><a href="https://example.com">https://example.com</a></p>\n'`},
		{"render", []any{"ünïcode 日本 🎉"}, nil, `'<p>ünïcode 日本 🎉</p>\n'`},
		{"outline", []any{"# A `b` *c*\n\ntext\n\n## A\n\nOld style\n---------\n## A\n"}, nil,
			`[{'level': 1, 'title': 'A b c', 'id': 'a-b-c', 'line': 1}, {'level': 2, 'title': 'A', 'id': 'a', 'line': 5}, {'level': 2, 'title': 'Old style', 'id': 'old-style', 'line': 7}, {'level': 2, 'title': 'A', 'id': 'a-1', 'line': 9}]`},
		{"outline", []any{"no heading"}, nil, `[]`},
		{"links", []any{"[a *b*](http://x/?q=1 \"t\") ![pic](p.png) <mailto:a@b.c> www.example.com [r][1]\n\n[1]: /ref"}, nil,
			`[{'text': 'a b', 'url': 'http://x/?q=1', 'image': False}, {'text': 'pic', 'url': 'p.png', 'image': True}, {'text': 'mailto:a@b.c', 'url': 'mailto:a@b.c', 'image': False}, {'text': 'www.example.com', 'url': 'http://www.example.com', 'image': False}, {'text': 'r', 'url': '/ref', 'image': False}]`},
		{"render", []any{int64(1)}, nil, "TypeError: text must be str, not int"},
		{"render", []any{"x"}, []values.Keyword{named("safe", "yes")}, "TypeError: safe must be bool, not str"},
	})
}

func TestMarkdownOfBadInput(t *testing.T) {
	l := openTool(t, "markdown")
	for input, want := range map[string]string{
		"":           "Error: the arguments: unexpected end of JSON input",
		`{"text":1}`: "Error: the arguments: json: cannot unmarshal number into Go struct field renderInput.text of type string",
	} {
		if got := l.raw(t, l.functions["render"], []byte(input)); got != want {
			t.Errorf("%q: %s", input, got)
		}
	}
}

func TestFuzzy(t *testing.T) {
	fruit := values.List{"apple", "Apple pie", "pineapple", "maple", "banana", "ÄPFEL", "äpfel"}
	long := strings.Repeat("x", 1001)
	openTool(t, "fuzzy").answers(t, []question{
		{"match", []any{"appel", fruit}, []values.Keyword{named("limit", int64(3))},
			`[{'choice': 'apple', 'index': 0, 'score': 0.8}, {'choice': 'Apple pie', 'index': 1, 'score': 0.72}, {'choice': 'pineapple', 'index': 2, 'score': 0.72}]`},
		{"match", []any{"Äpfel", fruit}, []values.Keyword{named("limit", int64(2))}, `[{'choice': 'ÄPFEL', 'index': 5, 'score': 1.0}, {'choice': 'äpfel', 'index': 6, 'score': 1.0}]`},
		{"match", []any{"x", values.List{}}, nil, `[]`},
		{"match", []any{"", values.List{"", "a"}}, nil, `[{'choice': '', 'index': 0, 'score': 1.0}, {'choice': 'a', 'index': 1, 'score': 0.0}]`},
		{"match", []any{"pie", fruit}, []values.Keyword{named("limit", int64(1))}, `[{'choice': 'Apple pie', 'index': 1, 'score': 0.9}]`},
		{"match", []any{"ΣΊΣΥΦΟΣ", values.List{"σίσυφος", "МОСКВА"}}, nil, `[{'choice': 'σίσυφος', 'index': 0, 'score': 1.0}, {'choice': 'МОСКВА', 'index': 1, 'score': 0.0}]`},
		{"match", []any{"москва", values.List{"Москва\n\"\\\x00🎉"}}, nil, `[{'choice': 'Москва\n"\\\x00🎉', 'index': 0, 'score': 0.9}]`},
		{"match", []any{"a", values.Tuple{"a", "a", "a"}}, []values.Keyword{named("limit", int64(2))}, `[{'choice': 'a', 'index': 0, 'score': 1.0}, {'choice': 'a', 'index': 1, 'score': 1.0}]`},
		{"match", []any{"a", values.List{"a"}}, []values.Keyword{named("limit", int64(0))}, "ValueError: limit must be at least 1, not 0"},
		{"match", []any{"a", values.List{"a", int64(1)}}, nil, "TypeError: choices[1] must be str, not int"},
		{"match", []any{long, values.List{"a"}}, nil, "ValueError: query must have at most 1000 characters, not 1001"},
		{"match", []any{"a", "abc"}, nil, "TypeError: choices must be list, not str"},
		{"distance", []any{"kitten", "sitting"}, nil, "3"},
		{"distance", []any{"", ""}, nil, "0"},
		{"distance", []any{"", "abc"}, nil, "3"},
		{"distance", []any{"ab", "ba"}, nil, "1"},
		{"distance", []any{"ca", "abc"}, nil, "3"},
		{"distance", []any{"A", "a"}, nil, "1"},
		{"distance", []any{"日本語", "日本"}, nil, "1"},
		{"distance", []any{"🎉", "x"}, nil, "1"},
		{"distance", []any{strings.Repeat("ab", 1000), strings.Repeat("ba", 1000)}, nil, "2"},
		{"distance", nil, []values.Keyword{named("b", "x"), named("a", "y")}, "1"},
	})
}

// The schema keeps such inputs away; whoever calls the plugin without one must be told as well.
func TestFuzzyOfBadInput(t *testing.T) {
	l := openTool(t, "fuzzy")
	const notSo = "Error: the arguments are not JSON as schema.yaml says"
	for input, want := range map[string]string{
		"":     notSo,
		"[]":   notSo,
		"{}":   "Error: query and choices are needed",
		"{} x": notSo,
		`{"query":"a","choices":["a"],"limit":-1}`:                          notSo,
		`{"query":"a","choices":["a"],"limit":99999999999}`:                 "Error: limit must be from 1 to 1000",
		`{"query":"a","choices":["a"`:                                       notSo,
		`{"query":"a","choices":{"a":1}}`:                                   "Error: choices must be a list of strings",
		`{"query":"a","choices":["a",]}`:                                    "Error: choices must be a list of strings",
		`{"query":1,"choices":[]}`:                                          notSo,
		`{"query":"\ud800","choices":[]}`:                                   "Error: a text is not Unicode",
		`{"query":"\x","choices":[]}`:                                       "Error: a text is not Unicode",
		"{\"query\":\"\xff\",\"choices\":[]}":                               "Error: a text is not Unicode",
		"{\"query\":\"\xed\xa0\x80\",\"choices\":[]}":                       "Error: a text is not Unicode",
		`{"query":"a","choices":["` + strings.Repeat("x", 10001) + `"]}`:    "Error: a choice is longer than 10000 characters",
		`{"query":"` + strings.Repeat("x", 1001) + `","choices":[]}`:        "Error: query is longer than 1000 characters",
		`{"query":"a","choices":[` + strings.Repeat(`"",`, 100000) + `""]}`: "Error: there are more than 100000 choices",
		`{"query":"a","choices":["a"],"more":{"x":[1,"]",{}]},"limit":1}`:   `[{'choice': 'a', 'index': 0, 'score': 1.0}]`,
		` { "choices" : [ "\u0061" , "\ud83c\udf89" ] , "query" : "A" } `:   `[{'choice': 'a', 'index': 0, 'score': 1.0}, {'choice': '🎉', 'index': 1, 'score': 0.0}]`,
		strings.Repeat("[", 25<<20):                                         "Error: the arguments need more than 24 MiB of memory",
	} {
		if got := l.raw(t, l.functions["match"], []byte(input)); got != want {
			t.Errorf("%.80q: %s\nwant %s", input, got, want)
		}
	}
}

func TestProfile(t *testing.T) {
	const table = "name,age,joined,member,score\nAda,36,1843-01-01,true,1.5\nBob,,1990-05-17,FALSE,-2e1\nCyd,41,NA,true,n/a\nAda,36,2001-09-09T12:00:00,false,0\n"
	column := func(name, kind, rest string) string {
		return "{'name': '" + name + "', 'type': '" + kind + "', " + rest + "}"
	}
	openTool(t, "profile").answers(t, []question{
		{"profile", []any{table}, []values.Keyword{named("top", int64(1))}, "{'rows': 4, 'columns': [" + strings.Join([]string{
			column("name", "text", "'missing': 0, 'distinct': 3, 'min': None, 'max': None, 'mean': None, 'first': 'Ada', 'last': 'Cyd', 'most_frequent': [{'value': 'Ada', 'count': 2}]"),
			column("age", "integer", "'missing': 1, 'distinct': 2, 'min': 36.0, 'max': 41.0, 'mean': 37.666666666666664, 'first': None, 'last': None, 'most_frequent': [{'value': '36', 'count': 2}]"),
			column("joined", "date", "'missing': 1, 'distinct': 3, 'min': None, 'max': None, 'mean': None, 'first': '1843-01-01', 'last': '2001-09-09T12:00:00', 'most_frequent': [{'value': '1843-01-01', 'count': 1}]"),
			column("member", "boolean", "'missing': 0, 'distinct': 3, 'min': None, 'max': None, 'mean': None, 'first': 'FALSE', 'last': 'true', 'most_frequent': [{'value': 'true', 'count': 2}]"),
			column("score", "number", "'missing': 1, 'distinct': 3, 'min': -20.0, 'max': 1.5, 'mean': -6.166666666666667, 'first': None, 'last': None, 'most_frequent': [{'value': '-2e1', 'count': 1}]"),
		}, ", ") + "]}"},
		{"profile", []any{""}, nil, "{'rows': 0, 'columns': []}"},
		{"profile", []any{"a,b\n"}, []values.Keyword{named("top", int64(0))}, "{'rows': 0, 'columns': [" +
			column("a", "empty", "'missing': 0, 'distinct': 0, 'min': None, 'max': None, 'mean': None, 'first': None, 'last': None, 'most_frequent': []") + ", " +
			column("b", "empty", "'missing': 0, 'distinct': 0, 'min': None, 'max': None, 'mean': None, 'first': None, 'last': None, 'most_frequent': []") + "]}"},
		{"profile", []any{"\ufeff1;\"x;\n\"\"y\"\n2;z\n"}, []values.Keyword{named("delimiter", ";"), named("header", false), named("top", int64(1))}, "{'rows': 2, 'columns': [" +
			column("column 1", "integer", "'missing': 0, 'distinct': 2, 'min': 1.0, 'max': 2.0, 'mean': 1.5, 'first': None, 'last': None, 'most_frequent': [{'value': '1', 'count': 1}]") + ", " +
			column("column 2", "text", `'missing': 0, 'distinct': 2, 'min': None, 'max': None, 'mean': None, 'first': 'x;\n"y', 'last': 'z', 'most_frequent': [{'value': 'x;\n"y', 'count': 1}]`) + "]}"},
		{"profile", []any{"a,b\n1,2\n3\n"}, nil, "Error: line 3 has 1 fields, the first line has 2"},
		{"profile", []any{"a"}, []values.Keyword{named("delimiter", "é")}, `Error: delimiter must be one character of ASCII, not "é"`},
		{"profile", []any{"a"}, []values.Keyword{named("delimiter", "\n")}, `Error: delimiter must be one character of ASCII, not "\n"`},
		{"profile", []any{strings.Repeat("a,", 1001)}, nil, "Error: there are more than 1000 columns"},
		{"profile", []any{"a"}, []values.Keyword{named("top", int64(101))}, "ValueError: top must be at most 100, not 101"},
	})
}

// What is not counted any more must not be taken for what is.
func TestProfileOfManyValues(t *testing.T) {
	var b strings.Builder
	b.WriteString("n\n")
	for i := range 50_001 {
		b.WriteString(values.Format(int64(i)))
		b.WriteByte('\n')
	}
	got := openTool(t, "profile").call(t, "profile", []any{b.String()})
	want := "{'rows': 50001, 'columns': [{'name': 'n', 'type': 'integer', 'missing': 0, 'distinct': None, 'min': 0.0, 'max': 50000.0, 'mean': 25000.0, 'first': None, 'last': None, 'most_frequent': []}]}"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// head serves http.head as docs/abi.md has it: to a loopback server alone.
func head(t *testing.T, server *httptest.Server) extism.HostFunction {
	answer := func(request []byte) ([]byte, error) {
		args, kwargs, err := values.DecodeCall(request)
		if err != nil || len(args) != 1 || len(kwargs) != 0 {
			t.Errorf("%s is no call of http.head: %v", request, err)
			return nil, err
		}
		url := args[0].(string)
		if !strings.HasPrefix(url, server.URL+"/") {
			return values.AppendDenied(nil, values.Denied{Capability: "http.head", Message: "it is not in urls"}, 1000)
		}
		response, err := http.Head(url)
		if err != nil {
			return values.AppendError(nil, "OSError", "no answer", nil, 1000)
		}
		response.Body.Close()
		return values.AppendOK(nil, map[string]any{"status": response.StatusCode}, 1000)
	}
	f := extism.NewHostFunctionWithStack("http_head", func(_ context.Context, p *extism.CurrentPlugin, stack []uint64) {
		request, err := p.ReadBytes(stack[0])
		if err != nil {
			t.Error(err)
			return
		}
		said, err := answer(request)
		if err != nil {
			return
		}
		if stack[0], err = p.WriteBytes(append(said, "      "...)); err != nil { // padded, as Postern's host does
			t.Error(err)
		}
	}, []extism.ValueType{extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
	f.SetNamespace("extism:host/user")
	return f
}

func TestLinkcheck(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
		case "/broken":
			panic(http.ErrAbortHandler)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	l := openTool(t, "linkcheck", head(t, server))
	text := "See " + server.URL + "/here, [there](" + server.URL + "/there) and <" + server.URL + "/broken>; https://example.com/x. Again " + server.URL + "/here! http:// httpx"
	want := "[{'url': 'URL/here', 'ok': True, 'status': 200, 'problem': None}, {'url': 'URL/there', 'ok': False, 'status': 404, 'problem': None}, " +
		"{'url': 'URL/broken', 'ok': False, 'status': None, 'problem': 'no answer'}, {'url': 'https://example.com/x', 'ok': False, 'status': None, 'problem': 'it is not in urls'}]"
	many := ""
	for i := range 101 {
		many += " " + server.URL + "/" + strings.Repeat("x", i)
	}
	l.answers(t, []question{
		{"check", []any{text}, nil, strings.ReplaceAll(want, "URL", server.URL)},
		{"check", []any{""}, nil, "[]"},
		{"check", []any{many}, nil, "Error: there are more than 100 links"},
	})
}

// The module's description is the document beside its sources, and it says what the module does.
func TestDescriptionsAreTheSources(t *testing.T) {
	for _, name := range []string{"fuzzy", "linkcheck", "markdown", "profile"} {
		module, err := os.ReadFile(filepath.Join(name, name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		source, err := os.ReadFile(filepath.Join(name, "schema.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		text, found, err := plugins.Embedded(module)
		if err != nil || !found || string(text) != string(source) {
			t.Errorf("%s: schema.yaml is not what is in the module (%v): plugins/build %s", name, err, name)
		}
		report, err := plugins.Check(module, "", nil)
		if err != nil || !report.Usable() || len(report.Undescribed) > 0 {
			t.Errorf("%s: %+v, %v", name, report, err)
			continue
		}
		for _, i := range report.Imports {
			if i.Grant != "" && name+i.Grant != "linkcheck"+"http.head" {
				t.Errorf("%s wants %s", name, i.Grant)
			}
		}
	}
}
