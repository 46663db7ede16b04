package policies_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The package knows no runtime: what it may import is in this list, and nothing of the standard library that opens,
// dials or tells the time by itself.
func TestImportsArePure(t *testing.T) {
	allowed := []string{
		"github.com/pelletier/go-toml/v2/unstable",
		"github.com/google/cel-go/cel", "github.com/google/cel-go/checker", "github.com/google/cel-go/common/ast", "github.com/google/cel-go/common/types", "github.com/google/cel-go/common/types/ref",
		"github.com/google/cel-go/common/types/traits",
		"github.com/postern-sandbox/postern/internal/fold", "github.com/postern-sandbox/postern/values",
	}
	impure := []string{"os", "net", "net/http", "io/fs", "os/exec", "syscall", "crypto/rand", "math/rand", "math/rand/v2", "unsafe"}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if strings.Contains(path, ".") && !slices.Contains(allowed, path) || slices.Contains(impure, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
