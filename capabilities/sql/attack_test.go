package sql_test

import (
	"crypto/sha256"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/values"
)

// None of these shows what is in the table "secret", changes the file, or makes another one.
var hostileStatements = []string{
	// Tables that the grant does not name.
	"SELECT * FROM secret", "SELECT * FROM SECRET", `SELECT * FROM "secret"`, "SELECT * FROM [secret]", "SELECT * FROM `secret`", "SELECT * FROM main.secret",
	"SELECT/**/x/**/FROM/**/secret", "SELECT count(*) FROM secret", "SELECT 1 FROM secret", "SELECT rowid FROM secret", "SELECT (SELECT x FROM secret) AS x",
	"SELECT 1 AS x WHERE EXISTS (SELECT 1 FROM secret)", "SELECT name FROM orders WHERE name IN secret", "SELECT name FROM orders WHERE name IN (SELECT x FROM secret)",
	"SELECT name FROM orders UNION SELECT x FROM secret", "SELECT name FROM orders UNION ALL SELECT x FROM secret", "SELECT name FROM orders EXCEPT SELECT x FROM secret",
	"SELECT o.name FROM orders o JOIN secret s", "SELECT o.name FROM orders o NATURAL JOIN secret", "SELECT o.name FROM orders o, secret", "SELECT name FROM orders ORDER BY (SELECT x FROM secret)",
	"SELECT name FROM orders GROUP BY (SELECT x FROM secret)", "SELECT name FROM orders LIMIT (SELECT length(x) FROM secret)", "VALUES ((SELECT x FROM secret))",
	"WITH orders AS (SELECT * FROM secret) SELECT * FROM orders", "WITH leak AS (SELECT * FROM secret) SELECT * FROM leak", "WITH names(x) AS (SELECT x FROM secret) SELECT x FROM names",
	"WITH RECURSIVE orders(x) AS (SELECT x FROM secret UNION SELECT x FROM orders) SELECT x FROM orders", "WITH secret AS MATERIALIZED (SELECT * FROM main.secret) SELECT * FROM secret",
	"SELECT * FROM (SELECT * FROM secret) AS orders", "SELECT * FROM leak", `SELECT * FROM "inner"`, "SELECT count(*) FROM leak", "SELECT sum(length(x)) OVER () FROM secret", "EXPLAIN SELECT * FROM secret",
	"EXPLAIN QUERY PLAN SELECT * FROM secret", "SELECT * FROM secret INDEXED BY secret_x",
	// The schema, and virtual tables that show it or the file.
	"SELECT * FROM sqlite_master", "SELECT * FROM sqlite_schema", "SELECT count(*) FROM sqlite_schema", "SELECT * FROM sqlite_temp_schema", "SELECT * FROM main.sqlite_master", "SELECT * FROM sqlite_dbpage",
	"SELECT * FROM dbstat", "SELECT * FROM sqlite_stmt", "SELECT * FROM pragma_table_list", "SELECT * FROM pragma_table_info('secret')", "SELECT * FROM pragma_index_list('secret')",
	"SELECT * FROM pragma_table_info WHERE arg = 'secret'", "SELECT p.* FROM (SELECT 'secret' AS t) s, pragma_table_info(s.t) p", "SELECT * FROM pragma_database_list", "SELECT * FROM pragma_index_info('secret_x')",
	"SELECT * FROM bytecode('SELECT * FROM secret')", "SELECT * FROM tables_used('SELECT * FROM secret')",
	// Other files, the connection, the transaction.
	"ATTACH '/tmp/postern-attack.db' AS a", "ATTACH ':memory:' AS a", "ATTACH 'file:data.db?mode=rwc' AS a", "DETACH main", "VACUUM", "VACUUM INTO '/tmp/postern-attack.db'",
	"PRAGMA query_only = OFF", "PRAGMA query_only(0)", "PRAGMA main.query_only = 0", "PRAGMA writable_schema = ON", "PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = OFF", "PRAGMA database_list",
	"PRAGMA table_info(secret)", "PRAGMA temp_store_directory = '/tmp'", "PRAGMA trusted_schema = ON", "PRAGMA hard_heap_limit = 0", "PRAGMA wal_checkpoint", "PRAGMA user_version = 7", "PRAGMA schema_version = 7",
	"PRAGMA data_store_directory = '/tmp'", "PRAGMA integrity_check", "EXPLAIN PRAGMA query_only = 0", "BEGIN", "BEGIN EXCLUSIVE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s",
	"SELECT load_extension('/tmp/x.so')", "SELECT load_extension('/tmp/x.so', 'init')", "SELECT readfile('/etc/passwd')", "SELECT writefile('/tmp/postern-attack.db', 'x')", "SELECT fts3_tokenizer('simple', x'00')",
	"SELECT edit('x')", "SELECT zipfile('x', 'y')", "SELECT * FROM fsdir('/')", "SELECT * FROM csv('/etc/passwd')",
	// What makes, drops or changes what the grant does not name.
	"INSERT INTO secret VALUES ('x')", "UPDATE secret SET x = 'x'", "DELETE FROM secret", "REPLACE INTO secret VALUES ('x')", "INSERT INTO orders (name) SELECT x FROM secret RETURNING name",
	"UPDATE orders SET name = (SELECT x FROM secret) RETURNING name", "UPDATE orders SET name = x FROM secret RETURNING name", "DELETE FROM orders WHERE (SELECT x FROM secret) = 'hidden'",
	"INSERT INTO orders (name) VALUES ('z') RETURNING (SELECT x FROM secret)", "INSERT INTO orders (id, name) VALUES (1, 'z') ON CONFLICT (id) DO UPDATE SET name = (SELECT x FROM secret)",
	"INSERT INTO traps VALUES (1)", "CREATE TABLE t (x)", "CREATE TABLE t AS SELECT * FROM secret", "CREATE TEMP TABLE t (x)", "CREATE TEMP VIEW t AS SELECT * FROM secret", "CREATE VIEW t AS SELECT * FROM secret",
	"CREATE TRIGGER t AFTER INSERT ON orders BEGIN INSERT INTO secret VALUES ('x'); END", "CREATE TEMP TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END", "CREATE INDEX i ON orders (name)",
	"CREATE VIRTUAL TABLE t USING fts5(x)", "CREATE VIRTUAL TABLE t USING dbstat", "DROP TABLE orders", "DROP TABLE secret", "DROP VIEW leak", "DROP TRIGGER trap", "ALTER TABLE secret RENAME TO orders2",
	"ALTER TABLE orders ADD COLUMN x", "REINDEX", "ANALYZE", "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 1, '')", "DELETE FROM sqlite_schema", "UPDATE sqlite_schema SET sql = ''",
	// Several statements, or none.
	"SELECT 1; SELECT 2", "SELECT 1; DROP TABLE orders", "SELECT 1;;; DELETE FROM orders", "DELETE FROM orders WHERE 0; SELECT x FROM secret", "", ";", " ;; ", "--", "/*", "/* */;", "\x00", "SELECT 1 \x00; DELETE FROM orders",
	"SELECT '\xff'", "selec", "SELECT '", `SELECT "hidden"`, "SELECT x'0", "SELECT 1 AS a, 2 AS a", "SELECT ?", "SELECT @name",
	strings.Repeat("(", 5000), "SELECT " + strings.Repeat("1+", 5000) + "1", "SELECT 1" + strings.Repeat(" UNION SELECT 1", 1000), "SELECT " + strings.Repeat("x", 70_000),
}

