package mcpserver

import (
	"fmt"
	"math"
	"strings"

	"github.com/postern-sandbox/postern/guest"
)

// describeTool is what the model is told of run_python.
func describeTool(config Config) string {
	limits := config.Policy.Limits.WithDefaults()
	return fmt.Sprintf(`Runs a Python %s program in a sandbox. Returns what it prints, and the value of its last expression (or of final_answer(x)).
Variables, functions and imports stay for the next call; "reset" forgets them. A value that is a PNG, JPEG, GIF or WebP image (bytes), the text of an SVG, or a list of
these, is returned as images. The program has no packages, and reaches nothing but the modules and functions listed here.
%s
A call that is not granted raises postern.Denied and says what would allow it: tell the user, do not try to get around it. One call may run for %v.`,
		guest.PythonVersion, describeGrants(config, briefDescription), limits.WallTime)
}

// briefDescription is how long the list of functions may be, in bytes, with what each does: models read it with each request.
const briefDescription = 3000

func describeGrants(config Config, brief int) string {
	var modules, functions strings.Builder
	fmt.Fprintf(&modules, "\nModules to import: %s\n\nFunctions, each in a module to import that has the name before the dot:\n", orNone(config.Policy.Python.Imports))
	specs := config.Host.Functions()
	for _, spec := range specs {
		fmt.Fprintf(&functions, "  %s.%s%s  %s", spec.Module, spec.Function, spec.Signature, spec.Doc)
		if spec.Note != "" {
			fmt.Fprintf(&functions, " (%s)", spec.Note)
		}
		functions.WriteByte('\n')
	}
	if functions.Len() > brief {
		functions.Reset()
		for _, spec := range specs {
			fmt.Fprintf(&functions, "  %s.%s%s\n", spec.Module, spec.Function, spec.Signature)
		}
		functions.WriteString("  (describe_policy says what they do)\n")
	}
	if len(specs) == 0 {
		functions.WriteString("  none\n")
	}
	return modules.String() + functions.String()
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// describePolicy is the answer of describe_policy.
func describePolicy(config Config) string {
	l := config.Policy.Limits.WithDefaults()
	return fmt.Sprintf("Policy %q, %s\n%s\nLimits of one call: %v; %d loop iterations and function calls; %d bytes of memory; %d bytes of output; %d bytes of result; %d calls of granted functions; %d nested calls\n",
		config.Policy.Name, config.Policy.Digest, describeGrants(config, math.MaxInt), l.WallTime, l.Fuel, l.Memory, l.Output, l.Result, l.HostCalls, l.Recursion)
}
