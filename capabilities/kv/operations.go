package kv

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// encode gives what the store keeps of a value.
func encode(key string, v any, args capabilities.Arguments) ([]byte, error) {
	most := args.Scope().Number("max_value")
	encoded, err := values.Append(nil, v, int(most))
	switch {
	case errors.Is(err, values.ErrTooLarge):
		return nil, capabilities.Raise("kv.QuotaError", "the value of %q is larger than max_value of [grant.kv], which is %d bytes in its encoded form", key, most)
	case err != nil:
		return nil, capabilities.Raise("ValueError", "the value of %q cannot be kept: %s", key, strings.TrimPrefix(err.Error(), "values: "))
	}
	// Such a tag is never a dict of the code's own, whose keys would be written as a list.
	if bytes.Contains(encoded, []byte(`{"$repr":`)) {
		return nil, capabilities.Raise("TypeError", "the value of %q has an object in it that cannot be kept: numbers, text, bytes, dates, and lists, tuples, sets and dicts of them can", key)
	}
	return encoded, nil
}

// decode gives the value of what the store has, None for nothing.
func decode(encoded []byte) (any, error) {
	if encoded == nil {
		return nil, nil
	}
	v, err := values.Decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("kv: in the store: %w", err)
	}
	return v, nil
}

// copied gives an argument as a value of its own, since a job may outlive the call.
func copied(parameter string, args capabilities.Arguments) (any, error) {
	encoded, err := values.Append(nil, args.Get(parameter), math.MaxInt32)
	if err != nil {
		return nil, capabilities.Raise("ValueError", "%s cannot be kept: %s", parameter, strings.TrimPrefix(err.Error(), "values: "))
	}
	return decode(encoded)
}

func get(key string, args capabilities.Arguments) (job, error) {
	otherwise, err := copied("default", args)
	if err != nil {
		return job{}, err
	}
	return job{do: func(n *namespace) (any, error) {
		if encoded := n.get(key); encoded != nil {
			return decode(bytes.Clone(encoded)) // the file is unmapped when the value is used
		}
		return otherwise, nil
	}}, nil
}

func put(key string, args capabilities.Arguments) (job, error) {
	encoded, err := encode(key, args.Get("value"), args)
	return job{change: true, do: func(n *namespace) (any, error) { return nil, n.put(key, encoded) }}, err
}

func remove(key string, _ capabilities.Arguments) (job, error) {
	return job{change: true, do: func(n *namespace) (any, error) {
		was, err := n.delete(key)
		return was, err
	}}, nil
}

func cas(key string, args capabilities.Arguments) (job, error) {
	encoded, err := encode(key, args.Get("value"), args)
	if err != nil {
		return job{}, err
	}
	expected, err := copied("expected", args)
	if err != nil {
		return job{}, err
	}
	return job{change: true, do: func(n *namespace) (any, error) {
		v, err := decode(bytes.Clone(n.get(key)))
		if err != nil || !values.Equal(v, expected) {
			return false, err
		}
		return true, n.put(key, encoded)
	}}, nil
}

func incr(key string, args capabilities.Arguments) (job, error) {
	by, ok := args.Get("by").(int64)
	if !ok {
		return job{}, capabilities.Raise("TypeError", "by must be an int of at most 64 bits, not %s", values.TypeName(args.Get("by")))
	}
	return job{change: true, do: func(n *namespace) (any, error) {
		v, err := decode(bytes.Clone(n.get(key)))
		if err != nil {
			return nil, err
		}
		before, ok := v.(int64)
		switch {
		case !ok && v != nil:
			return nil, capabilities.Raise("TypeError", "the value of %q is %s, not an int of at most 64 bits", key, values.TypeName(v))
		case by > 0 && before > math.MaxInt64-by, by < 0 && before < math.MinInt64-by:
			return nil, capabilities.Raise("OverflowError", "the value of %q would have more than 64 bits", key)
		}
		encoded, err := values.Append(nil, before+by, 32)
		if err != nil {
			return nil, err
		}
		return before + by, n.put(key, encoded)
	}}, nil
}

// maxListed is how many keys one list gives.
const maxListed = 10_000

func list(prefix string, args capabilities.Arguments) (job, error) {
	after, ok := args.Get("after").(string)
	if !ok || after != "" && checkKey(after) != "" {
		return job{}, capabilities.Raise("ValueError", "after must be a key")
	}
	limit, ok := args.Get("limit").(int64)
	if !ok || limit < 1 || limit > maxListed {
		return job{}, capabilities.Raise("ValueError", "limit must be an int from 1 to %d", maxListed)
	}
	return job{do: func(n *namespace) (any, error) {
		keys := []string{}
		if n == nil {
			return keys, nil
		}
		cursor := n.values.Cursor()
		for k, _ := cursor.Seek([]byte(max(prefix, after))); k != nil && int64(len(keys)) < limit; k, _ = cursor.Next() {
			if !bytes.HasPrefix(k, []byte(prefix)) {
				if string(k) > prefix {
					break
				}
				continue
			}
			if string(k) != after || after == "" {
				keys = append(keys, string(k))
			}
		}
		return slices.Clip(keys), nil
	}}, nil
}
