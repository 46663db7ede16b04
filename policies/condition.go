package policies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/postern-sandbox/postern/values"
)

const (
	// maxWhen is how long a condition may be, in characters.
	maxWhen = 4096
	// maxWhens is how long all conditions of a policy may be together: to compile some of them takes a hundredth of a second a thousand characters.
	maxWhens = 1 << 16
	// maxWhenCost is how many of CEL's units of cost a condition may take to be decided: some milliseconds.
	maxWhenCost = 100_000
	// maxWhenTime is how long that may take all the same: CEL counts a step that compares a number with a long text as a short one.
	maxWhenTime = time.Second
	// whenLook is after how many steps of a loop the time is looked at.
	whenLook = 10
	// maxWhenMistakes is how many mistakes of one condition are shown.
	maxWhenMistakes = 5
)

// A Condition is what one `when` says, compiled for each function of the grant.
type Condition struct {
	// Text is the condition in CEL.
	Text string

	// Position is that of the string.
	Position Position

	programs map[string]*program // by function
	open     *program            // for functions that the policy does not know
	source   *value              // until it is compiled
	path     string              // "grant.math.when"

	parameters []string
}

// Parameters returns the names of the parameters that the condition is about, sorted. They must not be changed.
func (c *Condition) Parameters() []string { return c.parameters }

// A program is a condition compiled for functions of the same parameters.
type program struct {
	cel    cel.Program // counts its cost, and gives up
	params map[string]Parameter
	open   bool // it is not known which of them a function has

	// small is the condition for arguments that are small: it cannot cost more than is permitted, so nothing counts it. To
	// count takes twice as long as to decide. Nil if it could cost too much even so.
	small func() (cel.Program, error)
}

func readWhen(c *checker, f field, into *[]*Condition) {
	text, ok := c.text(f)
	switch {
	case !ok:
	case strings.TrimSpace(text) == "":
		c.complain(f, &complaint{f.value.at, "must not be empty", "leave it out to set no condition"})
	case utf8.RuneCountInString(text) > maxWhen:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("must not be longer than %d characters", maxWhen), ""})
	case c.whens+len(text) > maxWhens:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("all conditions together must not be longer than %d bytes", maxWhens), ""})
	default:
		c.whens += len(text)
		*into = append(*into, &Condition{
			Text: text, Position: c.doc.position(f.value.at), source: f.value, path: f.path,
		})
	}
}

// compileConditions compiles what the grants' conditions say. It runs when all
// grants are known: which names there are depends on them.
func (c *checker) compileConditions(p *Policy) {
	_, clock := p.grant("clock")
	compiler := compiler{checker: c, clock: clock, envs: map[string]*cel.Env{}}
	for i := range p.Grants {
		compiler.grant(&p.Grants[i])
	}
	for i := range p.Tools {
		for j := range p.Tools[i].Grants {
			compiler.grant(&p.Tools[i].Grants[j])
		}
	}
	for i := range p.Servers {
		compiler.conditions(p.Servers[i].Conditions, compiler.compileOpen)
	}
}

// A compiler compiles the conditions of one policy. CEL is not touched unless
// there is one: it takes some milliseconds to get ready.
type compiler struct {
	*checker
	clock bool // now is declared
	base  *cel.Env
	envs  map[string]*cel.Env // by what the parameters are
}

func (c *compiler) grant(g *Grant) {
	family := c.vocab.Families[g.Family]
	c.conditions(g.Conditions, func(condition *Condition) {
		switch {
		case family.Open:
			c.compileOpen(condition)
		case len(g.Functions) > 0:
			c.compile(condition, family, g.Functions)
		}
	})
}

// conditions compiles those conditions that were not compiled with the policy that says them.
func (c *compiler) conditions(list []*Condition, compile func(*Condition)) {
	for _, condition := range list {
		if condition.source != nil {
			compile(condition)
			condition.source = nil
		}
	}
}

// parse reads a condition. Its mistakes are reported; then there is no result.
func (c *compiler) parse(condition *Condition) *cel.Ast {
	if err := c.prepare(); err != nil {
		c.complainWhen(condition, 0, err.Error(), "")
		return nil
	}
	parsed, issues := c.base.Parse(condition.Text)
	if issues.Err() != nil {
		c.issues(condition, issues)
		return nil
	}
	return parsed
}

