package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// A request is one call as it was decided.
type request struct {
	write bool // exec
	sql   string
	list  []any          // params by place
	names map[string]any // params by name, nil when they are by place
	limit limits         // of the result
	all   bool           // tables = ["*"]
	table []string       // otherwise the tables
	grant policies.Scope // path, dsn, role
}

// decide checks the call's form and that the scope names one database. Its canonical value is a *request. What the statement may reach is
// decided by the database.
func decide(call policies.ScopedCall) policies.Verdict {
	scope := call.Scope
	r := &request{write: call.Function == "exec", grant: scope, table: scope.List("tables")}
	r.all = slices.Equal(r.table, []string{"*"})
	path, dsn, role := scope.Text("path"), scope.Text("dsn"), scope.Text("role")
	switch {
	case call.Function != "query" && call.Function != "exec":
		return policies.Verdict{Reason: fmt.Sprintf("nothing is known of %q", call.Function)}
	case path == "" && dsn == "":
		return policies.Verdict{Reason: "the grant names no database", Nearest: `a grant with path = "FILE" or dsn = "env:NAME"`}
	case path != "" && dsn != "":
		return policies.Verdict{Key: "dsn", Reason: "the grant names two databases, path and dsn", Nearest: "a grant with one of them"}
	case path != "" && role != "":
		return policies.Verdict{Key: "role", Reason: "SQLite has no roles", Nearest: "a grant without role: tables is enforced by SQLite itself"}
	case !r.all && slices.Contains(r.table, "*"):
		return policies.Verdict{Key: "tables", Reason: `"*" stands beside other tables`, Nearest: `tables = ["*"], or names`}
	case dsn != "" && !r.all && role == "":
		return policies.Verdict{Key: "tables", Reason: "with PostgreSQL, tables needs a role: only the rights of a role keep a statement from other tables", Nearest: `a grant with role = "NAME" whose rights are those of tables`}
	}
	given, _ := call.Arguments.Lookup("sql")
	text, ok := given.(string)
	switch {
	case !ok:
		return policies.Verdict{Reason: fmt.Sprintf("the statement is %s, not str", values.TypeName(given))}
	case len(text) > maxStatement:
		return policies.Verdict{Reason: fmt.Sprintf("the statement has %d bytes", len(text)), Nearest: fmt.Sprintf("at most %d; pass values as params", maxStatement)}
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return policies.Verdict{Reason: "the statement is not Unicode text, or has a NUL"}
	}
	r.sql = text
	r.limit = limits{rows: scope.Number("max_rows"), bytes: scope.Number("max_bytes"), columns: scope.Number("max_columns")}
	params, _ := call.Arguments.Lookup("params")
	if wrong := r.takeParams(params); wrong != "" {
		return policies.Verdict{Reason: wrong, Nearest: fmt.Sprintf("a list, or a dict with names, of at most %d values", maxParameters)}
	}
	return policies.Verdict{Allow: true, Key: "tables", Reason: "the statement is for the database to decide about", Canonical: r}
}

// takeParams takes the argument params, or says what is wrong with it. Values are converted later, by the database's types.
func (r *request) takeParams(params any) string {
	switch p := params.(type) {
	case nil:
	case values.List:
		r.list = p
	case values.Tuple:
		r.list = p
	case *values.Dict:
		r.names = make(map[string]any, min(p.Len(), maxParameters))
		if p.Len() > maxParameters {
			return fmt.Sprintf("there are %d params", p.Len())
		}
		for key, v := range p.All() {
			name, ok := key.(string)
			if !ok || !nameForm.MatchString(name) {
				return fmt.Sprintf("%.80s is not the name of a parameter", values.Format(key))
			}
			r.names[name] = v
		}
	default:
		return fmt.Sprintf("params is %s", values.TypeName(params))
	}
	if len(r.list) > maxParameters {
		return fmt.Sprintf("there are %d params", len(r.list))
	}
	return ""
}

// permitted reports whether tables has a name. SQLite's names and ours are compared without regard to case of ASCII letters.
func (r *request) permitted(table string) bool {
	return r.all || slices.ContainsFunc(r.table, func(name string) bool { return lower(name) == lower(table) })
}

func lower(name string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, name)
}

// denied is the denial of a statement that leads beyond tables.
func (r *request) denied(format string, args ...any) error {
	nearest := "statements on any table of the database"
	if !r.all {
		nearest = "statements on " + strings.Join(r.table, ", ")
	}
	return &capabilities.Denied{Verdict: policies.Verdict{Key: "tables", Reason: fmt.Sprintf(format, args...), Nearest: nearest}}
}

const onlyReads = "query only reads"

// cannotWrite is the denial of a query that would change something.
func cannotWrite() error {
	return &capabilities.Denied{Verdict: policies.Verdict{Reason: onlyReads, Nearest: "statements that only read; sql.exec changes things, where it is granted"}}
}

func (f *family) call(ctx context.Context, args capabilities.Arguments) (any, error) {
	r, ok := args.Canonical().(*request)
	if !ok {
		return nil, errors.New("sql: the call was not decided")
	}
	if r.grant.Text("dsn") != "" {
		return f.postgres(ctx, r, args.Session().Logger)
	}
	return f.sqlite(ctx, r)
}

func verdict(key, reason, nearest string) policies.Verdict {
	return policies.Verdict{Key: key, Reason: reason, Nearest: nearest}
}
