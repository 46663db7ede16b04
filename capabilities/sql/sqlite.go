package sql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// sqlite makes a call in SQLite. It returns when ctx is done; the statement is interrupted then, and what it has changed is rolled back.
func (f *family) sqlite(ctx context.Context, r *request) (any, error) {
	bound, err := sqliteParams(r)
	if err != nil {
		return nil, err
	}
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type answer struct {
		value any
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { <-f.slots }()
		var a answer
		defer func() { done <- a }()
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: fmt.Errorf("sql: in SQLite: %v", p)}
			}
		}()
		// A database that was damaged on purpose could make SQLite look where nothing is.
		debug.SetPanicOnFault(true)
		a.value, a.err = inSQLite(ctx, r, bound)
	}()
	select {
	case a := <-done:
		if a.err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return a.value, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// patience is how long a statement waits for other connections' locks.
const patience = 2 * time.Second

func inSQLite(ctx context.Context, r *request, bound []parameter) (value any, err error) {
	path := r.grant.Text("path")
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, capabilities.Raise("FileNotFoundError", "the database that [grant.sql] names is not there: whoever wrote the policy must make it")
	}
	mode := sqlite.OpenReadOnly
	if r.write {
		mode = sqlite.OpenReadWrite
	}
	conn, err := sqlite.OpenConn(path, mode)
	if err != nil {
		return nil, sqliteError(r, nil, err)
	}
	defer conn.Close()
	if err := prepareConnection(conn, r); err != nil {
		return nil, sqliteError(r, nil, err)
	}
	conn.SetInterrupt(ctx.Done())
	conn.SetBusyTimeout(0) // patiently waits, and hears ctx
	// A transaction that can write has its lock from the beginning, so that it cannot fail in between.
	start := "BEGIN"
	if r.write {
		start = "BEGIN IMMEDIATE"
	}
	if err := patiently(ctx, func() error { return run(conn, start) }); err != nil {
		return nil, sqliteError(r, nil, err)
	}
	guard := &authorizer{request: r, schema: map[string]bool{}}
	if err := patiently(ctx, func() error { return guard.readSchema(conn) }); err != nil {
		return nil, sqliteError(r, nil, err)
	}
	if err := conn.SetAuthorizer(guard); err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	var rows values.List
	if err := patiently(ctx, func() error { rows, err = statement(conn, r, bound); return err }); err != nil {
		return nil, sqliteError(r, guard, err)
	}
	if !r.write {
		return r.answer(rows, 0), nil // closing the connection ends the transaction
	}
	affected := int64(conn.Changes())
	if stmtWord := firstWord(r.sql); !slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"}, stmtWord) {
		affected = 0 // SQLite would say how many the one before has changed
	}
	if err := ctx.Err(); err != nil {
		return nil, err // nobody waits for it: closing the connection rolls back
	}
	if err := conn.SetAuthorizer(sqlite.AuthorizeFunc(func(sqlite.Action) sqlite.AuthResult { return sqlite.AuthResultOK })); err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	if err := patiently(ctx, func() error { return run(conn, "COMMIT") }); err != nil {
		return nil, sqliteError(r, nil, err)
	}
	return r.answer(rows, affected), nil
}

