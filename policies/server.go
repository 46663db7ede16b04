package policies

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Server is one [mcp.NAME] table: an MCP server, some of whose tools the agent may call as functions of the module NAME.
//
// It is an open grant: the server alone knows what tools it has. Conditions see the arguments by the names of the parameters in
// Python, of any type; a function that does not have a parameter which decides is denied.
type Server struct {
	Name     string
	Position Position

	// Command is what starts the server, the program first, to speak with it over stdin and stdout. No shell is
	// involved. It is empty if there is a URL.
	Command []string

	// Folder is where the command is started: the folder of the file that says it.
	Folder string

	// URL is where the server is, to speak with it over streamable HTTP. It is in the form that it is requested in.
	URL string

	// Env are variables of the command's environment, and EnvFrom names those that are handed on from the host's.
	Env     map[string]string
	EnvFrom []string

	// HeadersFrom are headers of each request to the URL: what http's secrets are, "Bearer env:API_TOKEN".
	HeadersFrom map[string]string

	// Functions are the names in Python of the tools that may be called, and patterns of such names, in which "*" stands for any
	// characters; sorted, each once. Positions[i] is where Functions[i] is named.
	Functions []string
	Positions []Position

	// ToolsSHA256 is the digest that the granted tools must have, 64 hexadecimal digits; empty is any.
	ToolsSHA256 string

	// MaxResponse is how many bytes a message of the server may have.
	MaxResponse int64

	// StartTimeout is how long the server may take until it has said what tools it has.
	StartTimeout time.Duration

	// Conditions must all hold, as those of a Grant.
	Conditions []*Condition

	Terms
}

// A HeaderSource is where the value of a header comes from.
type HeaderSource struct {
	Scheme   string // "Bearer": what stands before the value; may be empty
	Variable string // of the host's environment
}

// ParseHeaderSource reads "env:NAME" and "Bearer env:NAME".
func ParseHeaderSource(text string) (HeaderSource, bool) {
	m := headerSource.FindStringSubmatch(text)
	if m == nil {
		return HeaderSource{}, false
	}
	return HeaderSource{m[1], m[2]}, true
}