// compileOpen checks a condition for functions that are not known: its parameters are any values, and whether a function has them shows at its call.
func (c *compiler) compileOpen(condition *Condition) {
	parsed := c.parse(condition)
	if parsed == nil {
		return
	}
	used, ok := c.checkNames(condition, parsed, nil, nil)
	if !ok {
		return
	}
	condition.parameters = used
	params, key := seen(&Function{}, used)
	condition.open = c.checked(condition, parsed, params, key)
	if condition.open != nil {
		condition.open.open = true
	}
}

// compile checks a condition for each function and keeps the programs. A mistake is reported once.
func (c *compiler) compile(condition *Condition, family Family, functions []string) {
	parsed := c.parse(condition)
	if parsed == nil {
		return
	}
	union := parametersOf(family, functions)
	used, ok := c.checkNames(condition, parsed, union, functions)
	if !ok {
		return
	}
	condition.parameters = used
	condition.programs = make(map[string]*program, len(functions))
	compiled := map[string]*program{} // functions that see the same have the same program
	for _, name := range functions {
		function, known := family.function(name)
		if !known {
			return // it is reported
		}
		params, key := seen(function, used)
		if compiled[key] == nil {
			if compiled[key] = c.checked(condition, parsed, params, key); compiled[key] == nil {
				return
			}
		}
		condition.programs[name] = compiled[key]
	}
}

// checked is program, with its mistakes reported; then there is no result.
func (c *compiler) checked(condition *Condition, parsed *cel.Ast, params map[string]Parameter, key string) *program {
	program, issues, err := c.program(parsed, params, key)
	switch {
	case issues != nil:
		c.issues(condition, issues)
		return nil
	case err != nil:
		c.complainWhen(condition, 0, err.Error(), "")
		return nil
	}
	return program
}

// prepare makes the environment that all conditions have in common.
func (c *compiler) prepare() (err error) {
	if c.base != nil {
		return nil
	}
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(adapter{}),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxWhen),
		cel.ParserRecursionLimit(100),
		cel.ExpressionNodeLimit(4 * maxWhen),
		cel.Variable("call.count", cel.IntType),
		cel.Variable("call.session", cel.StringType),
		cel.Variable("call.function", cel.StringType),
		cel.Variable("policy.name", cel.StringType),
	}
	if c.clock {
		options = append(options, cel.Variable("now", cel.TimestampType))
	}
	c.base, err = cel.NewEnv(options...)
	return err
}

// program compiles a condition for the parameters that it uses.
func (c *compiler) program(parsed *cel.Ast, params map[string]Parameter, key string) (*program, *cel.Issues, error) {
	env := c.envs[key]
	if env == nil {
		var options []cel.EnvOption
		for _, name := range sortedKeys(params) {
			options = append(options, cel.Variable("args."+name, celType(params[name])))
		}
		var err error
		if env, err = c.base.Extend(options...); err != nil {
			return nil, nil, err
		}
		c.envs[key] = env
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, issues, nil
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, nil, fmt.Errorf("the condition is %s, not true or false", article(t.String()))
	}
	made, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxWhenCost), cel.InterruptCheckFrequency(whenLook))
	if err != nil {
		return nil, nil, err
	}
	p := &program{cel: made, params: params}
	if cost, err := env.EstimateCost(checked, smallArguments{}); err == nil && cost.Max <= maxWhenCost {
		p.small = sync.OnceValues(func() (cel.Program, error) { return env.Program(checked, cel.EvalOptions(cel.OptOptimize)) })
	}
	return p, nil, nil
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// parametersOf returns all parameters of the functions, by their names.
func parametersOf(family Family, functions []string) map[string]bool {
	union := map[string]bool{}
	for _, name := range functions {
		if function, ok := family.function(name); ok {
			for _, p := range function.Parameters {
				union[p.Name] = true
			}
		}
	}
	return union
}

// seen returns what a function's condition sees of the parameters that it uses, and
// what identifies it. One that only other functions have is any value, and always None.
func seen(function *Function, used []string) (params map[string]Parameter, key string) {
	params = make(map[string]Parameter, len(used))
	var b strings.Builder
	for _, name := range used {
		p := Parameter{Name: name}
		if i := slices.IndexFunc(function.Parameters, func(p Parameter) bool { return p.Name == name }); i >= 0 {
			p = function.Parameters[i]
		}
		params[name] = p
		fmt.Fprintf(&b, "%s:%s:%t;", name, p.Type, p.Nullable)
	}
	return params, b.String()
}

