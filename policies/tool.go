package policies

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// A Tool is one [tool.NAME] table: a plugin, a WebAssembly module of its own or
// a file of Python, whose functions the agent may call.
type Tool struct {
	Name     string
	Position Position

	// Plugin is the path of the module, as written: relative to the folder of
	// the policy file. If it ends in ".py", the plugin is written in Python.
	Plugin string

	// SHA256 is the digest that the module must have, 64 hexadecimal digits.
	SHA256 string

	// Schema is the path of the description of the plugin's functions, as
	// Plugin is. Empty means the one that is in the module.
	Schema string

	// SchemaSHA256 is the digest that the file of Schema must have, 64 hexadecimal digits; empty is any.
	SchemaSHA256 string

	// Functions are those that may be called, sorted, each once. Empty means
	// all that the plugin has. Positions[i] is where Functions[i] is named.
	Functions []string
	Positions []Position

	// Stateful says that all calls of a session go to one instance of the
	// plugin. Otherwise each call has its own.
	Stateful bool

	// Python is what a plugin in Python may import. It is the default for any other.
	Python Python

	Limits ToolLimits
	Terms

	// Grants are what the plugin itself may call, sorted by family.
	Grants []Grant

	policy *Policy
}

// IsPython reports whether the plugin is written in Python, and runs in the guest of the policy.
func (t *Tool) IsPython() bool { return isPython(t.Plugin) }

func isPython(plugin string) bool { return strings.HasSuffix(plugin, ".py") }

// ToolLimits is a [tool.NAME.limits] table: what one call of the tool may use.
type ToolLimits struct {
	WallTime  time.Duration
	Fuel      int64
	Memory    int64 // bytes
	HostCalls int64
}

var toolLimits = []limit[ToolLimits]{
	{
		"wall_time", durations, int64(5 * time.Second), int64(time.Millisecond), int64(24 * time.Hour),
		"How long one call of the tool may take.",
		"time",
		func(l *ToolLimits) *int64 { return (*int64)(&l.WallTime) },
	},
	{
		"fuel", counts, 1_000_000_000, 1_000, 1_000_000_000_000_000,
		"How many loop iterations and function calls of the plugin one call may execute.",
		"loop iterations and calls",
		func(l *ToolLimits) *int64 { return &l.Fuel },
	},
	{
		"memory", sizes, 64 * mib, 1 * mib, 4*gib - 64*kib,
		"How large the plugin's memory may grow.",
		"bytes",
		func(l *ToolLimits) *int64 { return &l.Memory },
	},
	{
		"host_calls", counts, 100, 1, 1_000_000_000,
		"How many capabilities one call may call.",
		"calls",
		func(l *ToolLimits) *int64 { return &l.HostCalls },
	},
}

var toolLimitKeys = limitSection(toolLimits)

func defaultToolLimits() (limits ToolLimits) {
	for _, l := range toolLimits {
		*l.field(&limits) = l.byDefault
	}
	return limits
}

var toolKeys = slices.Concat(section[Tool]{
	{
		Key: Key{
			Path: "plugin", Type: "a string",
			Doc:     "The plugin, relative to the policy file: a WebAssembly module, or a file of Python whose name ends in .py.",
			Example: `"plugins/wordcount.wasm"`,
		},
		required: `write for example plugin = "plugins/wordcount.wasm"`,
		read:     readPlugin,
	},
	{
		Key: Key{
			Path: "sha256", Type: "a string",
			Doc:     "The SHA-256 of the module in hexadecimal: any other is refused.",
			Example: `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
		},
		required: "write the module's digest, which sha256sum prints",
		read:     readSHA256,
	},
	{
		Key: Key{
			Path: "schema", Type: "a string", Default: "the description in the module",
			Doc:     "The file that describes the plugin's functions, relative to the policy file; see plugins.md.",
			Example: `"plugins/wordcount.yaml"`,
		},
		read: func(c *checker, f field, into *Tool) { readPath(c, f, &into.Schema, `"plugins/wordcount.yaml"`) },
	},
	{
		Key: Key{
			Path: "schema_sha256", Type: "a string", Default: "any description",
			Doc:     "The SHA-256 of the file of schema in hexadecimal: any other is refused, so that what models are told of the functions stays what was read. `postern plugin check --schema` prints it.",
			Example: `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
		},
		read: func(c *checker, f field, into *Tool) {
			readDigest(c, f, &into.SchemaSHA256, "sha256sum prints")
		},
	},
	{
		Key: Key{
			Path: "functions", Type: "an array of strings", Default: "all that the plugin describes",
			Doc:     "The functions of the plugin that may be called.",
			Example: `["count"]`,
		},
		read: readToolFunctions,
	},
	{
		Key: Key{
			Path: "stateful", Type: boolType, Default: "false",
			Doc:     "Whether all calls of a session go to one instance of the plugin, which then remembers. Otherwise each call has a fresh one.",
			Example: "true",
		},
		read: func(c *checker, f field, into *Tool) { into.Stateful = c.boolean(f) },
	},
	subsection("python", toolPythonKeys, func(t *Tool) *Python { return &t.Python }),
	subsection("limits", toolLimitKeys, func(t *Tool) *ToolLimits { return &t.Limits }),
	{Key: Key{Path: "grant"}, read: readToolGrants},
}, lift(termKeys, func(t *Tool) *Terms { return &t.Terms }))

