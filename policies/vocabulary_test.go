package policies_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// vocabulary is the world of the tests.
func vocabulary() policies.Vocabulary {
	return policies.Vocabulary{
		Families: map[string]policies.Family{
			"clock": {Functions: functions("now")},
			"http":  httpFamily(),
			"json":  {Functions: functions("dumps", "loads")},
			"math":  mathFamily(),
			"store": storeFamily(),
		},
		Modules: slices.Concat(policies.DefaultImports(),
			[]string{"json", "json.decoder", "math", "os", "xml", "xml.etree", "xml.etree.ElementTree"}),
		Open: func(path string) ([]byte, error) {
			text, ok := bases[path]
			if !ok {
				return nil, fmt.Errorf("open %s: no such file", path)
			}
			return []byte(text), nil
		},
	}
}

// bases are the policies that others extend.
var bases = map[string]string{
	"base.toml": `policy = 1
name = "base"
[limits]
wall_time = "5s"
fuel = 1_000_000
[python]
imports = ["re", "xml", "json"]
[grant.math]
functions = ["sqrt", "log"]
calls = 10
[grant.http]
functions = ["get"]
urls = ["https://api.example.com/**"]
rate = "5/s"
when = 'args.url.size() < 200'
approve = "once"
expires = 2030-01-01T00:00:00Z
[grant.store]
functions = ["put", "take"]
kinds = ["text", "image"]
paths = ["data/**"]
copies = 3
labels = { team = "data" }
mode = "append"
`,
	"middle.toml": "policy = 1\nname = \"middle\"\nextends = \"base.toml\"\n[grant.math]\nfunctions = [\"sqrt\"]\ncalls = 5\n",
	"broken.toml": "policy = 1\nname = \"broken\"\nnmae = 1\n",
	"loop.toml":   "policy = 1\nname = \"loop\"\nextends = \"pool.toml\"\n",
	"pool.toml":   "policy = 1\nname = \"pool\"\nextends = \"loop.toml\"\n",
	"servers.toml": `policy = 1
name = "servers"
[mcp.files]
command = ["files", "--root", "/data"]
functions = ["read_*"]
env_from = ["HOME_TOKEN"]
when = 'args.path.startsWith("/data/")'
calls = 10
[mcp.remote]
url = "https://mcp.example.com/mcp"
headers_from = { Authorization = "Bearer env:TOKEN" }
functions = ["get_*"]
tools_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
`,
	"sub/up.toml": "policy = 1\nname = \"up\"\nextends = \"../base.toml\"\n[grant.math]\n",
}

func functions(names ...string) []policies.Function {
	list := make([]policies.Function, len(names))
	for i, name := range names {
		list[i] = policies.Function{Name: name}
	}
	return list
}

func mathFamily() policies.Family {
	f := policies.Family{Functions: functions(strings.Fields(`acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh
		degrees dist erf erfc exp exp2 expm1 fabs factorial floor fma fmod frexp fsum gamma gcd hypot
		isclose isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf nextafter perm pow
		prod radians remainder sin sinh sqrt sumprod tan tanh trunc ulp`)...)}
	for i := range f.Functions {
		f.Functions[i].Parameters = []policies.Parameter{{Name: "x"}}
	}
	return f
}

// httpFamily decides by URL patterns, as a family would that reaches the network.
func httpFamily() policies.Family {
	return policies.Family{
		Functions: []policies.Function{
			{Name: "get", Reads: true, Parameters: []policies.Parameter{
				{Name: "url", Type: "str"}, {Name: "headers", Type: "dict[str]", Nullable: true}, {Name: "retries", Type: "int"},
			}},
			{Name: "post", Reads: true, Writes: true, Parameters: []policies.Parameter{
				{Name: "url", Type: "str"}, {Name: "body", Type: "bytes"}, {Name: "tags", Type: "list[str]"}, {Name: "wait", Type: "float"},
			}},
		},
		Scopes: []policies.ScopeKey{
			{
				Name: "urls", Type: policies.ScopeURLs, Doc: "Which URLs may be asked.", Required: `write for example urls = ["https://api.example.com/**"]`,
				Min: 1, Example: `["https://api.github.com/repos/**"]`,
			},
			{
				Name: "max_response", Type: policies.ScopeSize, Doc: "How large an answer may be.", Default: "1MiB", Min: 1, Max: 64 << 20,
				Example: `"256KiB"`,
			},
		},
		Decide: func(call policies.ScopedCall) policies.Verdict {
			given, _ := call.Arguments.Lookup("url")
			url, ok := given.(string)
			patterns := call.Scope.Patterns("urls")
			if !ok || !policies.MatchAny(patterns, url) {
				return policies.Verdict{Key: "urls", Reason: values.Format(given) + " is not among urls", Nearest: policies.NearestPattern(patterns, url)}
			}
			return policies.Verdict{Allow: true, Key: "urls", Reason: "urls permits it", Canonical: url}
		},
	}
}

