package conformance_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/capabilities/random"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// python is a host that grants both families and authorises every module of the guest, their native namesakes among
// them: `import math` is CPython's own, tools.math the host's.
var python = sync.OnceValues(func() (*host.Host, error) {
	modules, err := guest.Modules()
	if err != nil {
		return nil, err
	}
	return newHost(`policy = 1
name = "everything"
[limits]
wall_time = "60s"
fuel = 100_000_000_000
host_calls = 1_000_000
[python]
imports = ["` + strings.Join(modules, `", "`) + `"]
[grant.math]
functions = ["` + strings.Join(functions()["math"], `", "`) + `"]
[grant.json]
functions = ["dumps", "loads"]
`)
})

func functions() map[string][]string {
	registry, err := registry()
	if err != nil {
		panic(err)
	}
	return registry.Functions()
}

func registry() (*capabilities.Registry, error) {
	return capabilities.NewRegistry(json.Family(), math.Family(), random.Family())
}

func newHost(policy string) (*host.Host, error) {
	known, err := registry()
	if err != nil {
		return nil, err
	}
	modules, err := guest.Modules()
	if err != nil {
		return nil, err
	}
	parsed, err := policies.Parse("policy.toml", []byte(policy), policies.Vocabulary{Families: known.Vocabulary(), Modules: modules})
	if err != nil {
		return nil, err
	}
	return host.New(background, host.Config{Policy: parsed, Capabilities: known, Audit: audit.Discard})
}

// session is a new session of the host that grants everything.
func session(t testing.TB) *host.Session {
	t.Helper()
	h, err := python()
	if err != nil {
		t.Fatal(err)
	}
	return sessionOf(t, h)
}

func sessionOf(t testing.TB, h *host.Host) *host.Session {
	t.Helper()
	s, err := h.NewSession(background)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t testing.TB, s *host.Session, code string) *host.Result {
	t.Helper()
	r, err := s.Exec(background, code, host.ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// says describes a result in one line: its repr, or its error.
func says(r *host.Result) string {
	switch {
	case r.Error != nil && r.Error.Limit != "":
		return fmt.Sprintf("%s [%s]", r.Error.Type, r.Error.Limit)
	case r.Error != nil:
		return r.Error.Error()
	case r.Repr == nil:
		return ""
	}
	return *r.Repr
}