// readToolGrants comes after the terms: what a tool may call is a policy of its own.
func readToolGrants(c *checker, f field, into *Tool) {
	into.Grants = readGrantTables(c, f, into.Grants)
}

// readTools reads [tool]: one table for each tool.
func readTools(c *checker, f field, into *Policy) {
	if !c.isTable(f) {
		return
	}
	base := into.Tools
	into.Tools = nil
	c.namedTables(f, "tool", func(e entry, table field) {
		tool, keys := Tool{Name: e.name, Limits: defaultToolLimits(), Python: Python{Imports: c.vocab.defaultImports()}}, toolKeys
		if i := slices.IndexFunc(base, func(t Tool) bool { return t.Name == e.name }); i >= 0 {
			tool, keys = base[i], keys.optional()
			tool.Grants = slices.Clone(tool.Grants)
			if _, named := e.value.table.get("grant"); !named {
				tool.Grants = nil
			}
		}
		tool.Position = c.doc.position(e.value.at)
		c.note(table.path, e.value.at)
		keys.read(c, table.path+".", e.value.table, &tool)
		c.checkToolKind(table, &tool)
		into.Tools = append(into.Tools, tool)
	})
	slices.SortFunc(into.Tools, func(a, b Tool) int { return strings.Compare(a.Name, b.Name) })
}

// toolPythonKeys are what [tool.NAME.python] has of [python].
var toolPythonKeys = section[Python]{pythonKeys[slices.IndexFunc(pythonKeys, func(k key[Python]) bool { return k.Path == "imports" })]}

func readPlugin(c *checker, f field, into *Tool) {
	readPath(c, f, &into.Plugin, `"plugins/wordcount.wasm"`)
}

func readPath(c *checker, f field, into *string, example string) {
	text, ok := c.text(f)
	wrong := strings.IndexFunc(text, unprintable)
	switch {
	case !ok:
	case text == "":
		c.complain(f, &complaint{f.value.at, "must not be empty", "write for example " + example})
	case len(text) > maxLog:
		c.complain(f, &complaint{f.value.at, "must not be longer than 1024 bytes", ""})
	case wrong >= 0:
		c.complain(f, &complaint{f.value.within(wrong), "a path cannot have " + character(text, wrong), ""})
	default:
		*into = text
	}
}

// readToolFunctions reads names that only the plugin can confirm.
func readToolFunctions(c *checker, f field, into *Tool) {
	items, ok := c.list(f)
	if ok && len(f.items) == 0 {
		c.complain(f, &complaint{f.value.at, "must not be empty", "name at least one function, or leave it out for all that the plugin has"})
	}
	items = slices.DeleteFunc(items, func(item *value) bool {
		wrong := !functionName.matches(item.text)
		if wrong {
			c.complain(f, &complaint{item.at, quote(item.text) + " is not a function's name", "a function is written in lower-case letters, digits and '_', a letter first"})
		}
		return wrong
	})
	slices.SortFunc(items, func(a, b *value) int { return strings.Compare(a.text, b.text) })
	into.Functions, into.Positions = nil, nil
	for _, item := range items {
		into.Functions = append(into.Functions, item.text)
		into.Positions = append(into.Positions, c.doc.position(item.at))
	}
}

// checkToolKind reports what makes no sense for a plugin in Python, or only for one.
func (c *checker) checkToolKind(f field, t *Tool) {
	forPython, forModule := f.table.table("python").entries, []string{"schema", "schema_sha256"}
	if python, said := f.table.get("python"); said && len(forPython) > 0 && !t.IsPython() {
		c.report(python.at, "python is for plugins in Python, and "+quote(t.Plugin)+" is none", "")
	}
	for _, name := range forModule {
		if e, said := f.table.get(name); said && t.IsPython() {
			c.report(e.at, name+" is for WebAssembly modules: a plugin in Python describes itself", "remove it")
		}
	}
	if e, said := f.table.get("schema_sha256"); said && t.Schema == "" && !t.IsPython() && c.complete {
		c.report(e.at, "schema_sha256 is for the file that schema names, and schema is missing", "sha256 pins the description that is in the module")
	}
}

func readSHA256(c *checker, f field, into *Tool) {
	readDigest(c, f, &into.SHA256, "sha256sum prints")
}

// readDigest reads a SHA-256; source says who prints it.
func readDigest(c *checker, f field, into *string, source string) {
	text, ok := c.text(f)
	if !ok {
		return
	}
	text = strings.TrimPrefix(text, "sha256:")
	if sum, err := hex.DecodeString(text); err != nil || len(sum) != 32 {
		c.complain(f, &complaint{f.value.at, "is not a SHA-256", "write 64 hexadecimal digits, which " + source})
		return
	}
	*into = strings.ToLower(text)
}
