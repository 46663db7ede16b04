package host_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// The canary is a secret that the calls below carry. It must be in no byte of the log.
const canary = "CANARY-7f3a9c"

func TestRedaction(t *testing.T) {
	for _, test := range []struct {
		name   string
		redact []string
		call   string // of echo(*args, **kwargs), which returns what it gets
		want   string // arguments in the record
		left   bool   // the canary is not in a place that is named
	}{
		{"an argument by place", []string{"t.echo.args.0", "t.echo.return"}, `{"args": ["` + canary + `", 1]}`,
			`{"args":["[redacted]",1],"kwargs":{}}`, false},
		{"all arguments", []string{"t.echo.args", "t.echo.return"}, `{"args": [["` + canary + `"], {"a": "` + canary + `"}]}`,
			`{"args":["[redacted]","[redacted]"],"kwargs":{}}`, false},
		{"a key of a dict", []string{"t.echo.args.0.Authorization", "t.echo.return.*.*.authorization"},
			`{"args": [{"authorization": "` + canary + `", "accept": "*"}]}`,
			`{"args":[{"authorization":"[redacted]","accept":"*"}],"kwargs":{}}`, false},
		{"a keyword argument", []string{"t.echo.kwargs.token", "*.*.return"}, `{"kwargs": {"token": "` + canary + `", "n": 2}}`,
			`{"args":[],"kwargs":{"token":"[redacted]","n":2}}`, false},
		{"all keyword arguments", []string{"t.*.kwargs", "t.*.return"}, `{"kwargs": {"token": "` + canary + `"}}`,
			`{"args":[],"kwargs":{"token":"[redacted]"}}`, false},
		{"in tuples and lists", []string{"t.echo.args.*.1.*", "t.echo.return"}, `{"args": [{"$tuple": [1, ["` + canary + `", "` + canary + `"]]}]}`,
			`{"args":[{"$tuple":[1,["[redacted]","[redacted]"]]}],"kwargs":{}}`, false},
		{"in a set", []string{"t.echo.args.0.x", "t.echo.return"}, `{"args": [{"$set": ["` + canary + `"]}]}`,
			`{"args":["[redacted]"],"kwargs":{}}`, false},
		{"under a key that is no text", []string{"t.echo.args.0.5", "t.echo.return"}, `{"args": [{"$dict": [[5, "` + canary + `"]]}]}`,
			`{"args":[{"$dict":[[5,"[redacted]"]]}],"kwargs":{}}`, false},
		{"any name", []string{"*.*.*"}, `{"args": ["` + canary + `"], "kwargs": {"k": "` + canary + `"}}`,
			`{"args":["[redacted]"],"kwargs":{"k":"[redacted]"}}`, false},
		{"elsewhere", []string{"t.echo.kwargs.password"}, `{"kwargs": {"token": "` + canary + `"}}`,
			`{"args":[],"kwargs":{"token":"` + canary + `"}}`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			c := config(t)
			c.Audit = nil
			c.Policy.Audit = policies.Audit{Log: folder, Redact: test.redact}
			h := open(t, c)
			s := session(t, h)
			// The source of what runs is recorded as it is, so it spells the secret in another way.
			request := strings.ReplaceAll(test.call, canary, "\\u0043"+canary[1:])
			if got := answer(t, s, tEcho, request); !strings.Contains(got, canary) {
				t.Fatalf("the call did not get the secret: %s", got)
			}
			s.Close()
			h.Close()
			records := read(t, folder)
			if found := strings.Contains(records.everything, canary); found != test.left {
				t.Errorf("the canary is in the log: %v", found)
			}
			d := records.last(audit.Decision)
			if string(d.Arguments) != test.want || d.ArgumentsDigest != audit.Digest(d.Arguments) {
				t.Errorf("arguments %s, digest %s", d.Arguments, d.ArgumentsDigest)
			}
			if (d.Redacted == nil) != test.left {
				t.Errorf("redacted %q", d.Redacted)
			}
			if o := records.last(audit.Outcome); o.ResultDigest != audit.Digest(o.Result) || !test.left && o.Redacted == nil {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

// What an exception says can be what it was given.
func TestRedactedFunctionsKeepTheirWords(t *testing.T) {
	folder := t.TempDir()
	c := config(t)
	c.Audit = nil
	c.Policy.Audit = policies.Audit{Log: folder, Redact: []string{"t.big.n"}}
	h := open(t, c)
	s := session(t, h)
	if got := answer(t, s, tBig, `{"args": ["\u0043`+canary[1:]+`", 1]}`); !strings.Contains(got, "TypeError") {
		t.Fatal(got)
	}
	exec(t, s, "raise ValueError \u0043"+"ODE")
	h.Close()
	records := read(t, folder)
	if strings.Contains(records.everything, canary) {
		t.Error("the canary is in the log")
	}
	o := records.last(audit.Outcome)
	if o.Error != "TypeError" || o.Detail != "" || o.Answer != nil || len(o.Redacted) != 1 {
		t.Errorf("outcome %+v", o)
	}
	if e := records.last(audit.ExecEnded); e.Error != "ValueError" || e.Detail != "" {
		t.Errorf("ended %+v", e)
	}
}

func TestRedactMustNameAParameter(t *testing.T) {
	c := config(t)
	c.Policy.Audit.Redact = []string{"t.big.m"}
	if h, err := host.New(t.Context(), c); err == nil {
		h.Close()
		t.Error("a path that matches nothing was taken")
	} else if !errors.Is(err, host.ErrRedact) || !strings.Contains(err.Error(), `"t.big.m": it is t.big(n, /)`) {
		t.Error(err)
	}
	c.Policy.Audit.Redact = []string{"t.*.m", "*.*.n", "t.big.return"}
	open(t, c)
}

// records are those of a folder, and all its bytes.
type folderRecords struct {
	memoryLog
	everything string
}

func read(t *testing.T, folder string) *folderRecords {
	t.Helper()
	r := new(folderRecords)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		r.everything += entry.Name() + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range readLines(t, filepath.Join(folder, "log.jsonl")) {
		var record audit.Record
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		r.records = append(r.records, record)
	}
	return r
}

// The reason of a denial can quote the argument that was wrong.
func TestDenialsOfRedactedArgumentsKeepTheirWords(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	c.Policy.Grants[0].Functions = []string{"wait", "refuse", "panic", "hold", "fail", "echo", "big"} // out of order: denied
	c.Policy.Audit.Redact = []string{"t.echo.args"}
	s := session(t, open(t, c))
	if got := answer(t, s, tEcho, `{"args": [1]}`); !strings.Contains(got, `"denied"`) {
		t.Fatal(got)
	}
	if d := log.last(audit.Decision); *d.Allow || d.Reason != "[reason redacted]" || d.Answer != nil || d.Rule != "grant.t" {
		t.Errorf("decision %+v", d)
	}
}
