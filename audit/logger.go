package audit

import (
	"strings"

	"github.com/hashicorp/go-hclog"
)

// NewLogger returns a sink that hands each record to a logger at level Info: the record's kind is the message,
// its other fields are the arguments, under the names that they have in JSON; digests only where a session begins. The logger decides about
// levels and form, text or JSON. It is for people and for log collectors: a logger may drop records without saying so, and a log that does is
// no evidence.
func NewLogger(logger hclog.Logger) Sink { return loggerSink{logger} }

type loggerSink struct{ logger hclog.Logger }

func (l loggerSink) Record(r *Record) {
	if l.logger.IsInfo() {
		l.logger.Info(string(r.Kind), r.fields()...)
	}
}

// fields are the names and values of what is set, for a logger.
func (r *Record) fields() []any {
	fields := []any{"session", r.Session}
	add := func(name string, value any, set bool) {
		if set {
			fields = append(fields, name, value)
		}
	}
	first := r.Kind == SessionOpened
	add("exec", r.Exec, r.Exec > 0)
	add("call", r.Call, r.Call > 0)
	add("tool", r.Tool, r.Tool != "")
	add("policy_name", r.PolicyName, r.PolicyName != "")
	add("policy", r.Policy, first)
	add("guest", r.Guest, first)
	add("linked", r.Linked, first)
	for name, label := range r.Labels {
		fields = append(fields, "label."+name, label)
	}
	add("entry", r.Entry, r.Entry != "")
	add("input", short(r.Input), r.Input != nil)
	add("capability", r.Capability, r.Capability != "")
	add("effects", r.Effects, r.Effects != "" && r.Effects != "pure")
	add("arguments", short(r.Arguments), r.Arguments != nil)
	if r.Allow != nil {
		fields = append(fields, "allow", *r.Allow)
	}
	add("reason", r.Reason, r.Reason != "")
	add("rule", r.Rule, r.Rule != "")
	add("position", r.Position, r.Position != "")
	add("result", short(r.Result), r.Result != nil)
	add("error", r.Error, r.Error != "")
	add("detail", short([]byte(r.Detail)), r.Detail != "")
	add("duration", r.Duration, r.Duration > 0)
	if r.OK != nil {
		fields = append(fields, "ok", *r.OK)
	}
	if r.CallsLeft != nil {
		fields = append(fields, "calls_left", *r.CallsLeft)
	}
	add("redacted", r.Redacted, r.Redacted != nil)
	add("limit", r.Limit, r.Limit != "")
	if r.Usage != nil {
		fields = append(fields, "fuel", r.Usage.Fuel, "memory_bytes", r.Usage.MemoryBytes, "host_calls", r.Usage.HostCalls)
	}
	add("withheld", r.Withheld, r.Withheld != "")
	add("lost", r.Lost, r.Lost)
	add("restored", r.Restored, r.Restored)
	add("from", r.From, r.From != "")
	add("lost_bytes", r.LostBytes, r.LostBytes > 0)
	add("lost_records", r.LostRecords, r.LostRecords > 0)
	return fields
}

// short is the beginning of what may be long. The log that counts has all of it.
func short(text []byte) string {
	const most = 500
	if len(text) <= most {
		return string(text)
	}
	return strings.ToValidUTF8(string(text[:most]), "") + "…"
}
