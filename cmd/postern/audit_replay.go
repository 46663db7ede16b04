package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/audit/replay"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

func (c *cli) auditReplay(args []string) int {
	f := c.newFlags("audit replay [--session ID] [--policy NEW.toml] [DIR]", `Runs the recorded code again in the same sandbox, answers each host call from the record, and compares output, value, fuel and memory. No capability is called. Exits 0 when
every session went the same way, 1 with the first difference of each that did not, and 2 when one could not be run: with arguments = "digest" there is nothing to run.
With --policy, runs nothing and says which of the recorded calls and imports that policy would decide otherwise; exits 3 if it would deny what was allowed.`)
	session := f.String("session", "", "only the session whose ID begins with `ID`")
	policyPath := f.String("policy", "", "say what the policy in `FILE` would have decided")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	folder, err := logFolder(rest)
	if err != nil {
		return c.fail(err)
	}
	reader, err := audit.OpenReader(folder)
	if err != nil {
		return c.failLog(err)
	}
	defer reader.Close()
	var visit func(*replay.Session) error
	var finish func() int
	if *policyPath != "" {
		known, err := registry()
		if err != nil {
			return c.fail(err)
		}
		policy, err := lookPolicy(*policyPath, known)
		if err != nil {
			return c.fail(err)
		}
		j := judging{cli: c, folder: folder, policy: policy, registry: known}
		visit, finish = j.session, j.finish
	} else {
		p := playing{cli: c, folder: folder, players: map[string]*replay.Player{}}
		defer p.close()
		visit, finish = p.session, p.finish
	}
	found := false
	for s, err := range replay.Sessions(reader, func(id string) bool { return strings.HasPrefix(id, *session) }) {
		if err == nil {
			found = true
			err = visit(s)
		}
		if err != nil {
			return c.fail(err)
		}
	}
	if !found {
		return c.fail(usageError("`postern audit show` has the IDs", "there is no such session in %s", folder))
	}
	return finish()
}

// playing is the replay of the sessions of a log.
type playing struct {
	cli     *cli
	folder  string
	players map[string]*replay.Player // by the policy's digest and file

	same, different, unable int64
	execs, calls            int64
}

func (p *playing) session(s *replay.Session) error {
	report, err := p.play(s)
	if err != nil {
		return err
	}
	p.execs, p.calls = p.execs+int64(report.Execs), p.calls+int64(report.Calls)
	switch {
	case report.Difference != nil:
		p.different++
		p.cli.errorf("session %s: %v", visibleName(s.ID), visibleName(report.Difference.Error()))
	case report.Unable != "":
		p.unable++
		p.cli.errorf("session %s cannot be replayed: %s", visibleName(s.ID), visibleName(report.Unable))
	default:
		p.same++
	}
	return nil
}

func (p *playing) play(s *replay.Session) (*replay.Report, error) {
	if s.Opened == nil {
		return &replay.Report{Unable: "the log does not have its beginning"}, nil
	}
	player, reason, err := p.player(s.Opened)
	if err != nil || reason != "" {
		return &replay.Report{Unable: reason}, err
	}
	return player.Play(p.cli.ctx, s)
}

// player makes the player for a session's policy, which lies beside the log. If there is none, it says why.
func (p *playing) player(opened *audit.Record) (player *replay.Player, reason string, err error) {
	key := fmt.Sprint(opened.Policy, " ", opened.PolicyFile, " ", opened.Tools)
	if player = p.players[key]; player != nil {
		return player, "", nil
	}
	policy, known, err := recordedPolicy(p.folder, opened)
	if err != nil {
		return nil, err.Error(), nil
	}
	done := p.cli.progress(policy)
	defer done()
	player, err = replay.NewPlayer(p.cli.ctx, host.Config{Policy: policy, Capabilities: known})
	if mistakes := policies.Errors(nil); errors.As(err, &mistakes) {
		return nil, "its packages are not there: " + mistakes.Error(), nil
	}
	if err != nil {
		return nil, "", err
	}
	p.players[key] = player
	return player, "", nil
}

// finish prints the sum.
func (p *playing) finish() int {
	if p.same > 0 {
		fmt.Fprintf(p.cli.stdout, "the same: %s (%s and %s were run again)\n",
			plural(p.same, "session", "sessions"), plural(p.execs, "exec", "execs"), plural(p.calls, "call", "calls"))
	}
	switch {
	case p.different > 0:
		return exitDiffers
	case p.unable > 0:
		return exitUsage
	}
	return exitOK
}

func (p *playing) close() {
	for _, player := range p.players {
		player.Close()
	}
}

// judging compares the decisions of a log with another policy's.
type judging struct {
	cli      *cli
	folder   string
	policy   *policies.Policy
	registry *capabilities.Registry

	calls, withheld int64
	tightened       int64 // allowed, and would be denied
	loosened        int64
}

func (j *judging) session(s *replay.Session) error {
	known := j.registry
	if s.Opened != nil {
		// Without what its MCP servers have said, nothing is known of their functions' parameters: conditions on them deny.
		if recorded, err := withRecorded(known, j.folder, s.Opened); err == nil {
			known = recorded
		}
	}
	for _, judgement := range replay.Judge(s, j.policy, known) {
		r := judgement.Record
		what := called(r)
		if r.Kind == audit.Withheld {
			j.withheld++
			what = cut(r.Withheld)
		} else {
			j.calls++
		}
		if !judgement.Changed() {
			continue
		}
		verdict := "would be denied: " + judgement.Decision.Reason
		if judgement.Would {
			j.loosened++
			verdict = "would be allowed: " + judgement.Decision.Reason
		} else {
			j.tightened++
		}
		if position := judgement.Decision.Position; position.Line > 0 {
			verdict += " at " + position.String()
		}
		if _, err := fmt.Fprintf(j.cli.stdout, "%7d  %-8s  %s  %s\n", r.Number, visibleName(s.ID[:min(8, len(s.ID))]), visibleName(what), visibleName(verdict)); err != nil {
			return err
		}
	}
	return nil
}

func (j *judging) finish() int {
	fmt.Fprintf(j.cli.stdout, "policy %q, for %s and %s withheld: it would newly deny %d and newly allow %d\n",
		j.policy.Name, plural(j.calls, "call", "calls"), plural(j.withheld, "thing", "things"), j.tightened, j.loosened)
	if j.tightened > 0 {
		return exitDenied
	}
	return exitOK
}
