package bench

import (
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// echo is the plugin that tools are measured with.
//
//go:embed echo/echo.wasm
var echo []byte

const echoSchema = `version: v1-draft
exports:
  echo:
    input: {contentType: application/json, type: string}
    output: {contentType: application/json, type: string}
`

// tools measures calls of a plugin, each decided and recorded, in a fresh instance and in the session's own.
func (m *measurer) tools() (figures []Figure, err error) {
	m.say("tools")
	for _, kind := range []struct {
		key, doc string
		stateful bool
	}{
		{"tool_fresh_us", "a call of a small plugin with 64 bytes and back, in a fresh instance, decided and recorded in a file", false},
		{"tool_stateful_us", "the same in the session's own instance", true},
	} {
		measured, err := m.tool(kind.stateful)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure(kind.key, kind.doc, measured))
	}
	return figures, nil
}

func (m *measurer) tool(stateful bool) (measured []float64, err error) {
	text := fmt.Sprintf("policy = 1\nname = \"bench\"\n[tool.echo]\nplugin = \"echo.wasm\"\nschema = \"echo.yaml\"\nsha256 = %q\nstateful = %v\n", audit.Digest(echo), stateful)
	policy, err := policies.Parse("bench.toml", []byte(text), policies.Vocabulary{})
	if err != nil {
		return nil, err
	}
	h, err := m.newHost(func(c *host.Config) {
		policy.Limits = c.Policy.Limits
		c.Policy = policy
		c.Policy.Audit.Log = filepath.Join(m.folder, "audit-tools")
		c.Plugins = func(path string) ([]byte, error) {
			if strings.HasSuffix(path, ".yaml") {
				return []byte(echoSchema), nil
			}
			return echo, nil
		}
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	const calls = 200
	err = m.with(h, func(s *host.Session) (err error) {
		if err := m.check(s, "import echo\nx, f = 'x' * 64, echo.echo"); err != nil {
			return err
		}
		measured, err = m.repeat(100, calls*time.Microsecond, clocked(func() error { return m.check(s, fmt.Sprintf("for _ in range(%d): f(x)", calls)) }))
		return err
	})
	return measured, err
}
