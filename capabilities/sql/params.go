package sql

import (
	"maps"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// A parameter is a value as SQLite keeps it: nil, int64, float64, string or []byte.
type parameter struct {
	name  string // without what stands before it in the statement; empty for one by place
	value any
}

// sqliteParams converts params.
func sqliteParams(r *request) ([]parameter, error) {
	var bound []parameter
	for i, v := range r.list {
		stored, err := stored(v, i+1)
		if err != nil {
			return nil, err
		}
		bound = append(bound, parameter{value: stored})
	}
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		stored, err := stored(r.names[name], name)
		if err != nil {
			return nil, err
		}
		bound = append(bound, parameter{name, stored})
	}
	return bound, nil
}

// stored gives what SQLite keeps of a value. It has five types; as Python's sqlite3 does, dates become text in ISO 8601, which
// SQLite's own date functions read.
func stored(v any, which any) (any, error) {
	switch v := v.(type) {
	case nil, int64, float64:
		return v, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case string:
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return nil, capabilities.Raise("ValueError", "parameter %v is not Unicode text, or has a NUL", which)
		}
		return v, nil
	case values.Bytes:
		return []byte(v), nil
	case values.ByteArray:
		return []byte(v), nil
	case values.Decimal:
		return string(v), nil
	case values.DateTime:
		return strings.Replace(v.ISO, "T", " ", 1), nil
	case values.Date:
		return string(v), nil
	case values.Time:
		return string(v), nil
	case *big.Int:
		return nil, capabilities.Raise("OverflowError", "parameter %v has more than 64 bits: pass it as str or decimal.Decimal", which)
	}
	return nil, capabilities.Raise("TypeError", "parameter %v is %s: a value is None, bool, int, float, str, bytes, Decimal, date, time or datetime; use json.dumps for others", which, values.TypeName(v))
}

// bind gives the statement its parameters, each of them exactly what it asks for.
func bind(stmt *sqlite.Stmt, r *request, bound []parameter) error {
	wanted := stmt.BindParamCount()
	if r.names == nil {
		if wanted != len(bound) {
			return capabilities.Raise("sql.Error", "the statement has %d parameters, and params has %d values", wanted, len(bound))
		}
		for i, p := range bound {
			set(stmt, i+1, p.value)
		}
		return nil
	}
	used := 0
	seen := make(map[string]bool, wanted)
	for i := 1; i <= wanted; i++ {
		name := stmt.BindParamName(i)
		if name == "" || name[0] == '?' {
			return capabilities.Raise("sql.Error", "params is a dict, and parameter %d of the statement has no name: write @name or :name", i)
		}
		at := slices.IndexFunc(bound, func(p parameter) bool { return p.name == name[1:] })
		if at < 0 {
			return capabilities.Raise("sql.Error", "params has no %q", name[1:])
		}
		if !seen[name[1:]] {
			seen[name[1:]] = true
			used++
		}
		set(stmt, i, bound[at].value)
	}
	if used != len(bound) {
		for _, p := range bound {
			if !seen[p.name] {
				return capabilities.Raise("sql.Error", "the statement has no parameter %q", p.name)
			}
		}
	}
	return nil
}

func set(stmt *sqlite.Stmt, i int, v any) {
	switch v := v.(type) {
	case int64:
		stmt.BindInt64(i, v)
	case float64:
		stmt.BindFloat(i, v) // NaN becomes NULL
	case string:
		stmt.BindText(i, v)
	case []byte:
		if len(v) == 0 {
			stmt.BindZeroBlob(i, 0)
			return
		}
		stmt.BindBytes(i, v)
	default:
		stmt.BindNull(i)
	}
}
