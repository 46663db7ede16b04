package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// abiVersion is the version of docs/abi.md that this package speaks.
const abiVersion = 1

// configuration is what the guest is told about the policy: names and words, so that its modules and messages are
// right. The guest's belief grants nothing.
type configuration struct {
	Policy     string         `json:"policy"`
	PolicyPath string         `json:"policy_path"`
	HashSeed   uint32         `json:"hash_seed"`
	Imports    []string       `json:"imports"`
	Limits     guestLimits    `json:"limits"`
	Families   []configFamily `json:"families"`
	Packages   configPackages `json:"packages"`

	// For hints alone: what could be granted or authorised, and is not.
	Ungranted []string `json:"ungranted"` // families
	Modules   []string `json:"modules"`   // all that the guest has
}

type guestLimits struct {
	Output    int64 `json:"output"`
	Result    int64 `json:"result"`
	Recursion int64 `json:"recursion"`
}

type configPackages struct {
	Path    string            `json:"path"`    // of the folder that has them; empty if there are none
	Modules []string          `json:"modules"` // their top-level modules
	Others  map[string]string `json:"others"`  // modules of packages that are locked and not named: what to name
}

type configFamily struct {
	Name       string                     `json:"name"`
	Family     string                     `json:"family"`
	Rule       string                     `json:"rule"` // the table that grants it: "grant.math"
	Doc        string                     `json:"doc"`
	Functions  []configFunction           `json:"functions"`
	Withheld   []string                   `json:"withheld"`
	Constants  map[string]json.RawMessage `json:"constants"`
	Exceptions map[string]string          `json:"exceptions"`
}

type configFunction struct {
	Name      string `json:"name"`
	Index     int    `json:"index"`
	Signature string `json:"signature"`
	Doc       string `json:"doc"`
}

// configure encodes the policy for the guest's export of that name. The encoding is the same each time.
func (h *Host) configure() ([]byte, error) {
	c := configuration{
		Policy:     h.policy.Name,
		PolicyPath: h.policy.File,
		HashSeed:   h.policy.Python.HashSeed,
		Imports:    append([]string{}, h.policy.Python.Imports...),
		Limits:     guestLimits{Output: h.limits.Output, Result: h.limits.Result, Recursion: h.limits.Recursion},
		Families:   []configFamily{},
		Packages:   describePackages(h.packages),
	}
	byName := make(map[string]*granted)
	for _, g := range h.functions {
		byName[g.name] = g
	}
	for _, grant := range h.grants() {
		family, _ := h.registry.Family(grant.Family)
		described, err := describeFamily(family, grant, byName)
		if err != nil {
			return nil, err
		}
		c.Families = append(c.Families, described)
	}
	c.Ungranted, c.Modules = []string{}, []string{}
	for _, family := range h.registry.Families() {
		if h.policy.Grant(family.Name) == nil {
			c.Ungranted = append(c.Ungranted, family.Name)
		}
	}
	slices.Sort(c.Ungranted)
	if h.config.Guest.Modules != nil {
		modules, err := h.config.Guest.Modules()
		if err != nil {
			return nil, fmt.Errorf("host: the guest's modules: %w", err)
		}
		c.Modules = modules
	}
	return encodeJSON(c)
}

// describeFamily describes a family under the name in Python that its grant gives it.
func describeFamily(family capabilities.Family, grant *policies.Grant, byName map[string]*granted) (configFamily, error) {
	d := configFamily{
		Name:       grant.PythonName(),
		Family:     family.Name,
		Rule:       grant.Rule(),
		Doc:        family.Doc,
		Functions:  []configFunction{},
		Withheld:   []string{},
		Constants:  make(map[string]json.RawMessage),
		Exceptions: maps.Clone(family.Exceptions),
	}
	if d.Exceptions == nil {
		d.Exceptions = make(map[string]string)
	}
	for _, capability := range family.Capabilities {
		spec := capability.Spec()
		if g, ok := byName[spec.Name()]; ok {
			d.Functions = append(d.Functions, configFunction{spec.Function, g.index, g.signature.Plain(), spec.Doc})
		} else {
			d.Withheld = append(d.Withheld, spec.Function)
		}
	}
	slices.SortFunc(d.Functions, func(a, b configFunction) int { return a.Index - b.Index })
	slices.Sort(d.Withheld)
	for name, value := range family.Constants {
		encoded, err := values.Append(nil, value, mib)
		if err != nil {
			return configFamily{}, fmt.Errorf("host: constant %q of %q: %w", name, family.Name, err)
		}
		d.Constants[name] = encoded
	}
	return d, nil
}

// checkConfigured reads the guest's answer to configure.
func checkConfigured(output []byte) error {
	var answer struct {
		OK  bool `json:"ok"`
		ABI int  `json:"abi"`
	}
	if err := json.Unmarshal(output, &answer); err != nil || !answer.OK {
		return fmt.Errorf("host: the guest was not configured: %.200q", output)
	}
	if answer.ABI != abiVersion {
		return fmt.Errorf("host: the guest speaks version %d of the ABI, want %d", answer.ABI, abiVersion)
	}
	return nil
}

// encodeJSON is json.Marshal without the escapes for HTML, which make requests longer and records harder to read.
func encodeJSON(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("host: encode: %w", err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}