// patiently tries again while another connection has the database locked.
func patiently(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		err := do()
		if sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// prepareConnection closes what a statement could use to leave the database, and bounds what it can make SQLite keep.
func prepareConnection(conn *sqlite.Conn, r *request) error {
	if err := conn.SetDefensive(true); err != nil {
		return err
	}
	settings := []string{"PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0", "PRAGMA foreign_keys = ON"}
	if !r.write {
		settings = append(settings, "PRAGMA query_only = ON")
	}
	for _, s := range settings {
		if err := run(conn, s); err != nil {
			return err
		}
	}
	for limit, value := range map[sqlite.Limit]int64{
		sqlite.LimitLength: max(r.limit.bytes, mib), sqlite.LimitSQLLength: max(maxStatement, mib), sqlite.LimitColumn: 2000, sqlite.LimitExprDepth: 200,
		sqlite.LimitCompoundSelect: 100, sqlite.LimitAttached: 0, sqlite.LimitLikePatternLength: 1000, sqlite.LimitVariableNumber: maxParameters,
		sqlite.LimitTriggerDepth: 100, sqlite.LimitWorkerThreads: 0, sqlite.LimitVDBEOp: 1_000_000,
	} {
		conn.Limit(limit, int32(value))
	}
	return nil
}

// run runs a statement of the host's own.
func run(conn *sqlite.Conn, text string) error {
	stmt, _, err := conn.PrepareTransient(text)
	if err != nil {
		return err
	}
	defer stmt.Finalize()
	for {
		if more, err := stmt.Step(); err != nil || !more {
			return err
		}
	}
}

// statement runs the statement of the call.
func statement(conn *sqlite.Conn, r *request, bound []parameter) (values.List, error) {
	if skipBlank(r.sql) == "" {
		return nil, capabilities.Raise("sql.Error", "there is no statement")
	}
	stmt, trailing, err := conn.PrepareTransient(r.sql)
	if err != nil {
		return nil, err
	}
	defer stmt.Finalize()
	if skipBlank(r.sql[len(r.sql)-trailing:]) != "" {
		return nil, capabilities.Raise("sql.Error", "one statement in a call: there is more behind the first")
	}
	if err := bind(stmt, r, bound); err != nil {
		return nil, err
	}
	columns := make([]string, stmt.ColumnCount())
	for i := range columns {
		// The package says "" of a name that a later column has too.
		if columns[i] = strings.ToValidUTF8(stmt.ColumnName(i), "\ufffd"); columns[i] == "" {
			return nil, capabilities.Raise("sql.Error", "column %d has no name, or another has the same: give it one with AS", i+1)
		}
	}
	if len(columns) == 0 && !r.write {
		return nil, capabilities.Raise("sql.Error", "query is for statements that give rows")
	}
	rows, err := newResult(r.limit, columns)
	if err != nil {
		return nil, err
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			return nil, err
		}
		if !more {
			return rows.list, nil
		}
		size := int64(0)
		for i := range columns {
			size += int64(stmt.ColumnLen(i))
		}
		if err := rows.room(size); err != nil {
			return nil, err
		}
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = cell(stmt, i)
		}
		if err := rows.add(cells); err != nil {
			return nil, err
		}
	}
}

// cell gives a value by its storage class. Text that is not UTF-8 is given as bytes.
func cell(stmt *sqlite.Stmt, i int) any {
	switch stmt.ColumnType(i) {
	case sqlite.TypeInteger:
		return stmt.ColumnInt64(i)
	case sqlite.TypeFloat:
		return stmt.ColumnFloat(i)
	case sqlite.TypeText:
		text := make([]byte, stmt.ColumnLen(i))
		text = text[:stmt.ColumnBytes(i, text)]
		if !utf8.Valid(text) {
			return values.Bytes(text)
		}
		return string(text)
	case sqlite.TypeBlob:
		blob := make([]byte, stmt.ColumnLen(i))
		return values.Bytes(blob[:stmt.ColumnBytes(i, blob)])
	}
	return nil
}

// sqliteError gives what Python sees of an error. The messages of SQLite speak of the statement and of names in the database; those about
// files are replaced.
func sqliteError(r *request, guard *authorizer, err error) error {
	var python *capabilities.PythonError
	if errors.As(err, &python) {
		return err
	}
	if guard != nil && guard.refused == onlyReads {
		return cannotWrite()
	}
	if guard != nil && guard.refused != "" {
		return r.denied("%s", guard.refused)
	}
	message := sqliteMessage(err)
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return capabilities.Raise("sql.BusyError", "another connection has had the database locked for more than %v: try again later", patience)
	case sqlite.ResultConstraint:
		return capabilities.Raise("sql.IntegrityError", "%s", message)
	case sqlite.ResultTooBig:
		return capabilities.Raise("sql.TooLarge", "%s: a value or the statement is larger than [grant.sql] permits", message)
	case sqlite.ResultReadOnly:
		if !r.write {
			return cannotWrite()
		}
		return capabilities.Raise("PermissionError", "the host cannot write the database")
	case sqlite.ResultAuth:
		return r.denied("the statement does what is not permitted")
	case sqlite.ResultCantOpen, sqlite.ResultIOErr, sqlite.ResultPerm, sqlite.ResultFull:
		return capabilities.Raise("OSError", "the host cannot use the file of the database")
	case sqlite.ResultNotADB, sqlite.ResultCorrupt, sqlite.ResultFormat:
		return capabilities.Raise("sql.Error", "the file is damaged or not a SQLite database")
	case sqlite.ResultNoMem:
		return capabilities.Raise("sql.TooLarge", "SQLite has no memory for this")
	}
	return capabilities.Raise("sql.Error", "%s", message)
}

// sqliteMessage gives SQLite's own message without what the Go packages put around it.
func sqliteMessage(err error) string {
	message := err.Error()
	for _, prefix := range []string{"sqlite: ", "prepare: ", "step: "} {
		message = strings.TrimPrefix(message, prefix)
	}
	message = strings.Replace(message, "SQL logic error: ", "", 1)
	if len(message) > 1000 {
		message = message[:1000] + "…"
	}
	return strings.ToValidUTF8(message, "\ufffd")
}
