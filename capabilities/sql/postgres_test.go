//go:build unix

package sql_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/capabilities/sql"
	"github.com/postern-sandbox/postern/values"
)

const schema = `
CREATE TABLE orders (id bigint PRIMARY KEY, name text, price numeric(30,10), paid boolean, day date, at timestamptz, data bytea, doc jsonb, tags text[], ref uuid);
INSERT INTO orders (id, name) SELECT n, 'order ' || n FROM generate_series(1, 20) n;
CREATE TABLE secret (x text); INSERT INTO secret VALUES ('hidden');
CREATE ROLE reader NOLOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO reader;
CREATE ROLE agent LOGIN NOINHERIT PASSWORD 'correct-horse'; GRANT reader TO agent;
CREATE ROLE broad LOGIN PASSWORD 'correct-horse'; GRANT reader TO broad; GRANT SELECT ON secret TO broad;
CREATE TABLE "ORDERS" (x text); CREATE ROLE cased LOGIN; GRANT reader TO cased; GRANT SELECT ON "ORDERS" TO cased;
CREATE TABLE owned (x text); CREATE ROLE owner LOGIN; GRANT reader TO owner; ALTER TABLE owned OWNER TO owner; REVOKE ALL ON owned FROM owner;
CREATE ROLE column_reader LOGIN; GRANT reader TO column_reader; GRANT SELECT (x) ON secret TO column_reader;
CREATE ROLE indirect LOGIN NOINHERIT; GRANT reader, broad TO indirect; CREATE ROLE maker LOGIN CREATEROLE; GRANT reader TO maker;
CREATE ROLE files LOGIN PASSWORD 'correct-horse'; GRANT pg_read_server_files TO files; GRANT reader TO files;`