// members are the names behind "call." and "policy.".
var members = map[string][]string{"call": {"count", "function", "session"}, "policy": {"name"}}

// checkNames checks the names of a condition, for which CEL itself has no good words,
// and returns the parameters that it uses. Nil params are all that there can be.
func (c *compiler) checkNames(condition *Condition, parsed *cel.Ast, params map[string]bool, functions []string) (used []string, ok bool) {
	ok = true
	inside := map[int64]bool{} // names that are the first part of another
	locals := map[string]bool{}
	complain := func(id int64, message, hint string) {
		ok = false
		offset := 0
		if where := parsed.NativeRep().SourceInfo().GetStartLocation(id); where.Line() > 0 {
			offset = offsetOf(condition.Text, where.Line(), where.Column())
		}
		c.complainWhen(condition, offset, message, hint)
	}
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			locals[e.AsComprehension().IterVar()], locals[e.AsComprehension().IterVar2()], locals[e.AsComprehension().AccuVar()] = true, true, true
		case ast.CallKind:
			// The arguments are the agent's, and a pattern can be larger than what is matched.
			call := e.AsCall()
			if args := call.Args(); call.FunctionName() == "matches" && len(args) > 0 && args[len(args)-1].Kind() != ast.LiteralKind {
				complain(args[len(args)-1].ID(), "the pattern of matches() must be written out", "")
			}
		case ast.SelectKind:
			s := e.AsSelect()
			if s.Operand().Kind() != ast.IdentKind {
				return
			}
			base, member := s.Operand().AsIdent(), s.FieldName()
			known, special := members[base]
			if base != "args" && !special || locals[base] {
				return
			}
			inside[s.Operand().ID()] = true
			switch {
			case s.IsTestOnly():
				complain(s.Operand().ID(), "has() is not needed: what is not there is null", fmt.Sprintf("write %s.%s != null", base, member))
			case base == "args" && (params == nil || params[member]):
				if !slices.Contains(used, member) {
					used = append(used, member)
				}
			case base == "args":
				names := sortedKeys(params)
				complain(s.Operand().ID(), fmt.Sprintf("%s a parameter %s", lack(functions), quote(member)), c.suggest(member, names, choices("there are", names)))
			case !slices.Contains(known, member):
				known = prefixed(base+".", known)
				complain(s.Operand().ID(), fmt.Sprintf("there is no %s", quote(base+"."+member)), c.suggest(base+"."+member, known, choices("there are", known)))
			}
		case ast.IdentKind:
			switch name := e.AsIdent(); {
			case inside[e.ID()] || locals[name]:
			case name == "args":
				complain(e.ID(), "args is not a value", "write args.NAME with the name of a parameter")
			case members[name] != nil:
				complain(e.ID(), name+" is not a value", choices("there are", prefixed(name+".", members[name])))
			case name == "now" && !c.clock:
				complain(e.ID(), "now needs the clock", "add [grant.clock]")
			}
		}
	}))
	slices.Sort(used)
	return used, ok
}

// lack begins a message about what no function has.
func lack(functions []string) string {
	switch n := len(functions); {
	case n == 1:
		return functions[0] + " does not have"
	case n <= 4:
		return "none of " + strings.Join(functions, ", ") + " has"
	default:
		return "none of " + strings.Join(functions[:3], ", ") + fmt.Sprintf(" and %d more has", n-3)
	}
}

func prefixed(prefix string, names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = prefix + name
	}
	return list
}

// issues reports what CEL says is wrong.
func (c *compiler) issues(condition *Condition, issues *cel.Issues) {
	shown := 0
	for _, issue := range issues.Errors() {
		if shown++; shown > maxWhenMistakes {
			return
		}
		offset := 0
		if issue.Location.Line() > 0 {
			offset = offsetOf(condition.Text, issue.Location.Line(), issue.Location.Column())
		}
		message, _, _ := strings.Cut(issue.Message, " (in container")
		if name, ok := undeclared(message); ok && strings.HasSuffix(condition.Text[:offset], name) {
			offset -= len(name) // CEL points at the parenthesis behind a method
		}
		c.complainWhen(condition, offset, celWords(message), celHint(message))
	}
}

