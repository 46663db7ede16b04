package sql

import (
	"errors"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// limits are those of a result.
type limits struct{ rows, bytes, columns int64 }

// A result collects rows and stops where the limits are.
type result struct {
	limits
	columns []string
	list    values.List
	size    int64  // of the rows in their encoded form
	buffer  []byte // of one row, to measure it
}

// newResult begins a result. Two columns of one name could not both stand in a dict.
func newResult(most limits, columns []string) (*result, error) {
	if int64(len(columns)) > most.columns {
		return nil, capabilities.Raise("sql.TooLarge", "the rows have %d columns, and max_columns of [grant.sql] is %d: name the columns that you need", len(columns), most.columns)
	}
	seen := make(map[string]bool, len(columns))
	for _, name := range columns {
		if seen[name] {
			return nil, capabilities.Raise("sql.Error", "two columns are called %q: give one another name with AS", name)
		}
		seen[name] = true
	}
	return &result{limits: most, columns: columns, list: values.List{}}, nil
}

// room says that there is no more room for a row before it is read, nor for a row of at least so many bytes.
func (r *result) room(atLeast int64) error {
	if int64(len(r.list)) >= r.rows {
		return capabilities.Raise("sql.TooLarge", "there are more rows than max_rows of [grant.sql], which is %d: use LIMIT, WHERE or an aggregate", r.rows)
	}
	if r.size+atLeast > r.bytes {
		return r.tooLarge()
	}
	return nil
}

func (r *result) tooLarge() error {
	return capabilities.Raise("sql.TooLarge", "the rows are larger than max_bytes of [grant.sql], which is %d, at row %d: ask for fewer rows or columns", r.bytes, len(r.list)+1)
}

// add adds a row.
func (r *result) add(cells []any) error {
	if err := r.room(0); err != nil {
		return err
	}
	row := values.NewDict(len(cells))
	for i, v := range cells {
		row.SetString(r.columns[i], v)
	}
	encoded, err := values.Append(r.buffer[:0], row, int(r.bytes-r.size))
	switch {
	case errors.Is(err, values.ErrTooLarge):
		return r.tooLarge()
	case err != nil:
		return capabilities.Raise("sql.Error", "a value of row %d cannot be shown in Python: %v", len(r.list)+1, err)
	}
	r.buffer = encoded
	r.size += int64(len(encoded)) + 1
	r.list = append(r.list, row)
	return nil
}

// answer is what the call returns.
func (r *request) answer(rows values.List, affected int64) any {
	if !r.write {
		return rows
	}
	d := values.NewDict(2)
	d.SetString("rows_affected", affected)
	d.SetString("rows", rows)
	return d
}
