package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/values"
)

func (c *cli) auditShow(args []string) int {
	f := c.newFlags("audit show [FLAGS] [DIR]", `Prints the log, one record a line: its number, when (UTC), which session, exec and call, and what. It shows what is in the files;
whether that is what was written, audit verify says.`)
	session := f.String("session", "", "only the session whose ID begins with `ID`")
	capability := f.String("capability", "", "only calls of `NAME`: math.sqrt, or math for the family")
	decision := f.String("decision", "", "only what was decided so: `ALLOW` is allow or deny; deny has what was withheld, too")
	since := f.String("since", "", "only from `TIME` on: 2025-01-31, 2025-01-31T12:00:00Z, or 90m for what is no older")
	until := f.String("until", "", "only before `TIME`")
	asJSON := f.Bool("json", false, "print the records themselves, one a line")
	follow := f.Bool("f", false, "go on with records as they come, until interrupted")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	folder, err := logFolder(rest)
	if err != nil {
		return c.fail(err)
	}
	filter := recordFilter{session: *session, capability: *capability, decision: *decision}
	if *decision != "" && *decision != "allow" && *decision != "deny" {
		return c.fail(usageError("", "--decision: %q is neither allow nor deny", *decision))
	}
	now := time.Now()
	if filter.since, err = parseTime("since", *since, now); err == nil {
		filter.until, err = parseTime("until", *until, now)
	}
	if err != nil {
		return c.fail(err)
	}
	reader, err := audit.OpenReader(folder)
	if err != nil {
		return c.failLog(err)
	}
	defer reader.Close()
	show := shower{cli: c, filter: filter, json: *asJSON}
	if file, ok := c.stdout.(*os.File); ok {
		show.terminal = isTerminal(file)
		show.colour = show.terminal && os.Getenv("NO_COLOR") == ""
	}
	for {
		e, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF) && *follow && c.ctx.Err() == nil:
			select { // and look once more, also when it is the end
			case <-c.ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
			continue
		case errors.Is(err, io.EOF):
			if show.unreadable > 0 {
				c.errorf("%s no record that this program can read; `postern audit verify` says more", plural(show.unreadable, "line is", "lines are"))
				return exitDiffers
			}
			return exitOK
		case err != nil:
			return c.failLog(err)
		}
		if err := show.entry(e); err != nil {
			return c.fail(err)
		}
	}
}

// parseTime reads a moment: a date, a time, or how long ago.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if moment, err := time.Parse(layout, text); err == nil {
			return moment, nil
		}
	}
	return time.Time{}, usageError("write 2025-01-31, 2025-01-31T12:00:00Z, or a duration such as 90m", "--%s: %q is not a time", flag, text)
}

// recordFilter says which records are wanted. Its zero value wants all.
type recordFilter struct {
	session, capability, decision string
	since, until                  time.Time
}

func (f *recordFilter) wants(r *audit.Record) bool {
	switch {
	case f.session != "" && (r.Session == "" || !strings.HasPrefix(r.Session, f.session)),
		!f.since.IsZero() && r.Time.Before(f.since),
		!f.until.IsZero() && !r.Time.Before(f.until):
		return false
	}
	name := r.Capability
	if called, ok := strings.CutPrefix(r.Withheld, "call "); ok {
		name = called
	}
	if f.capability != "" && name != f.capability && !strings.HasPrefix(name, f.capability+".") {
		return false
	}
	switch f.decision {
	case "allow":
		return r.Kind == audit.Decision && r.Allow != nil && *r.Allow
	case "deny":
		return r.Kind == audit.Decision && (r.Allow == nil || !*r.Allow) || r.Kind == audit.Withheld
	}
	return true
}

// A shower prints entries.
type shower struct {
	cli              *cli
	filter           recordFilter
	json             bool
	terminal, colour bool
	unreadable       int64
}

func (s *shower) entry(e *audit.Entry) error {
	if e.Err != nil {
		s.unreadable++
		if s.json {
			return nil
		}
		return s.print(fmt.Sprintf("%7d  ", e.Number) + s.paint(red, "not a record: "+cut(string(e.Line))))
	}
	if !s.filter.wants(&e.Record) {
		return nil
	}
	if s.json {
		return writeUntrusted(s.cli.stdout, string(e.Line)+"\n")
	}
	r := &e.Record
	place := ""
	if r.Exec > 0 {
		place = strconv.Itoa(r.Exec)
	}
	if r.Within > 0 {
		place += "." + strconv.Itoa(r.Within)
	}
	if r.Call > 0 {
		place += "." + strconv.Itoa(r.Call)
	}
	session := r.Session[:min(len(r.Session), 8)]
	head := fmt.Sprintf("%7d  %s  ", e.Number, r.Time.UTC().Format("2006-01-02 15:04:05.000"))
	return s.print(s.paint(dim, head) + fmt.Sprintf("%-8s  %-6s  ", visibleName(session), place) + s.describe(r))
}

func (s *shower) print(line string) error {
	_, err := fmt.Fprintln(s.cli.stdout, strings.TrimRight(line, " "))
	return err
}

