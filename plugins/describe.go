package plugins

import (
	"errors"
	"fmt"

	"github.com/postern-sandbox/postern/capabilities/schema"
)

// Section is the name of the custom section with a module's description.
const Section = "postern:schema"

// ErrNoDescription is the error of Describe when there is neither a document in the module nor one beside it.
var ErrNoDescription = errors.New("the module does not describe itself")

// A Description is what a plugin says of itself.
type Description struct {
	// Doc is one line about the whole.
	Doc string
	// Functions are the exports that Python may call, in the document's order. No two have one name in Python.
	Functions []*schema.Function
}

// Parse reads an XTP document, in YAML or JSON. file names it in mistakes, which are all told at once, as policies.Errors.
func Parse(file string, text []byte) (*Description, error) {
	document, err := schema.ParseXTP(file, text)
	if err != nil {
		return nil, err
	}
	return &Description{document.Doc, document.Functions}, nil
}

// Describe gives the description of a module: that of the document beside it, when sidecar is not nil, or that which is in the module. file names the
// sidecar in mistakes. When there is neither, the error is ErrNoDescription, and says what to do.
func Describe(module []byte, file string, sidecar []byte) (*Description, error) {
	if sidecar != nil {
		return Parse(file, sidecar)
	}
	text, found, err := Embedded(module)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("plugins: %w: `postern plugin build` puts a schema.yaml into it", ErrNoDescription)
	}
	return Parse(Section, text)
}
