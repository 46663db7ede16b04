package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// A pgSession is one call in PostgreSQL: one connection and one transaction.
type pgSession struct {
	*request
	conn    *pgx.Conn
	log     hclog.Logger
	secrets *strings.Replacer // takes what the DSN has out of messages
}

// postgres makes a call in PostgreSQL. When ctx is done the connection is closed, and the server told to stop.
func (f *family) postgres(ctx context.Context, r *request, log hclog.Logger) (any, error) {
	if skipBlank(r.sql) == "" {
		return nil, capabilities.Raise("sql.Error", "there is no statement")
	}
	// These are for messages: what a statement can reach is up to the rights of the login, see forbidden and beyond.
	switch word := firstWord(r.sql); word {
	case "COPY", "LISTEN", "LOAD", "PREPARE":
		return nil, r.denied("%s is not permitted", word)
	case "ABORT", "BEGIN", "COMMIT", "END", "RELEASE", "ROLLBACK", "SAVEPOINT", "START":
		return nil, r.denied("each call is a transaction of its own: %s is not permitted", word)
	}
	s := &pgSession{request: r, log: log}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	if err := s.connect(ctx, f.environment); err != nil {
		return nil, err
	}
	defer func() {
		// Whatever happened: without a COMMIT the server forgets it. A server that does not answer is not waited for.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Millisecond)
		defer cancel()
		s.conn.Close(closing)
	}()
	value, err := s.run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, s.fault(err)
	}
	return value, nil
}

func (s *pgSession) connect(ctx context.Context, environment func(string) (string, bool)) error {
	variable := dsnForm.FindStringSubmatch(s.grant.Text("dsn"))[1]
	dsn, ok := environment(variable)
	if dsn = strings.TrimSpace(dsn); !ok || dsn == "" {
		return capabilities.Raise("RuntimeError", "the database of [grant.sql] is not set in the host's environment (%s)", variable)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		s.log.Error("sql: the DSN cannot be read", "variable", variable)
		return capabilities.Raise("RuntimeError", "the database of [grant.sql] (%s) is not a URL of PostgreSQL", variable)
	}
	s.secrets = scrubber(dsn, config)
	// A row is read whole, so no message may be much larger than all rows are permitted to be.
	most := int(2*s.limit.bytes) + mib
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(most)
		return f
	}
	config.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	if s.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.log.Error("sql: no connection to the database", "variable", variable, "error", s.secrets.Replace(err.Error()))
		return capabilities.Raise("ConnectionError", "the host cannot connect to the database of [grant.sql] (%s)", variable)
	}
	return nil
}

// scrubbed stands where a part of the DSN was.
const scrubbed = "[secret]"

// scrubber makes what takes the DSN, its password and its host out of messages.
func scrubber(dsn string, config *pgx.ConnConfig) *strings.Replacer {
	pairs := []string{dsn, scrubbed}
	for _, secret := range []string{config.Password, config.Host} {
		if len(secret) > 2 {
			pairs = append(pairs, secret, scrubbed)
		}
	}
	return strings.NewReplacer(pairs...)
}

func (s *pgSession) run(ctx context.Context) (any, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	text, args := s.sql, s.list
	if s.names != nil {
		var err error
		if text, args, err = pgx.StrictNamedArgs(s.names).RewriteQuery(ctx, s.conn, text, nil); err != nil {
			return nil, capabilities.Raise("sql.Error", "params and the @names of the statement differ; params has %s", strings.Join(slices.Sorted(maps.Keys(s.names)), ", "))
		}
	}
	pg := s.conn.PgConn()
	// Preparing is what refuses a second statement.
	described, err := pg.Prepare(ctx, "", text, nil)
	if err != nil {
		return nil, err
	}
	if len(described.Fields) == 0 && !s.write {
		return nil, capabilities.Raise("sql.Error", "query is for statements that give rows")
	}
	if len(described.ParamOIDs) != len(args) {
		return nil, capabilities.Raise("sql.Error", "the statement has %d parameters, and params has %d values", len(described.ParamOIDs), len(args))
	}
	encoded := make([][]byte, len(args))
	for i, v := range args {
		if encoded[i], err = pgParam(v, described.ParamOIDs[i], i+1); err != nil {
			return nil, err
		}
	}
	rows, affected, err := s.read(pg.ExecPrepared(ctx, "", encoded, nil, nil), described.Fields)
	if err != nil || !s.write {
		return s.answer(rows, affected), err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// A statement that ended the transaction itself has done no more than this would.
	if _, err := pg.Exec(ctx, "COMMIT").ReadAll(); err != nil {
		return nil, err
	}
	return s.answer(rows, affected), nil
}

// begin begins the transaction, and sees that the role cannot do more than the grant says.
func (s *pgSession) begin(ctx context.Context) error {
	kind := "READ ONLY"
	if s.write {
		kind = "READ WRITE"
	}
	script := "SET default_transaction_read_only = " + map[bool]string{true: "off", false: "on"}[s.write] + "; BEGIN TRANSACTION " + kind +
		"; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL bytea_output = 'hex'" +
		"; SET LOCAL client_encoding = 'UTF8'; SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on"
	if deadline, ok := ctx.Deadline(); ok {
		// The server's own end comes after ours, for when it does not hear of that.
		script += fmt.Sprintf("; SET LOCAL statement_timeout = %d", max(0, time.Until(deadline).Milliseconds())+500)
	}
	if _, err := s.conn.PgConn().Exec(ctx, script).ReadAll(); err != nil {
		return err
	}
	if err := s.checkRights(ctx); err != nil {
		return err
	}
	if role := s.grant.Text("role"); role != "" {
		if _, err := s.conn.PgConn().Exec(ctx, "SET LOCAL ROLE "+pgx.Identifier{role}.Sanitize()).ReadAll(); err != nil {
			s.log.Error("sql: the role cannot be taken", "role", role, "error", s.secrets.Replace(err.Error()))
			return capabilities.Raise("RuntimeError", "the role of [grant.sql] cannot be taken")
		}
	}
	return nil
}

// forbidden asks for roles that the login is, or can become, and that reach the server's files and programs or give themselves other rights.
const forbidden = `SELECT rolname FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER') AND (rolsuper OR rolreplication OR rolcreaterole OR
 rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')) ORDER BY 1 LIMIT 1`

// beyond asks for the tables that the login, or a role that it can become, may use. A statement can change its role (set_config) and run text as a
// query (query_to_xml), so what matters is all that the login could become and not the role alone.
const beyond = `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND EXISTS (
  SELECT FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER') AND pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') AND (
   c.relowner = r.oid OR pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') OR
   pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE'))) LIMIT 10000`

// checkRights denies calls whose login has rights that the grant does not mean to give.
func (s *pgSession) checkRights(ctx context.Context) error {
	rows, err := s.ask(ctx, forbidden)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		s.log.Error("sql: the login is, or can become, a role that reaches the server's files or programs", "role", string(rows[0][0]))
		return &capabilities.Denied{Verdict: verdict("dsn", "the login of the database is a superuser, or has a role that can make roles or reaches the server's files or programs", "a login without such roles")}
	}
	if s.all {
		return nil
	}
	if rows, err = s.ask(ctx, beyond); err != nil {
		return err
	}
	for _, row := range rows {
		schema, table := string(row[0]), string(row[1])
		// Names of PostgreSQL differ by case.
		if slices.Contains(s.table, schema+"."+table) || schema == "public" && slices.Contains(s.table, table) {
			continue
		}
		s.log.Error("sql: the login has rights beyond tables", "table", schema+"."+table)
		return &capabilities.Denied{Verdict: verdict("tables", "the login of the database, or a role that it can become, has rights on more tables than tables names", "a login whose rights are those of the role")}
	}
	return nil
}

