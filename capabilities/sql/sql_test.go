package sql_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/capabilities/sql"
	"github.com/postern-sandbox/postern/values"
)

const tables = `
CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price NUMERIC, data BLOB, at TEXT);
INSERT INTO orders (id, name, price) VALUES (1, 'a', 1.5), (2, 'b', 2), (3, 'c', NULL);
CREATE TABLE secret (x TEXT); INSERT INTO secret VALUES ('hidden'); CREATE INDEX secret_x ON secret (x);
CREATE VIEW names AS SELECT name FROM orders; CREATE VIEW leak AS SELECT x FROM secret; CREATE VIEW "inner" AS SELECT * FROM leak;
CREATE TABLE traps (n INTEGER); CREATE TRIGGER trap AFTER INSERT ON traps BEGIN INSERT INTO secret SELECT name FROM orders; END;`

const narrow = "tables = [\"orders\", \"names\", \"leak\", \"inner\", \"traps\"]\n"

// database makes a database in a folder.
func database(t testing.TB) (folder string) {
	t.Helper()
	folder = t.TempDir()
	conn, err := sqlite.OpenConn(filepath.Join(folder, "data.db"), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.ExecuteScript(conn, tables, nil); err != nil {
		t.Fatal(err)
	}
	return folder
}

func open(t testing.TB, folder, keys string) *familytest.Session {
	return familytest.New(t, sql.Family(sql.Config{}), folder, "path = \"data.db\"\n"+keys)
}

func denied(t *testing.T, what string, err error) {
	t.Helper()
	var early *familytest.Denied
	var late *capabilities.Denied
	if !errors.As(err, &early) && !errors.As(err, &late) {
		t.Errorf("%s: not denied: %v", what, err)
	}
}

func raises(t *testing.T, class, what string, err error) {
	t.Helper()
	var python *capabilities.PythonError
	if !errors.As(err, &python) || python.Type != class {
		t.Errorf("%s: want %s, got %v", what, class, err)
	}
}

// gives makes a call and compares what Python would show of its result.
func gives(t *testing.T, s *familytest.Session, want, name, statement string, params ...any) {
	t.Helper()
	got, err := s.Call(t.Context(), name, append([]any{statement}, params...)...)
	if err != nil || values.Format(got) != want {
		t.Errorf("%q: %v\n%s\nwant\n%s", statement, err, values.Format(got), want)
	}
}

func TestTypes(t *testing.T) {
	s := open(t, database(t), narrow)
	gives(t, s, "[{'id': 1, 'name': 'a', 'price': 1.5}, {'id': 2, 'name': 'b', 'price': 2}, {'id': 3, 'name': 'c', 'price': None}]", "sql.query", "SELECT id, name, price FROM orders ORDER BY id")
	for _, test := range []struct {
		value any
		want  string
	}{
		{nil, "None"}, {true, "1"}, {false, "0"}, {int64(-1 << 63), "-9223372036854775808"}, {1.5, "1.5"}, {"é'\"", `'é\'"'`}, {"", "''"},
		{values.Bytes("\x00\xff"), `b'\x00\xff'`}, {values.Bytes{}, "b''"}, {values.ByteArray("a"), "b'a'"}, {values.Decimal("1.10"), "'1.10'"},
		{values.Date("2024-02-29"), "'2024-02-29'"}, {values.DateTime{ISO: "2025-01-31T12:00:00+01:00"}, "'2025-01-31 12:00:00+01:00'"}, {values.Time("12:00:00"), "'12:00:00'"},
	} {
		gives(t, s, "[{'v': "+test.want+"}]", "sql.query", "SELECT ? AS v", values.List{test.value})
		named := values.NewDict(1)
		named.SetString("x", test.value)
		for _, sign := range []string{"@", ":", "$"} {
			gives(t, s, "[{'v': "+test.want+"}]", "sql.query", "SELECT "+sign+"x AS v", named)
		}
	}
	gives(t, s, "[{'v': b'\\xff'}]", "sql.query", "SELECT CAST(x'ff' AS TEXT) AS v")
	gives(t, s, "[{'v': 2, 'w': 1}]", "sql.query", "/* ; */ SELECT ?2 AS v, ?1 AS w ; -- \n", values.Tuple{int64(1), int64(2)})
	gives(t, s, "[{'n': 3}]", "sql.query", "WITH o AS (SELECT * FROM orders) SELECT count(*) AS n FROM o")
}

func TestExec(t *testing.T) {
	folder := database(t)
	s := open(t, folder, narrow)
	gives(t, s, "{'rows_affected': 1, 'rows': [{'id': 4}]}", "sql.exec", "INSERT INTO orders (name) VALUES (?) RETURNING id", values.List{"d"})
	gives(t, s, "{'rows_affected': 2, 'rows': []}", "sql.exec", "UPDATE orders SET price = 0 WHERE id < 3")
	gives(t, s, "{'rows_affected': 0, 'rows': []}", "sql.exec", "DELETE FROM orders WHERE id = 99;")
	_, err := s.Call(t.Context(), "sql.exec", "INSERT INTO orders (name) VALUES ('e'), ('a')")
	raises(t, "sql.IntegrityError", "a duplicate", err)
	gives(t, s, "[{'n': 4}]", "sql.query", "SELECT count(*) AS n FROM orders")
	all := open(t, folder, "tables = [\"*\"]\n")
	gives(t, all, "{'rows_affected': 0, 'rows': []}", "sql.exec", "CREATE TABLE made (x)")
	gives(t, all, "{'rows_affected': 0, 'rows': []}", "sql.exec", "DROP TABLE made")
	gives(t, all, "[{'x': 'hidden'}]", "sql.query", `SELECT * FROM "inner"`)
}

func TestLocked(t *testing.T) {
	folder := database(t)
	s := open(t, folder, narrow)
	other, err := sqlite.OpenConn(filepath.Join(folder, "data.db"), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := sqlitex.ExecuteTransient(other, "BEGIN EXCLUSIVE", nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Call(ctx, "sql.exec", "DELETE FROM orders"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	_, err = s.Call(t.Context(), "sql.query", "SELECT * FROM orders")
	raises(t, "sql.BusyError", "locked", err)
}

func TestBounds(t *testing.T) {
	s := open(t, database(t), narrow+"max_rows = 10\nmax_bytes = \"2KiB\"\nmax_columns = 3\n")
	const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
	for _, statement := range []string{
		endless + "SELECT i FROM n", "SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d", "SELECT hex(zeroblob(2000))", "SELECT zeroblob(1000000)", "SELECT zeroblob(2000000000)",
		"SELECT randomblob(1000000000)", "SELECT printf('%.*c', 1000000000, 'x')", "SELECT replace(hex(zeroblob(100000)), '0', hex(zeroblob(100000)))",
		"WITH RECURSIVE n(i, x) AS (SELECT 1, 'x' UNION ALL SELECT i + 1, x || x FROM n) SELECT max(length(x)) FROM n",
	} {
		_, err := s.Call(t.Context(), "sql.query", statement)
		raises(t, "sql.TooLarge", statement, err)
	}
	for _, statement := range []string{
		endless + "SELECT count(*) FROM n", endless + "SELECT i FROM n WHERE i < 0", endless + "SELECT i FROM n ORDER BY -i", endless + "SELECT 1 AS a UNION SELECT i FROM n WHERE i < 0",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := s.Call(ctx, "sql.query", statement); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: %v", statement, err)
		}
		cancel()
	}
}

// A file that is damaged, or no database, is an error and not the end of the host.
func TestDamagedFiles(t *testing.T) {
	folder := database(t)
	file := filepath.Join(folder, "data.db")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, folder, "tables = [\"*\"]\n")
	for i := range 16 {
		bent := append([]byte{}, whole...)
		for at := 100 + i; at < len(bent); at += 37 {
			bent[at] ^= byte(1 + i*7)
		}
		for _, content := range [][]byte{bent, whole[:len(whole)*i/16], []byte(strings.Repeat("no database", i*100))} {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{"SELECT * FROM orders", "SELECT * FROM secret", "SELECT * FROM sqlite_schema", "DELETE FROM secret"} {
				if got, err := s.Call(t.Context(), "sql.exec", statement); err != nil && strings.Contains(err.Error(), folder) {
					t.Errorf("%s: %v", values.Format(got), err)
				}
			}
		}
	}
	os.Remove(file)
	_, err = s.Call(t.Context(), "sql.query", "SELECT 1")
	raises(t, "FileNotFoundError", "no file", err)
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = s.Call(t.Context(), "sql.query", "SELECT 1")
	raises(t, "FileNotFoundError", "a folder", err)
}