func undeclared(message string) (name string, ok bool) {
	name, ok = strings.CutPrefix(message, "undeclared reference to ")
	return strings.Trim(name, "'"), ok
}

// complainWhen reports a mistake at a byte of the condition's text.
func (c *compiler) complainWhen(condition *Condition, offset int, message, hint string) {
	c.report(condition.source.within(offset), condition.path+": "+printable(message), hint)
}

// celWords says in one short line what CEL says.
func celWords(message string) string {
	const most = 160
	if syntax, ok := strings.CutPrefix(message, "Syntax error: "); ok {
		syntax, _, _ = strings.Cut(syntax, " expecting ")
		message = strings.NewReplacer("'<EOF>'", "the end", "mismatched input", "unexpected", "extraneous input", "unexpected",
			"token recognition error at:", "unexpected", "missing", "expected", " at ", " before ").Replace(syntax)
	}
	if name, ok := undeclared(message); ok {
		message = "there is no " + quote(name)
	}
	if operation, ok := strings.CutPrefix(message, "found no matching overload for "); ok {
		name, types, _ := strings.Cut(operation, " applied to ")
		name = strings.NewReplacer("_", "", "@", "", "'", "").Replace(name)
		message = quote(name) + " cannot be used with " + strings.Trim(types, "'")
	}
	if name, ok := strings.CutPrefix(message, "no such overload"); ok {
		operation := "an operator"
		if name = strings.Trim(name, ":_ @"); name != "" {
			operation = quote(name)
		}
		message = operation + " cannot be used with values of these types"
	}
	message = strings.Join(strings.Fields(message), " ")
	if runes := []rune(message); len(runes) > most {
		message = string(runes[:most]) + "…"
	}
	return message
}

// celHint helps who writes another language than CEL.
func celHint(message string) string {
	for _, operator := range [][2]string{{"input 'and'", "&&"}, {"input 'or'", "||"}, {"input 'not'", "!"}, {"error at: '= '", "=="}} {
		if strings.Contains(message, operator[0]) {
			return "write " + operator[1]
		}
	}
	return ""
}

// offsetOf returns the byte of a text at a line, from 1, and a column, from 0, in characters.
func offsetOf(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	for ; column > 0 && at < len(text); column-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

var (
	errNotBoolean = errors.New("it is neither true nor false")
	errWhenTime   = fmt.Errorf("it takes longer than %v to decide", maxWhenTime)
)

// evaluate gives the value of the condition. Where arguments are small, it cannot take long and nobody looks whether it does.
func (p *program) evaluate(names *variables) (ref.Val, error) {
	if p.small != nil && names.areSmall() {
		if small, err := p.small(); err == nil {
			out, _, err := small.Eval(names)
			return out, err
		}
	}
	names.adapter = adapter{make(map[*values.Dict]ref.Val)}
	ctx, cancel := context.WithTimeout(context.Background(), maxWhenTime)
	defer cancel()
	out, _, err := p.cel.ContextEval(ctx, names)
	if err != nil && ctx.Err() != nil {
		err = errWhenTime
	}
	return out, err
}

// holds decides about a call. An error is a reason to deny.
func (c *Condition) holds(p *Policy, function string, call *Call, count int64) (bool, error) {
	program := c.programs[function]
	if program == nil {
		program = c.open
	}
	if program == nil {
		return false, errors.New("it was not compiled for this function")
	}
	names := &variables{policy: p.Name, function: function, call: call, count: count, params: program.params, open: program.open}
	if err := names.checkText(); err != nil {
		return false, err
	}
	out, err := program.evaluate(names)
	if err != nil {
		if own := (*types.Err)(nil); errors.As(err, &own) {
			err = own.Unwrap()
		}
		message := celWords(err.Error())
		if strings.Contains(message, "cost limit") {
			message = "it takes more than " + printCount(maxWhenCost) + " steps to decide"
		}
		if errors.Is(err, errWhenTime) {
			message = err.Error()
		}
		return false, errors.New(printable(message))
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, errNotBoolean
	}
	return holds, nil
}