// serve starts a PostgreSQL server that listens on a socket in a folder of its own, and gives its URL for a user.
func serve(t *testing.T) func(user string) string {
	t.Helper()
	initdb, err1 := exec.LookPath("initdb")
	postgres, err2 := exec.LookPath("postgres")
	if err1 != nil || err2 != nil {
		t.Skip("no PostgreSQL server is installed (initdb and postgres are not on PATH): PostgreSQL is not tested")
	}
	folder, err := os.MkdirTemp("", "postern-pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	attributes := new(syscall.SysProcAttr)
	if os.Getuid() == 0 {
		// The server refuses to run as root.
		account, err := user.Lookup("nobody")
		if err != nil {
			t.Skip("PostgreSQL does not run as root, and there is no user nobody: PostgreSQL is not tested")
		}
		uid, _ := strconv.Atoi(account.Uid)
		gid, _ := strconv.Atoi(account.Gid)
		if err := os.Chown(folder, uid, gid); err != nil {
			t.Fatal(err)
		}
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	data := filepath.Join(folder, "data")
	start := exec.Command(initdb, "-D", data, "-U", "admin", "--auth=trust", "--no-sync", "--no-locale", "-E", "UTF8")
	start.Dir, start.SysProcAttr = folder, attributes
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := exec.Command(postgres, "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off")
	server.Dir, server.SysProcAttr = folder, attributes
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT)
		server.Wait()
	})
	dsn := func(user string) string {
		return fmt.Sprintf("postgres://%s:correct-horse@/postgres?host=%s", user, folder)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, dsn("admin"))
		if err == nil {
			defer conn.Close(ctx)
			if _, err := conn.Exec(ctx, schema); err != nil {
				t.Fatal(err)
			}
			return dsn
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func pgSession(t *testing.T, dsn, keys string) *familytest.Session {
	t.Helper()
	family := sql.Family(sql.Config{Environment: func(string) (string, bool) { return dsn, true }})
	return familytest.New(t, family, t.TempDir(), "dsn = \"env:DATABASE_URL\"\n"+keys)
}

func TestPostgres(t *testing.T) {
	dsn := serve(t)
	narrow := "role = \"reader\"\ntables = [\"orders\"]\n"
	s := pgSession(t, dsn("agent"), narrow)

	t.Run("types", func(t *testing.T) {
		doc := values.NewDict(1)
		doc.SetString("a", values.List{int64(1), nil, "x"})
		row := values.NewDict(0)
		row.SetString("id", int64(1)<<62)
		row.SetString("name", "é'; DROP TABLE orders --")
		row.SetString("price", values.Decimal("12345678901234567890.0000000001"))
		row.SetString("paid", true)
		row.SetString("day", values.Date("2024-02-29"))
		row.SetString("at", values.DateTime{ISO: "2025-01-31T12:00:00.000001+00:00"})
		row.SetString("data", values.Bytes("\x00\xff"))
		row.SetString("doc", doc)
		row.SetString("tags", values.List{"a", nil, `q"\,{}`, "NULL"})
		row.SetString("ref", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
		got, err := s.Call(t.Context(), "sql.exec", "INSERT INTO orders VALUES (@id, @name, @price, @paid, @day, @at, @data, @doc, @tags, @ref)", row)
		if err != nil || values.Format(got) != "{'rows_affected': 1, 'rows': []}" {
			t.Fatal(values.Format(got), err)
		}
		got, err = s.Call(t.Context(), "sql.query", "SELECT * FROM orders WHERE id = $1 AND name = ANY($2)", values.List{int64(1) << 62, values.List{"é'; DROP TABLE orders --"}})
		if want := (values.List{row}); err != nil || values.Format(got) != values.Format(want) {
			t.Errorf("%v\n%s\nwant\n%s", err, values.Format(got), values.Format(want))
		}
		got, err = s.Call(t.Context(), "sql.query", `SELECT NULL::int AS n, 1.5::float8 AS f, 'NaN'::numeric AS m, '12:00:00.5'::time AS t, 'infinity'::date AS d,
			'2025-01-31 12:00'::timestamp AS ts, '{{1,2},{3,4}}'::int[] AS a, '[1.5, 12345678901234567890, {"$int": "1"}]'::json AS j, '1 day'::interval AS i`)
		want := `[{'n': None, 'f': 1.5, 'm': Decimal('NaN'), 't': datetime.time.fromisoformat('12:00:00.500000'), 'd': 'infinity', 'ts': datetime.datetime.fromisoformat('2025-01-31T12:00:00'), 'a': [[1, 2], [3, 4]], 'j': [1.5, 12345678901234567890, {'$int': '1'}], 'i': 'P1D'}]`
		if err != nil || values.Format(got) != want {
			t.Errorf("%v\n%s\nwant\n%s", err, values.Format(got), want)
		}
	})

	t.Run("hostile", func(t *testing.T) {
		for _, statement := range []string{
			"SELECT * FROM secret", "SELECT count(*) FROM secret", "TABLE secret", "SELECT * FROM public.secret", `SELECT * FROM "secret"`,
			"WITH orders AS (SELECT * FROM secret) SELECT * FROM orders", "SELECT (SELECT x FROM secret)", "SELECT 1 WHERE EXISTS (SELECT FROM secret)",
			"SELECT set_config('role', 'none', false) || query_to_xml('SELECT * FROM secret', true, false, '')::text",
			"SELECT set_config('role', 'admin', true)", "SELECT set_config('session_authorization', 'admin', true)", "SELECT table_to_xml('secret', true, false, '')",
			"SELECT pg_read_file('/etc/passwd')", "SELECT pg_read_binary_file('PG_VERSION')", "SELECT pg_ls_dir('/')", "SELECT pg_stat_file('/etc/passwd')",
			"SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/x')", "COPY secret TO PROGRAM 'id'", "COPY orders TO STDOUT", "COPY orders FROM STDIN",
			"/* */ COPY orders FROM '/etc/passwd'", "COPY (SELECT 1) TO '/tmp/x'", "LOAD 'x'", "CREATE EXTENSION dblink", "CREATE EXTENSION file_fdw",
			"CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/x', 'y'", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE orders", "SET ROLE admin", "RESET ROLE",
			"SET SESSION AUTHORIZATION admin", "ALTER ROLE agent SUPERUSER", "ALTER SYSTEM SET port = 1", "CREATE ROLE x", "DROP TABLE orders", "TRUNCATE orders",
			"BEGIN", "COMMIT", "ROLLBACK", "PREPARE p AS SELECT 1", "PREPARE TRANSACTION 'x'", "LISTEN x", "SELECT pg_reload_conf()",
			"SELECT * FROM pg_authid", "SELECT rolpassword FROM pg_authid", "SELECT * FROM pg_shadow", "VACUUM", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
			"SELECT pg_switch_wal()", "SELECT pg_create_restore_point('x')", "DO $$ BEGIN EXECUTE 'SELECT * FROM secret'; END $$", "DO $$ BEGIN COMMIT; END $$",
			"", ";", "--", "/* ", "selec", "SELECT $1", "SELECT @x",
		} {
			for _, name := range []string{"sql.query", "sql.exec"} {
				got, err := s.Call(t.Context(), name, statement)
				if shown := values.Format(got); strings.Contains(shown, "hidden") || err == nil && name == "sql.query" {
					t.Errorf("%s(%q): %s", name, statement, shown)
				}
				if err != nil && (strings.Contains(err.Error(), "correct-horse") || strings.Contains(err.Error(), "postern-pg")) {
					t.Errorf("%s(%q) shows the DSN: %v", name, statement, err)
				}
			}
		}
		// Whatever was tried, nothing has changed that was not permitted to.
		admin, err := pgx.Connect(t.Context(), dsn("admin"))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close(t.Context())
		var secrets, roles int
		err = admin.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM secret), (SELECT count(*) FROM pg_roles WHERE rolsuper)").Scan(&secrets, &roles)
		if err != nil || secrets != 1 || roles != 1 {
			t.Errorf("%d secrets, %d superusers, %v", secrets, roles, err)
		}
	})

	t.Run("query only reads", func(t *testing.T) {
		for _, statement := range []string{
			"INSERT INTO orders (id) VALUES (99) RETURNING id", "DELETE FROM orders RETURNING id", "WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d",
			"SELECT set_config('transaction_read_only', 'off', true)", "UPDATE orders SET name = '' RETURNING id", "SELECT id FROM orders FOR UPDATE",
			"SELECT query_to_xml('DELETE FROM orders RETURNING id', true, false, '')", "SELECT setval('x', 1)", "EXPLAIN ANALYZE DELETE FROM orders",
		} {
			if got, err := s.Call(t.Context(), "sql.query", statement); err == nil {
				t.Errorf("%q: %s", statement, values.Format(got))
			}
		}
		got, err := s.Call(t.Context(), "sql.query", "SELECT count(*) AS n FROM orders")
		if err != nil || values.Format(got) != "[{'n': 21}]" {
			t.Error(values.Format(got), err)
		}
	})

	t.Run("logins", func(t *testing.T) {
		for login, keys := range map[string]string{"broad": narrow, "admin": narrow, "cased": narrow, "owner": narrow, "column_reader": narrow, "indirect": narrow, "maker": narrow, "files": "tables = [\"*\"]\n"} {
			_, err := pgSession(t, dsn(login), keys).Call(t.Context(), "sql.query", "SELECT 1 AS one")
			denied(t, login, err)
		}
		_, err := pgSession(t, dsn("agent"), "tables = [\"orders\"]\n").Call(t.Context(), "sql.query", "SELECT 1 AS one")
		denied(t, "a list without a role", err)
		for _, bad := range []string{"postgres://nobody:correct-horse@127.0.0.1:1/x", "postgres://u:correct-horse@[::1", "correct-horse", "host=/nowhere password=correct-horse", ""} {
			_, err := pgSession(t, bad, narrow).Call(t.Context(), "sql.query", "SELECT 1 AS one")
			if err == nil || strings.Contains(err.Error(), "correct-horse") || strings.Contains(err.Error(), "nowhere") {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})

	t.Run("bounds", func(t *testing.T) {
		small := pgSession(t, dsn("agent"), narrow+"max_rows = 10\nmax_bytes = \"2KiB\"\nmax_columns = 3\n")
		for _, statement := range []string{
			"SELECT id FROM orders", "SELECT generate_series(1, 1000000000)", "SELECT repeat('x', 3000)", "SELECT repeat('x', 100000000)", "SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d",
		} {
			_, err := small.Call(t.Context(), "sql.query", statement)
			raises(t, "sql.TooLarge", statement, err)
		}
		for _, statement := range []string{"SELECT pg_sleep(60)", "SELECT count(*) FROM generate_series(1, 100000000000)"} {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := small.Call(ctx, "sql.query", statement); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%q: %v", statement, err)
			}
			cancel()
		}
		admin, err := pgx.Connect(t.Context(), dsn("admin"))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close(t.Context())
		for running := 1; running > 0; time.Sleep(10 * time.Millisecond) {
			// The server has been told to stop: long before pg_sleep ends.
			if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent' AND state = 'active'").Scan(&running); err != nil {
				t.Fatal(err)
			}
		}
		_, err = s.Call(t.Context(), "sql.exec", "INSERT INTO orders (id) VALUES (1)")
		raises(t, "sql.IntegrityError", "a duplicate key", err)
	})
}