var (
	headerSource  = regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9-]{0,30}) )?env:([A-Za-z_][A-Za-z0-9_]{0,200})$`)
	headerName    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,99}$`)
	variableName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,200}$`)
	secretName    = regexp.MustCompile(`(?i)(^|_)(key|token|secret|password|passwd|pass|credentials?|auth)(_|$)`)
	patternOfName = alphabet(func(r rune, first bool) bool { return isLower(r) || r == '*' || !first && (isDigit(r) || r == '_') })
)

// protocolHeaders are those that the client sets itself.
var protocolHeaders = []string{"Accept", "Connection", "Content-Length", "Content-Type", "Host", "Last-Event-Id", "Mcp-Protocol-Version", "Mcp-Session-Id", "Transfer-Encoding"}

const (
	maxArguments   = 100
	defaultStart   = 30 * time.Second
	maxMCPResponse = 7 * mib // what crosses to the guest in any encoding
	defaultAnswer  = mib
)

// The keys that a server has and that are written as the keys of a family's scope are.
var (
	serverEnv = &ScopeKey{
		Name: "env", Type: ScopeMap, Max: 100, CheckName: checkVariable, Example: `{ LOG_LEVEL = "warn" }`,
		Doc: "Variables of the command's environment. Secrets do not belong here: see env_from.",
	}
	serverEnvFrom = &ScopeKey{
		Name: "env_from", Type: ScopeStrings, Max: 100, Example: `["GITHUB_TOKEN"]`,
		Doc: "Variables of the host's environment that are handed on to the command. Of all others it gets PATH and HOME alone.",
		Check: func(text string) (int, string, string) {
			message, hint := checkVariable(text)
			if message != "" {
				message = quote(text) + " " + message
			}
			return 0, message, hint
		},
	}
	serverHeaders = &ScopeKey{
		Name: "headers_from", Type: ScopeMap, Max: 20, CheckName: checkHeaderName, Example: `{ Authorization = "Bearer env:API_TOKEN" }`,
		Doc: "Headers that are sent with each request to the URL, with values from variables of the host's environment.",
		Check: func(text string) (int, string, string) {
			if _, ok := ParseHeaderSource(text); !ok {
				return 0, quote(text) + " does not name a variable", `write "env:NAME" or "Bearer env:NAME"`
			}
			return 0, "", ""
		},
	}
	serverMaxResponse = &ScopeKey{
		Name: "max_response", Type: ScopeSize, Default: "1MiB", Min: kib, Max: maxMCPResponse, Example: `"256KiB"`,
		Doc: "How large the answer to a call may be, as the server sends it.",
	}
	serverStartTimeout = &ScopeKey{
		Name: "start_timeout", Type: ScopeDuration, Default: "30s", Min: int64(100 * time.Millisecond), Max: int64(10 * time.Minute), Example: `"1m"`,
		Doc: "How long the server may take until it has said what tools it has.",
	}
)

func checkVariable(name string) (message, hint string) {
	if !variableName.MatchString(name) {
		return "is not the name of a variable", `write a name such as "GITHUB_TOKEN"`
	}
	return "", ""
}

func checkHeaderName(name string) (message, hint string) {
	switch {
	case !headerName.MatchString(name):
		return "is not the name of a header", ""
	case slices.ContainsFunc(protocolHeaders, func(own string) bool { return strings.EqualFold(own, name) }):
		return "is a header that only the host sets", ""
	}
	return "", ""
}

// serverKey makes a key of a server of one that is described like a scope's.
func serverKey(k *ScopeKey, set func(s *Server, v ScopeValue)) key[Server] {
	return key[Server]{Key: k.describe(), read: func(c *checker, f field, into *Server) {
		v := ScopeValue{Key: k}
		if k.read(c, f, &v) {
			set(into, v)
		}
	}}
}

var serverKeys = slices.Concat(section[Server]{
	{
		Key: Key{
			Path: "command", Type: "an array of strings", Default: "none",
			Doc:     "The program that is the server, and its arguments; no shell is involved. It is started in the folder of the policy file. This or url is needed.",
			Example: `["uvx", "mcp-server-time"]`,
		},
		read: readCommand,
	},
	{
		Key: Key{
			Path: "url", Type: "a string", Default: "none",
			Doc:     "Where the server is: its endpoint for streamable HTTP.",
			Example: `"https://mcp.example.com/mcp"`,
		},
		read: readServerURL,
	},
	serverKey(serverEnv, func(s *Server, v ScopeValue) { s.Env = v.Map }),
	serverKey(serverEnvFrom, func(s *Server, v ScopeValue) { s.EnvFrom = v.List }),
	serverKey(serverHeaders, func(s *Server, v ScopeValue) { s.HeadersFrom = v.Map }),
	{
		Key: Key{
			Path: "functions", Type: "an array of strings",
			Doc:     `The tools that may be called, by their names in Python; "*" stands for any characters.`,
			Example: `["search", "get_*"]`,
		},
		required: `name the tools that are granted, for example functions = ["search", "get_*"]`,
		read:     readServerFunctions,
	},
	{
		Key: Key{
			Path: "tools_sha256", Type: "a string", Default: "any tools",
			Doc:     "The digest of what the granted tools say of themselves: when they change, they are refused. `postern policy explain --connect` prints it.",
			Example: `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
		},
		read: func(c *checker, f field, into *Server) {
			readDigest(c, f, &into.ToolsSHA256, "`postern policy explain --connect` prints")
		},
	},
	serverKey(serverMaxResponse, func(s *Server, v ScopeValue) { s.MaxResponse = v.Number }),
	serverKey(serverStartTimeout, func(s *Server, v ScopeValue) { s.StartTimeout = time.Duration(v.Number) }),
}, lift(whenKeys, func(s *Server) *[]*Condition { return &s.Conditions }), lift(termKeys, func(s *Server) *Terms { return &s.Terms }))