// storeFamily has a scope key of every type.
func storeFamily() policies.Family {
	return policies.Family{
		Functions: []policies.Function{
			{Name: "put", Writes: true, Parameters: []policies.Parameter{{Name: "path", Type: "str"}, {Name: "size", Type: "int"}, {Name: "kind", Type: "str"}}},
			{Name: "take", Reads: true, Parameters: []policies.Parameter{{Name: "path", Type: "str"}, {Name: "at", Type: "datetime", Nullable: true}}},
		},
		Scopes: []policies.ScopeKey{
			{Name: "owner", Type: policies.ScopeString, Doc: "Whose store it is.", Default: `"nobody"`, Example: `"ada"`},
			{
				Name: "kinds", Type: policies.ScopeStrings, Doc: "Which kinds of things may be stored.", Example: `["text", "image"]`, Max: 4,
				Check: func(text string) (int, string, string) {
					if i := strings.IndexByte(text, ' '); i >= 0 {
						return i, "a kind has no blank", "write it in one word"
					}
					return 0, "", ""
				},
			},
			{Name: "paths", Type: policies.ScopePaths, Doc: "Which paths may be used.", Default: `["tmp/**"]`, Example: `["data/*.csv"]`},
			{Name: "hosts", Type: policies.ScopeURLs, Doc: "Which mirrors are written to.", Example: `["https://mirror.example.com/**"]`},
			{Name: "max_size", Type: policies.ScopeSize, Doc: "How large a thing may be.", Default: "4KiB", Min: 1, Max: 1 << 20, Example: `"64KiB"`},
			{Name: "delay", Type: policies.ScopeDuration, Doc: "How long to wait at least.", Default: "1s", Max: 1e12, Higher: true, Example: `"2s"`},
			{Name: "copies", Type: policies.ScopeInt, Doc: "How many copies are kept.", Default: "1", Min: 1, Max: 9, Example: "2"},
			{Name: "overwrite", Type: policies.ScopeBool, Doc: "Whether things may be replaced.", Example: "true"},
			{Name: "labels", Type: policies.ScopeMap, Doc: "What is written on all things.", Example: `{ team = "data" }`},
			{Name: "mode", Type: policies.ScopeEnum, Doc: "What may be done.", Choices: []string{"append", "write"}, Example: `"write"`},
		},
		Decide: func(call policies.ScopedCall) policies.Verdict {
			given, _ := call.Arguments.Lookup("path")
			path, ok := given.(string)
			if !ok || !policies.MatchAny(call.Scope.Patterns("paths"), path) {
				return policies.Verdict{
					Key: "paths", Reason: values.Format(given) + " is not among paths",
					Nearest: policies.NearestPattern(call.Scope.Patterns("paths"), path),
				}
			}
			if size, ok := call.Arguments.Lookup("size"); ok && size.(int64) > call.Scope.Number("max_size") {
				return policies.Verdict{Key: "max_size", Reason: fmt.Sprintf("%d bytes are more than max_size", size), Nearest: fmt.Sprint(call.Scope.Number("max_size"))}
			}
			if kind, ok := call.Arguments.Lookup("kind"); ok && !slices.Contains(call.Scope.List("kinds"), kind.(string)) {
				return policies.Verdict{Key: "kinds", Reason: values.Format(kind) + " is not among kinds"}
			}
			return policies.Verdict{Allow: true, Canonical: "/" + path}
		},
	}
}

// names are the functions that the families have.
func names(vocab policies.Vocabulary) map[string][]string {
	all := map[string][]string{}
	for name, family := range vocab.Families {
		all[name] = []string{}
		for _, function := range family.Functions {
			all[name] = append(all[name], function.Name)
		}
	}
	return all
}
