package sql

import (
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
)

// An authorizer is asked by SQLite, while it compiles the statement, about everything that the statement would do: each table and column that
// is read, through whatever views, triggers and subqueries. What it does not know is refused.
//
// SQLite also says through which view a table is read. That is not used: a subquery of the statement's own can have the view's name.
type authorizer struct {
	*request
	schema  map[string]bool // what tables and views there are, in lower case
	refused string          // the first refusal, for the message
}

// Authorize implements sqlite.Authorizer.
func (a *authorizer) Authorize(action sqlite.Action) sqlite.AuthResult {
	wrong := a.wrong(action)
	if wrong == "" {
		return sqlite.AuthResultOK
	}
	if a.refused == "" {
		a.refused = wrong
	}
	return sqlite.AuthResultDeny
}

// harmless are virtual tables that show what their arguments hold.
var harmless = []string{"json_each", "json_tree", "jsonb_each", "jsonb_tree"}

// describing are the pragmas that describe a table, and their tables.
var describing = []string{"table_info", "table_xinfo", "index_list", "foreign_key_list"}

func (a *authorizer) wrong(action sqlite.Action) string {
	switch op := action.Type(); op {
	case sqlite.OpSelect, sqlite.OpRecursive, sqlite.OpFunction:
		return "" // the build has no function that reaches out of the database; load_extension is switched off
	case sqlite.OpRead:
		return a.reading(action.Table(), action.Column())
	case sqlite.OpPragma:
		return a.pragma(action)
	case sqlite.OpInsert, sqlite.OpUpdate, sqlite.OpDelete:
		return a.changing(action)
	case sqlite.OpCreateTable, sqlite.OpCreateIndex, sqlite.OpCreateView, sqlite.OpCreateTrigger, sqlite.OpDropTable, sqlite.OpDropIndex,
		sqlite.OpDropView, sqlite.OpDropTrigger, sqlite.OpAlterTable, sqlite.OpReindex, sqlite.OpAnalyze:
		switch {
		case !a.write:
			return onlyReads
		case !a.all:
			return `tables and indexes can be made and dropped only with tables = ["*"]`
		}
		return ""
	case sqlite.OpTransaction, sqlite.OpSavepoint:
		return "each call is a transaction of its own: BEGIN, COMMIT, ROLLBACK and SAVEPOINT are not permitted"
	case sqlite.OpAttach, sqlite.OpDetach:
		return "ATTACH, DETACH and VACUUM are not permitted"
	default:
		return fmt.Sprintf("%s is not permitted", strings.ReplaceAll(strings.TrimPrefix(op.String(), "SQLITE_"), "_", " "))
	}
}

func (a *authorizer) reading(table, column string) string {
	name := lower(table)
	pragma, isPragma := strings.CutPrefix(name, "pragma_")
	switch {
	case table == "", slices.Contains(harmless, name), isPragma && slices.Contains(describing, pragma):
		return ""
	case isPragma, name == "sqlite_dbpage", name == "dbstat", strings.HasPrefix(name, "sqlite_temp_"):
		return fmt.Sprintf("%q is not permitted", table)
	case a.permitted(table):
		return ""
	case column == "" && !a.schema[name] && !strings.HasPrefix(name, "sqlite_"):
		return "" // a common table expression of which no column is used, as by count(*)
	}
	return fmt.Sprintf("table %q is not in tables", table)
}

func (a *authorizer) changing(action sqlite.Action) string {
	table := action.Table()
	switch {
	case !a.write:
		return onlyReads
	case a.all || a.permitted(table) && !strings.HasPrefix(lower(table), "sqlite_"):
		return "" // SQLite itself refuses its own tables, except to CREATE and DROP
	}
	return fmt.Sprintf("table %q is not in tables", table)
}

func (a *authorizer) pragma(action sqlite.Action) string {
	name := lower(action.Pragma())
	switch {
	case !slices.Contains(describing, name):
		return "PRAGMA is permitted only with " + strings.Join(describing, ", ")
	case !a.permitted(action.PragmaArg()):
		return fmt.Sprintf("table %q is not in tables", action.PragmaArg())
	}
	return ""
}

// readSchema learns which tables and views there are.
func (a *authorizer) readSchema(conn *sqlite.Conn) error {
	stmt, _, err := conn.PrepareTransient("SELECT name FROM sqlite_schema")
	if err != nil {
		return err
	}
	defer stmt.Finalize()
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		a.schema[lower(stmt.ColumnText(0))] = true
	}
}
