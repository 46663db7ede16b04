package host

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/packages"
	"github.com/postern-sandbox/postern/policies"
)

// packagesMount is where the guest sees the packages: a folder of its own, which Python searches last.
const packagesMount = "packages"

// LoadPackages reads the packages that a policy names, and compares their hashes with those in the lock: an empty path means
// packages/packages.lock beside the policy's file. The set is nil if the policy names none. A package whose module has the name
// of a family of the registry is refused: who reads "import http" must know which. Mistakes are of type [policies.Errors].
func LoadPackages(policy *policies.Policy, lock string, registry *capabilities.Registry) (*packages.Set, error) {
	if lock == "" {
		lock = packages.LockBeside(policy.File)
	}
	set, err := packages.Load(lock, policy)
	if err != nil || set == nil {
		return nil, err
	}
	families := make(map[string]bool)
	for _, family := range registry.Families() {
		families[strings.ToLower(family.Name)] = true
	}
	for _, grant := range allGrants(policy) {
		families[strings.ToLower(grant.PythonName())] = true
	}
	var wrong policies.Errors
	for _, p := range set.Packages {
		for _, module := range p.Modules {
			if families[strings.ToLower(module)] {
				wrong = append(wrong, policy.Mistake(set.Named(p).Position, fmt.Sprintf("package %s has a module %q, which is the name of a capability family", p, module), ""))
			}
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return set, nil
}

func (h *Host) loadPackages() error {
	set, err := LoadPackages(h.policy, h.config.Packages, h.registry)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	h.packages = set
	return nil
}

// openFiles makes the file system that the guest sees: what the policy's imports reach and what the packages need, and the packages.
// What is only there for the packages the agent's code may not import.
func (h *Host) openFiles() error {
	imports := h.policy.Python.Imports
	if h.packages != nil {
		imports = slices.Concat(imports, h.packages.Imports, packagePlumbing)
	}
	if h.config.Guest.Files == nil {
		return nil
	}
	files, err := h.config.Guest.Files(imports)
	if err != nil {
		return fmt.Errorf("host: the guest's files: %w", err)
	}
	if h.program.files = files; h.packages != nil {
		h.program.files = mounted{files, h.packages.Files}
	}
	return nil
}

// packagePlumbing is what Python imports to find modules in folders and files beside them, for packages that do not say so.
var packagePlumbing = []string{"importlib.readers"}

// mounted is a file system with another one in the folder packagesMount.
type mounted struct{ base, packages fs.FS }

func (m mounted) Open(name string) (fs.File, error) {
	if in, ok := inPackages(name); ok {
		return m.packages.Open(in)
	}
	return m.base.Open(name)
}

// Stat implements [fs.StatFS].
func (m mounted) Stat(name string) (fs.FileInfo, error) {
	if in, ok := inPackages(name); ok {
		return fs.Stat(m.packages, in)
	}
	return fs.Stat(m.base, name)
}

// inPackages returns the name within the packages, if it is there.
func inPackages(name string) (string, bool) {
	if name == packagesMount {
		return ".", true
	}
	in, ok := strings.CutPrefix(name, packagesMount+"/")
	return in, ok && fs.ValidPath(in)
}

// describePackages tells the guest of the packages: what the agent may import, and, for hints, what the lock has besides.
func describePackages(set *packages.Set) configPackages {
	c := configPackages{Modules: []string{}, Others: map[string]string{}}
	if set == nil {
		return c
	}
	c.Path, c.Modules = "/"+packagesMount, append(c.Modules, set.Modules...)
	for _, l := range set.Locked {
		for _, module := range l.Modules {
			if !slices.Contains(set.Modules, module) {
				c.Others[module] = l.String()
			}
		}
	}
	return c
}
