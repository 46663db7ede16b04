package capabilities

import "fmt"

// PythonError is an error that becomes an exception in Python.
type PythonError struct {
	// Type is a builtin exception class such as "ValueError", or "family.Name" for one that the family declares.
	Type string
	// Message is what str() of the exception gives.
	Message string
	// Attributes are set on the exception; the values are of any type that values.Append takes. May be nil.
	Attributes map[string]any
}

// Error gives "ValueError: math domain error".
func (e *PythonError) Error() string { return e.Type + ": " + e.Message }

// Raise makes a PythonError with a formatted message.
func Raise(class, format string, args ...any) *PythonError {
	return &PythonError{Type: class, Message: fmt.Sprintf(format, args...)}
}