// readServers reads [mcp]: one table for each server.
func readServers(c *checker, f field, into *Policy) {
	if !c.isTable(f) {
		return
	}
	base := into.Servers
	into.Servers = nil
	c.namedTables(f, "server", func(e entry, table field) {
		server, keys := Server{Name: e.name, MaxResponse: defaultAnswer, StartTimeout: defaultStart}, serverKeys
		if i := slices.IndexFunc(base, func(s Server) bool { return s.Name == e.name }); i >= 0 {
			server, keys = base[i], keys.optional()
			server.Conditions = slices.Clone(server.Conditions)
		}
		server.Position = c.doc.position(e.value.at)
		c.note(table.path, e.value.at)
		keys.read(c, table.path+".", e.value.table, &server)
		c.checkServerKind(table, &server)
		into.Servers = append(into.Servers, server)
	})
	slices.SortFunc(into.Servers, func(a, b Server) int { return strings.Compare(a.Name, b.Name) })
}

// checkServerKind reports a server that is reached in no way or in two, and what makes no sense for the way in which it is.
func (c *checker) checkServerKind(f field, s *Server) {
	_, command := f.table.get("command")
	_, url := f.table.get("url")
	switch {
	case command && url:
		e, _ := f.table.get("url")
		c.report(e.at, f.path+": command and url are both given", "a server is started by a command, or is reached at a URL")
	case !command && !url && s.Command == nil && s.URL == "" && c.complete:
		c.report(f.table.at, `"command" is missing`+in(f.path), `write command = ["PROGRAM", "ARGUMENT"], or url = "https://…"`)
	}
	for name, wanted := range map[string]bool{"env": s.URL == "", "env_from": s.URL == "", "headers_from": s.Command == nil} {
		if e, said := f.table.get(name); said && !wanted {
			other := map[bool]string{true: "a server that is started by a command", false: "a server at a URL"}[name != "headers_from"]
			c.report(e.at, f.path+"."+name+" is for "+other, "remove it")
		}
	}
	for _, name := range s.EnvFrom {
		if _, twice := s.Env[name]; twice {
			e, _ := f.table.get("env_from")
			if e == nil {
				e, _ = f.table.get("env")
			}
			c.report(e.at, f.path+": "+quote(name)+" is in env and in env_from", "leave it out of one")
		}
	}
}

func readCommand(c *checker, f field, into *Server) {
	const hint = `write for example command = ["uvx", "mcp-server-time"]`
	if f.kind != arrayKind {
		c.complain(f, f.mismatch("an array of strings", hint))
		return
	}
	switch {
	case len(f.items) == 0:
		c.complain(f, &complaint{f.value.at, "must not be empty", hint})
		return
	case len(f.items) > maxArguments:
		c.complain(f, &complaint{f.value.at, "must not have more than 100 elements", ""})
		return
	}
	var argv []string
	for i, item := range f.items {
		wrong := strings.IndexFunc(item.text, unprintable)
		switch {
		case item.kind != stringKind:
			c.complain(f, item.mismatch("a string", ""))
		case wrong >= 0:
			c.complain(f, &complaint{item.within(wrong), "an argument cannot have " + character(item.text, wrong), ""})
		case i == 0 && item.text == "":
			c.complain(f, &complaint{item.at, "the program has no name", hint})
		case i == 0 && len(f.items) == 1 && strings.Contains(item.text, " "):
			c.complain(f, &complaint{item.at, quote(item.text) + " is no program", "write each argument as a string of its own: no shell is involved"})
		case len(item.text) > maxWhen:
			c.complain(f, &complaint{item.at, "an argument must not be longer than 4096 bytes", ""})
		default:
			argv = append(argv, item.text)
		}
	}
	if len(argv) == len(f.items) {
		into.Command, into.Folder, into.URL = argv, filepath.Dir(c.doc.file), ""
	}
}

func readServerURL(c *checker, f field, into *Server) {
	const hint = `write for example url = "https://mcp.example.com/mcp"`
	text, ok := c.text(f)
	if !ok {
		return
	}
	wrong := strings.IndexFunc(text, unprintable)
	u, err := url.Parse(text)
	switch {
	case wrong >= 0:
		c.complain(f, &complaint{f.value.within(wrong), "a URL cannot have " + character(text, wrong), ""})
	case len(text) > maxLog:
		c.complain(f, &complaint{f.value.at, "must not be longer than 1024 bytes", ""})
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		c.complain(f, &complaint{f.value.at, quote(text) + " is not a URL of a server", hint})
	case u.User != nil:
		c.complain(f, &complaint{f.value.at, "a URL has no name and password here", "headers_from sends them, from variables of the host's environment"})
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		c.complain(f, &complaint{f.value.at, "a URL has no fragment here", "leave out what begins with #"})
	default:
		u.Host = strings.ToLower(u.Host)
		into.URL, into.Command, into.Folder = u.String(), nil, ""
	}
}