func (s *pgSession) ask(ctx context.Context, text string) ([][][]byte, error) {
	r := s.conn.PgConn().ExecParams(ctx, text, nil, nil, nil, nil).Read()
	return r.Rows, r.Err
}

// read reads the rows. Closing the reader would read on to the end, so after an error the connection is given up.
func (s *pgSession) read(reader *pgconn.ResultReader, fields []pgconn.FieldDescription) (values.List, int64, error) {
	columns, names := make([]string, len(fields)), s.conn.TypeMap()
	for i := range fields {
		columns[i] = strings.ToValidUTF8(fields[i].Name, "\ufffd")
	}
	rows, err := newResult(s.limit, columns)
	if err != nil {
		return nil, 0, err
	}
	for reader.NextRow() {
		cells, size := make([]any, len(fields)), int64(0)
		for _, raw := range reader.Values() {
			size += int64(len(raw)) / 2 // bytea is hexadecimal
		}
		if err := rows.room(size); err != nil {
			return nil, 0, err
		}
		for i, raw := range reader.Values() {
			if cells[i], err = pgValue(names, fields[i].DataTypeOID, raw); err != nil {
				return nil, 0, err
			}
		}
		if err := rows.add(cells); err != nil {
			return nil, 0, err
		}
	}
	tag, err := reader.Close()
	if err != nil {
		return nil, 0, err
	}
	affected := tag.RowsAffected()
	if tag.Select() {
		affected = 0
	}
	return rows.list, affected, nil
}

// fault gives what Python sees of an error.
func (s *pgSession) fault(err error) error {
	var python *capabilities.PythonError
	var denied *capabilities.Denied
	var server *pgconn.PgError
	var long *pgproto3.ExceededMaxBodyLenErr
	switch {
	case errors.As(err, &python), errors.As(err, &denied):
		return err
	case errors.As(err, &long):
		return capabilities.Raise("sql.TooLarge", "a row is larger than max_bytes of [grant.sql], which is %d", s.limit.bytes)
	case !errors.As(err, &server):
		s.log.Error("sql: the database broke off", "error", s.secrets.Replace(err.Error()))
		return capabilities.Raise("ConnectionError", "the connection to the database broke off")
	}
	message := server.Message
	if server.Position > 0 {
		message += " (at character " + strconv.Itoa(int(server.Position)) + ")"
	}
	if server.Hint != "" {
		message += ": " + server.Hint
	}
	if len(message) > 1000 {
		message = message[:1000] + "…"
	}
	message = strings.ToValidUTF8(s.secrets.Replace(message), "\ufffd")
	switch {
	case server.Code == "25006":
		return cannotWrite()
	case server.Code == "42501":
		return s.denied("%s", message)
	case server.Code == "57014":
		return capabilities.Raise("TimeoutError", "%s", message)
	case server.Code == "55P03", strings.HasPrefix(server.Code, "40"):
		return capabilities.Raise("sql.BusyError", "%s", message)
	case strings.HasPrefix(server.Code, "23"):
		return capabilities.Raise("sql.IntegrityError", "%s", message)
	}
	return capabilities.Raise("sql.Error", "%s", message)
}

// clean gives text of the server as a value.
func clean(raw []byte) any {
	if !utf8.Valid(raw) {
		return values.Bytes(slices.Clone(raw))
	}
	return string(raw)
}