func TestHostileStatements(t *testing.T) {
	folder := database(t)
	s := open(t, folder, narrow)
	digest := func() [32]byte {
		content, err := os.ReadFile(filepath.Join(folder, "data.db"))
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(content)
	}
	before := digest()
	for _, statement := range hostileStatements {
		for _, name := range []string{"sql.query", "sql.exec"} {
			got, err := s.Call(t.Context(), name, statement)
			switch {
			case err == nil:
				t.Errorf("%s(%.100q): %.200s", name, statement, values.Format(got))
			case strings.Contains(err.Error(), folder):
				t.Errorf("%s(%.100q) shows a path: %v", name, statement, err)
			}
		}
	}
	if digest() != before {
		t.Error("the file has changed")
	}
	if files, _ := os.ReadDir(folder); len(files) != 1 {
		t.Errorf("there are other files: %v", files)
	}
	if _, err := os.Stat("/tmp/postern-attack.db"); err == nil {
		t.Error("a file was made outside")
	}
}

// With tables = ["*"] all tables are there, and still nothing but the database.
func TestHostileStatementsOnAllTables(t *testing.T) {
	folder := database(t)
	s := open(t, folder, "tables = [\"*\"]\n")
	for _, statement := range hostileStatements {
		for _, word := range []string{"ATTACH", "DETACH", "VACUUM", "PRAGMA query", "PRAGMA main", "PRAGMA writable", "PRAGMA journal", "PRAGMA temp", "PRAGMA trusted", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "SELECT load_extension", "CREATE TEMP", "CREATE VIRTUAL", "INSERT INTO sqlite_", "DELETE FROM sqlite_", "UPDATE sqlite_"} {
			if strings.HasPrefix(statement, word) {
				if got, err := s.Call(t.Context(), "sql.exec", statement); err == nil {
					t.Errorf("%q: %s", statement, values.Format(got))
				}
			}
		}
	}
}

