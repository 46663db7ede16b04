package sql_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/capabilities/sql"
	"github.com/postern-sandbox/postern/values"
)

func TestTry(t *testing.T) {
	folder := t.TempDir()
	conn, err := sqlite.OpenConn(filepath.Join(folder, "d.db"), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := sqlitex.ExecuteScript(conn, `CREATE TABLE orders(id INTEGER PRIMARY KEY, name TEXT, price NUMERIC); INSERT INTO orders VALUES(1,'a',1.5),(2,'b',2); CREATE TABLE secret(x TEXT); INSERT INTO secret VALUES('hidden');CREATE VIEW v AS SELECT x FROM secret; CREATE VIEW w AS SELECT name FROM orders`, nil); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s := familytest.New(t, sql.Family(sql.Config{}), folder, "path = \"d.db\"\ntables = [\"orders\",\"v\",\"w\"]\n")
	for _, q := range []string{"SELECT * FROM orders", "SELECT * FROM secret", "SELECT * FROM v", "SELECT * FROM w", "WITH v AS (SELECT * FROM secret) SELECT * FROM v", "SELECT count(*) FROM secret", "SELECT load_extension('x')", "SELECT * FROM sqlite_schema", "INSERT INTO orders VALUES(3,'c',3)", "ATTACH 'x' AS y", "PRAGMA query_only=0", "SELECT * FROM pragma_table_info('orders')", "SELECT * FROM pragma_table_info('secret')", "SELECT 1; SELECT 2", "VACUUM INTO '/tmp/x.db'", "BEGIN", "COMMIT", "selec", "SELECT * FROM json_each('[1,2]')", "SELECT fts3_tokenizer('simple')", "SELECT \"x\"", "EXPLAIN SELECT * FROM orders"} {
		for _, f := range []string{"sql.query", "sql.exec"} {
			v, err := s.Call(t.Context(), f, q)
			fmt.Printf("%s %q: %.200s %v\n", f, q, values.Format(v), err)
		}
	}
}
