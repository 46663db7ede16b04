package host

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/values"
)

// Requests to the guest, as docs/abi.md says under "Exports".

func execRequest(code string, options ExecOptions) ([]byte, error) {
	if !utf8.ValidString(code) || !utf8.ValidString(options.Filename) {
		return nil, ErrNotUTF8
	}
	return encodeJSON(struct {
		Code     string `json:"code"`
		Filename string `json:"filename,omitempty"`
	}{code, options.Filename})
}

func setRequest(variables map[string]any, bound int) ([]byte, error) {
	request, err := appendNamed([]byte(`{"variables":`), values.DictOf(variables).All(), bound)
	if err != nil {
		return nil, err
	}
	return append(request, '}'), nil
}

func callRequest(function string, args []any, kwargs map[string]any, bound int) ([]byte, error) {
	request, err := values.Append([]byte(`{"function":`), function, bound)
	if err != nil {
		return nil, inputError(err)
	}
	if args == nil {
		args = []any{}
	}
	if request, err = values.Append(append(request, `,"args":`...), args, bound); err != nil {
		return nil, inputError(err)
	}
	if request, err = appendNamed(append(request, `,"kwargs":`...), values.DictOf(kwargs).All(), bound); err != nil {
		return nil, err
	}
	return append(request, '}'), nil
}

// appendArguments appends the arguments of a host call as records hold them.
func appendArguments(dst []byte, args []any, kwargs []values.Keyword, bound int) ([]byte, error) {
	if args == nil {
		args = []any{}
	}
	dst, err := values.Append(append(dst, `{"args":`...), args, bound)
	if err != nil {
		return nil, err
	}
	named := func(yield func(any, any) bool) {
		for _, k := range kwargs {
			if !yield(k.Name, k.Value) {
				return
			}
		}
	}
	if dst, err = appendNamed(append(dst, `,"kwargs":`...), named, bound); err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}

// appendNamed appends an object whose keys are names, even if they begin with "$": not a value of its own.
func appendNamed(dst []byte, members func(yield func(any, any) bool), bound int) ([]byte, error) {
	dst = append(dst, '{')
	comma := ""
	for name, value := range members {
		var err error
		if dst, err = values.Append(append(dst, comma...), name, bound); err != nil {
			return nil, inputError(err)
		}
		if dst, err = values.Append(append(dst, ':'), value, bound); err != nil {
			return nil, fmt.Errorf("host: %q: %w", name, inputError(err))
		}
		comma = ","
	}
	return append(dst, '}'), nil
}

func inputError(err error) error {
	if errors.Is(err, values.ErrTooLarge) {
		return ErrTooLarge
	}
	return err
}