func TestQueryOnlyReads(t *testing.T) {
	s := open(t, database(t), narrow)
	for _, statement := range []string{
		"INSERT INTO orders (name) VALUES ('x')", "INSERT INTO orders (name) VALUES ('x') RETURNING id", "UPDATE orders SET name = 'x' RETURNING id", "DELETE FROM orders RETURNING id",
		"REPLACE INTO orders (id) VALUES (1) RETURNING id", "WITH d AS (SELECT 1) DELETE FROM orders RETURNING id", "INSERT INTO orders DEFAULT VALUES",
	} {
		_, err := s.Call(t.Context(), "sql.query", statement)
		denied(t, statement, err)
	}
	gives(t, s, "[{'n': 3}]", "sql.query", "SELECT count(*) AS n FROM orders")
}

func TestHostileParameters(t *testing.T) {
	s := open(t, database(t), narrow)
	dict := func(key, value any) *values.Dict {
		d := values.NewDict(1)
		d.Set(key, value)
		return d
	}
	for i, params := range []any{
		"x", int64(1), true, values.Bytes("x"), values.Set{int64(1)}, make(values.List, 1001), dict(int64(1), "x"), dict("", "x"), dict("a b", "x"), dict("x\x00", "x"), dict("é", "x"), dict(strings.Repeat("x", 100), "x"),
	} {
		for _, name := range []string{"sql.query", "sql.exec"} {
			_, err := s.Call(t.Context(), name, "SELECT ?", params)
			denied(t, values.Format(int64(i)), err)
		}
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 64)
	for _, test := range []struct {
		statement string
		params    any
		class     string
	}{
		{"SELECT ?", values.List{}, "sql.Error"}, {"SELECT ?", values.List{int64(1), int64(2)}, "sql.Error"}, {"SELECT 1", values.List{int64(1)}, "sql.Error"}, {"SELECT ?", dict("x", int64(1)), "sql.Error"},
		{"SELECT @y", dict("x", int64(1)), "sql.Error"}, {"SELECT 1", dict("x", int64(1)), "sql.Error"}, {"SELECT ?1000000", values.List{}, "sql.Error"}, {"SELECT ?", values.List{huge}, "OverflowError"},
		{"SELECT ?", values.List{values.List{}}, "TypeError"}, {"SELECT ?", values.List{dict("a", int64(1))}, "TypeError"}, {"SELECT ?", values.List{values.Repr{Type: "x", Text: "y"}}, "TypeError"},
		{"SELECT ?", values.List{complex(1, 2)}, "TypeError"}, {"SELECT ?", values.List{"\xed\xa0\x80"}, "ValueError"}, {"SELECT ?", values.List{"a\x00b"}, "ValueError"},
		{"SELECT ?", values.List{strings.Repeat("x", 2<<20)}, "sql.TooLarge"},
	} {
		_, err := s.Call(t.Context(), "sql.query", test.statement, test.params)
		raises(t, test.class, test.statement, err)
	}
	// A value is never read as SQL.
	for _, text := range []string{"'; DROP TABLE orders --", "a' OR '1'='1", `") UNION SELECT x FROM secret --`, "?", "@x", "\\'"} {
		gives(t, s, "[]", "sql.query", "SELECT name FROM orders WHERE name = ?", values.List{text})
	}
}

func TestHostileGrants(t *testing.T) {
	folder := database(t)
	for _, keys := range []string{
		"role = \"reader\"\n" + narrow, "tables = [\"*\", \"orders\"]\n", "dsn = \"env:DATABASE_URL\"\n" + narrow,
	} {
		_, err := open(t, folder, keys).Call(t.Context(), "sql.query", "SELECT 1")
		denied(t, keys, err)
	}
	for _, statement := range []any{nil, int64(1), values.Bytes("SELECT 1"), values.List{"SELECT 1"}} {
		_, err := open(t, folder, narrow).Call(t.Context(), "sql.query", statement)
		denied(t, values.Format(statement), err)
	}
}
