// Package sql is the capability family "sql": statements in a database that the policy names, SQLite or PostgreSQL.
//
// What a statement may do is enforced by the database, not by reading the statement: a query runs on a connection that can only read; which
// tables there are is said by SQLite's authorizer, or by the rights of a PostgreSQL role. Each call has a connection and a transaction of
// its own, one statement, and values as parameters. See docs/capabilities.md.
package sql

import (
	"os"
	"regexp"
	"strconv"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// Config is what the family needs of its surroundings. The zero Config has the machine's own.
type Config struct {
	// Environment looks up the variable of dsn; nil is os.LookupEnv.
	Environment func(name string) (string, bool)
}

const (
	kib = 1 << 10
	mib = 1 << 20

	// maxStatement is how long a statement may be, in bytes.
	maxStatement = 64 * kib

	// maxParameters is how many values a statement may have.
	maxParameters = 1000

	// maxSQLite is how many calls may be in SQLite at once. A call whose time is over can go on there for a moment.
	maxSQLite = 32
)

// A family is the family at work.
type family struct {
	environment func(string) (string, bool)
	slots       chan struct{}
}

// Family gives the family.
func Family(config Config) capabilities.Family {
	f := &family{environment: config.Environment, slots: make(chan struct{}, maxSQLite)}
	if f.environment == nil {
		f.environment = os.LookupEnv
	}
	const signature = "(sql: str, params=None)"
	return capabilities.Family{
		Name:       "sql",
		Doc:        "Statements in a database",
		Exceptions: map[string]string{"Error": "RuntimeError", "IntegrityError": "ValueError", "TooLarge": "OSError", "BusyError": "TimeoutError"},
		Scopes:     scopes(),
		Decide:     decide,
		Capabilities: []capabilities.Capability{
			capabilities.New(capabilities.Spec{
				Family: "sql", Function: "query", Signature: signature, Effects: capabilities.Reads,
				Doc: "Return the rows of one SELECT as a list of dicts; params is a list for ? or $1, a dict for @name.",
			}, f.call),
			capabilities.New(capabilities.Spec{
				Family: "sql", Function: "exec", Signature: signature, Effects: capabilities.Reads | capabilities.Writes,
				Doc: "Run one statement that changes something, in its own transaction: {'rows_affected': n, 'rows': those of RETURNING}.",
			}, f.call),
		},
	}
}

func scopes() []policies.ScopeKey {
	return []policies.ScopeKey{
		{
			Name: "path", Type: policies.ScopeString, HostPath: true, Example: `"sales.db"`,
			Doc: "The SQLite database, a file that exists, relative to the policy file. Either this or dsn.",
		},
		{
			Name: "dsn", Type: policies.ScopeString, Check: checkDSN, Example: `"env:DATABASE_URL"`,
			Doc: "The variable of the host's environment with the URL of the PostgreSQL database. Code never sees it.",
		},
		{
			Name: "role", Type: policies.ScopeString, Check: checkRole, Example: `"report_reader"`,
			Doc: "The PostgreSQL role that statements run as.",
		},
		{
			Name: "tables", Type: policies.ScopeStrings, Check: checkTable, Min: 1, Max: 1000,
			Doc:      `Which tables and views there are for statements; ["*"] is all that the database gives. With PostgreSQL a list needs role, whose rights must not exceed it.`,
			Required: `write for example tables = ["orders"], or ["*"] for all`,
			Example:  `["orders", "customers"]`,
		},
		{
			Name: "max_rows", Type: policies.ScopeInt, Default: "1_000", Min: 1, Max: 100_000, Example: "100",
			Doc: "How many rows a statement may give.",
		},
		{
			Name: "max_bytes", Type: policies.ScopeSize, Default: "1MiB", Min: kib, Max: 7 * mib, Example: `"256KiB"`,
			Doc: "How large the rows may be, in their encoded form.",
		},
		{
			Name: "max_columns", Type: policies.ScopeInt, Default: "100", Min: 1, Max: 2000, Example: "50",
			Doc: "How many columns a row may have.",
		},
	}
}

var (
	dsnForm   = regexp.MustCompile(`^env:([A-Za-z_][A-Za-z0-9_]{0,200})$`)
	tableForm = regexp.MustCompile(`^[\pL_][\pL\pN_$]{0,62}(\.[\pL_][\pL\pN_$]{0,62})?$`)
	nameForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
)

func checkDSN(text string) (offset int, message, hint string) {
	if !dsnForm.MatchString(text) {
		return 0, "a DSN stands in a variable of the host's environment, not in the policy", `write "env:DATABASE_URL"; for a SQLite file use path`
	}
	return 0, "", ""
}

func checkRole(text string) (offset int, message, hint string) {
	if !nameForm.MatchString(text) || text == "none" {
		return 0, strconv.Quote(text) + " is not the name of a role", `write for example "report_reader"`
	}
	return 0, "", ""
}

func checkTable(text string) (offset int, message, hint string) {
	if text != "*" && !tableForm.MatchString(text) {
		return 0, strconv.Quote(text) + " is not the name of a table", `write "orders", with a schema "sales.orders", or "*" alone for all`
	}
	return 0, "", ""
}