// SGR codes.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint makes text safe to show, and colours it.
func (s *shower) paint(code, text string) string {
	text = visibleName(text)
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// describe says in words what a record says.
func (s *shower) describe(r *audit.Record) string {
	switch r.Kind {
	case audit.SessionOpened:
		text := fmt.Sprintf("under policy %q, %s", r.PolicyName, shortDigest(r.Policy))
		for _, name := range sortedKeys(r.Labels) {
			text += fmt.Sprintf(", %s=%s", name, cut(r.Labels[name]))
		}
		for _, t := range r.Tools {
			if t.Plugin == "" {
				text += fmt.Sprintf(", MCP server %s has tools %s", t.Name, shortDigest(t.Schema))
				continue
			}
			text += fmt.Sprintf(", tool %s is %s", t.Name, shortDigest(t.Plugin))
		}
		if r.From != "" {
			text += ", going on from session " + r.From
		}
		return s.paint(bold, "session opened") + " " + visibleName(text)
	case audit.SessionReset:
		return s.paint(bold, "session reset: it is new again")
	case audit.SessionSaved:
		return s.paint(bold, "session saved")
	case audit.SessionClosed:
		text := "session closed"
		if r.Lost {
			text += ", its guest was lost"
		}
		return s.paint(bold, text)
	case audit.ExecStarted:
		return visibleName(asked(r))
	case audit.ExecEnded:
		return s.ended(r)
	case audit.Decision:
		return visibleName(called(r)+"  ") + s.decision(r)
	case audit.Outcome:
		return visibleName(came(r))
	case audit.Withheld:
		return s.paint(yellow, "withheld: "+cut(r.Withheld)) + " (by the code's own account)"
	case audit.LogCreated:
		return visibleName("log created: " + r.Log)
	case audit.LogContinued:
		return visibleName("the log goes on in " + r.Next)
	case audit.LogRecovered:
		return s.paint(yellow, fmt.Sprintf("after a crash: %d bytes of an unfinished line and %s lost", r.LostBytes, plural(r.LostRecords, "whole record", "whole records")))
	}
	return visibleName("unknown kind " + cut(string(r.Kind)))
}

func (s *shower) decision(r *audit.Record) string {
	why := ""
	if r.Rule != "" {
		why = " by " + r.Rule
	}
	if r.Position != "" {
		why += " at " + r.Position
	}
	if a := r.Approval; a != nil {
		why += ", asked: " + a.Answer
		if a.By != "" {
			why += " by " + cut(a.By)
		}
	}
	if r.Allow != nil && *r.Allow {
		return s.paint(green, "allowed") + visibleName(why)
	}
	return s.paint(red, "denied") + visibleName(why+": "+cut(r.Reason))
}

func (s *shower) ended(r *audit.Record) string {
	text := "ended"
	if r.Usage != nil {
		text = fmt.Sprintf("ended after %.3g ms, fuel %d, %s", r.Usage.WallMS, r.Usage.Fuel, plural(r.Usage.HostCalls, "host call", "host calls"))
	}
	if r.OK != nil && *r.OK {
		return s.paint(green, "ok") + " " + visibleName(text)
	}
	switch {
	case r.Restored:
		text += ", fell back to the state kept last"
	case r.Lost:
		text += ", lost"
	}
	what := r.Error
	if r.Limit != "" {
		what += " (" + r.Limit + ")"
	}
	if r.Detail != "" {
		what += ": " + cut(r.Detail)
	}
	return s.paint(red, what) + "  " + visibleName(text)
}

// asked says what an exec was given.
func asked(r *audit.Record) string {
	if r.Input == nil {
		return r.Entry + " of something that is not kept, " + shortDigest(r.InputDigest)
	}
	var input struct {
		Code, Filename, Function string
		Variables                map[string]json.RawMessage
	}
	if json.Unmarshal(r.Input, &input) != nil {
		return r.Entry
	}
	switch r.Entry {
	case "exec":
		name := input.Filename
		if name == "" {
			name = "<code>"
		}
		return fmt.Sprintf("exec %s: %s", name, cut(firstLine(input.Code)))
	case "set":
		return "set " + cut(strings.Join(sortedKeys(input.Variables), ", "))
	case "call":
		return "call " + cut(input.Function)
	}
	return r.Entry
}

func firstLine(code string) string {
	line, more, _ := strings.Cut(strings.TrimSpace(code), "\n")
	if more != "" {
		line += " …"
	}
	return line
}

// arguments are those of a call, in Python's form.
func arguments(r *audit.Record) string {
	if r.Arguments == nil {
		return "(…)"
	}
	args, kwargs, err := values.DecodeCall(r.Arguments)
	if err != nil {
		return "(?)"
	}
	var list []string
	for _, arg := range args {
		list = append(list, cut(values.Format(arg)))
	}
	for _, k := range kwargs {
		list = append(list, k.Name+"="+cut(values.Format(k.Value)))
	}
	return "(" + cut(strings.Join(list, ", ")) + ")"
}

// came says what came of a call.
func came(r *audit.Record) string {
	text := "→ "
	switch {
	case r.Error != "" && r.Detail != "":
		text += r.Error + ": " + cut(r.Detail)
	case r.Error != "":
		text += r.Error
	case r.Result == nil:
		text += fmt.Sprintf("%d bytes that are not kept, %s", r.ResultBytes, shortDigest(r.ResultDigest))
	default:
		if value, err := values.Decode(r.Result); err != nil {
			text += cut(string(r.Result))
		} else {
			text += cut(values.Format(value))
		}
	}
	return fmt.Sprintf("%s  (%s)", text, r.Duration.Round(100*time.Nanosecond))
}

// cut is the beginning of a text that is too long for a line.
func cut(text string) string {
	const most = 100
	count := 0
	for i := range text {
		if count == most {
			return text[:i] + "…"
		}
		count++
	}
	return text
}

// shortDigest is enough of a digest to compare by eye.
func shortDigest(digest string) string {
	const shown = len("sha256:") + 12
	if len(digest) <= shown {
		return digest
	}
	return digest[:shown] + "…"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// called is the call that a decision is about, and the tool that made it, if it was one.
func called(r *audit.Record) string {
	if r.Tool != "" {
		return "tool " + r.Tool + ": " + r.Capability + arguments(r)
	}
	return r.Capability + arguments(r)
}