// isPlain reports whether what is sent to the server can be read on its way: by http to another machine.
func (s *Server) isPlain() bool {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() != "localhost" && (err != nil || !address.IsLoopback())
}

// readServerFunctions reads names and patterns that only the server can confirm.
func readServerFunctions(c *checker, f field, into *Server) {
	items, ok := c.list(f)
	if ok && len(f.items) == 0 {
		c.complain(f, &complaint{f.value.at, "must not be empty", "name at least one tool, or remove the table"})
	}
	items = slices.DeleteFunc(items, func(item *value) bool {
		mistake := namePatternMistake(item)
		if mistake != nil {
			c.complain(f, mistake)
		}
		return mistake != nil
	})
	slices.SortFunc(items, func(a, b *value) int { return strings.Compare(a.text, b.text) })
	into.Functions, into.Positions = nil, nil
	for _, item := range items {
		into.Functions = append(into.Functions, item.text)
		into.Positions = append(into.Positions, c.doc.position(item.at))
	}
}

func namePatternMistake(item *value) *complaint {
	if strings.Contains(item.text, "**") {
		return &complaint{item.at, quote(item.text) + ": one \"*\" stands for any characters", "write one"}
	}
	if !patternOfName.matches(item.text) {
		return &complaint{item.at, quote(item.text) + " is not a function's name or a pattern of names", `a tool has the name that Python gives it, such as "get_user" for get-user and getUser`}
	}
	return nil
}

// FitsName reports whether a function has a name, or fits a pattern of names, as functions of [mcp.NAME] has them.
func FitsName(name, function string) bool {
	return functionName.matches(function) && (name == function || namePattern(name).Match(function))
}

// Names reports whether the server's table grants a function.
func (s *Server) Names(function string) bool {
	return slices.ContainsFunc(s.Functions, func(name string) bool { return FitsName(name, function) })
}

// namePattern compiles a name in which "*" stands for any characters.
func namePattern(text string) Pattern {
	p := Pattern{text: text}
	for i, literal := range strings.Split(text, "*") {
		if i > 0 {
			p.run(anyChar)
		}
		p.literal(literal)
	}
	p.finish()
	return p
}

// warnServers warns of what servers can do.
func (c *checker) warnServers(p *Policy) {
	for i := range p.Servers {
		s := &p.Servers[i]
		rule := "mcp." + s.Name
		at := func(key string) Position {
			if where, said := p.Where(rule + "." + key); said {
				return where
			}
			return s.Position
		}
		if s.Command != nil {
			c.warnAt(p, s.Position, rule+": the server runs outside of the sandbox, with the rights of this process", "")
		}
		if s.isPlain() {
			c.warnAt(p, at("url"), rule+".url: whoever is on the way can read and change what goes over http", "write https")
		}
		if i := slices.Index(s.Functions, "*"); i >= 0 && s.ToolsSHA256 == "" {
			c.warnAt(p, s.Positions[i], rule+`.functions: "*" grants whatever the server has, now and later`, "name the tools that are needed, or pin them with tools_sha256")
		}
		for _, name := range sortedKeys(s.Env) {
			if secretName.MatchString(name) {
				c.warnAt(p, at("env."+name), rule+".env: "+quote(name)+" looks like a secret, which everybody sees who sees the policy", "set it in the host's environment and name it in env_from")
			}
		}
		_, said := p.Where(rule + ".approve")
		if !s.asks() && (!said || s.Note == "") {
			c.warnAt(p, at("approve"), rule+": the server alone knows what its tools change, and nobody is asked",
				`approve = "once" or "always" asks a human; approve = "never" and a note that says why accept it`)
		}
		c.expires(p, rule, &s.Terms)
	}
}
