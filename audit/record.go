package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Version is the version of the records' schema: a reader that knows it can read every record that says it.
const Version = 1

// Kind says what a record tells, and which of its fields are set.
type Kind string

// The kinds of records and, for each, the fields that it may have besides those that all have.
const (
	SessionOpened Kind = "session_opened" // policy_name, policy_file, versions, limits, labels, from
	ExecStarted   Kind = "exec_started"   // entry, input_digest, input, redacted
	Decision      Kind = "decision"       // call, capability, effects, arguments_digest, arguments, redacted, allow, reason, rule, position, calls_left, approval, answer
	Outcome       Kind = "outcome"        // call, capability, duration_ns, and result_digest, result, result_bytes, redacted, or error, detail, answer
	Withheld      Kind = "withheld"       // withheld
	ExecEnded     Kind = "exec_ended"     // ok, error, detail, limit, value_digest, stdout_digest, stderr_digest, usage, duration_ns, lost, restored
	SessionReset  Kind = "session_reset"
	SessionSaved  Kind = "session_saved"
	SessionClosed Kind = "session_closed" // lost

	// What a Folder writes about itself. These have no session and no digests.
	LogCreated   Kind = "log_created"   // log: the first record of a log
	LogContinued Kind = "log_continued" // next: the last record of a file; the log goes on in another
	LogRecovered Kind = "log_recovered" // lost_bytes, lost_records: what was found missing after a crash
)

// A Record is one event of a session. Its JSON encoding is the format of the log: one object, one line.
//
// Digests are "sha256:" and 64 hexadecimal digits. A policy with `arguments = "digest"` keeps digests only: Input, Arguments, Result and
// Answer are then absent, and so are contents of more than 1 MiB and those beyond 64 MiB in one exec. A digest is that of the
// content as it is, or would be, in the record: what is redacted is not in it.
type Record struct {
	Number  int64     `json:"n"` // place in the log, from 0; given by the Folder
	Version int       `json:"v"` // of the schema; the Folder writes its own
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`

	Session string `json:"session,omitempty"` // 128 random bits in hexadecimal
	Exec    int    `json:"exec,omitempty"`    // from 1 within the session
	Call    int    `json:"call,omitempty"`    // from 1 within the exec, or within the call of a tool

	// Of what a tool itself asked for: its name, and the number of the call that it served.
	Tool   string `json:"tool,omitempty"`
	Within int    `json:"within,omitempty"`

	Policy string `json:"policy,omitempty"` // digest of the policy
	Guest  string `json:"guest,omitempty"`  // digest of the base guest, before linking
	Linked string `json:"linked,omitempty"` // digest of the module that runs

	PolicyName string            `json:"policy_name,omitempty"`
	PolicyFile string            `json:"policy_file,omitempty"` // as positions name it
	Versions   *Versions         `json:"versions,omitempty"`
	Limits     *Limits           `json:"limits,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"` // the embedder's
	Tools      []Tool            `json:"tools,omitempty"`  // of the policy, sorted by name
	From       string            `json:"from,omitempty"`   // the session that this one was forked or restored from

	// What was asked of the guest: the export, and its input as the guest got it.
	Entry       string          `json:"entry,omitempty"` // exec, set or call
	InputDigest string          `json:"input_digest,omitempty"`
	Input       json.RawMessage `json:"input,omitempty"`

	// What the guest asked of the host, and why it may or may not have it.
	Capability      string          `json:"capability,omitempty"` // family.function
	Effects         string          `json:"effects,omitempty"`    // of the capability: pure, reads, writes, reads and writes
	ArgumentsDigest string          `json:"arguments_digest,omitempty"`
	Arguments       json.RawMessage `json:"arguments,omitempty"` // {"args": […], "kwargs": {…}}, values as in docs/abi.md
	Allow           *bool           `json:"allow,omitempty"`
	Reason          string          `json:"reason,omitempty"`
	Rule            string          `json:"rule,omitempty"`       // what decided, "grant.math"
	Position        string          `json:"position,omitempty"`   // of the rule, FILE:LINE:COL
	CallsLeft       *int64          `json:"calls_left,omitempty"` // under the tightest limit of calls that holds

	// What a human said who was asked; absent if none was.
	Approval *Approval `json:"approval,omitempty"`

	// What came back. A result went to the guest as {"ok": result}; whatever else went there is Answer.
	ResultDigest string          `json:"result_digest,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"` // a value as in docs/abi.md
	ResultBytes  int             `json:"result_bytes,omitempty"`
	Answer       json.RawMessage `json:"answer,omitempty"`   // {"error": …}, {"denied": …} or {"limit": …}
	Redacted     []string        `json:"redacted,omitempty"` // entries of the policy's `redact` that took something out
	Error        string          `json:"error,omitempty"`    // class of the exception, or LimitExceeded, GuestCrashed, Canceled
	Detail       string          `json:"detail,omitempty"`   // the error in words: for people, it may change
	Duration     time.Duration   `json:"duration_ns,omitempty"`

	OK           *bool  `json:"ok,omitempty"`
	Limit        string `json:"limit,omitempty"` // the key of [limits] that ended the exec or the call
	ValueDigest  string `json:"value_digest,omitempty"`
	StdoutDigest string `json:"stdout_digest,omitempty"` // absent if there was no output
	StderrDigest string `json:"stderr_digest,omitempty"`
	Usage        *Usage `json:"usage,omitempty"`
	Withheld     string `json:"withheld,omitempty"` // "import os", "call math.cos": the guest's word, information only
	Lost         bool   `json:"lost,omitempty"`     // the guest broke or was stopped, and there was no state to go back to
	Restored     bool   `json:"restored,omitempty"` // the guest broke or was stopped, and the session went back to the state kept last

	// Of the log itself.
	Log         string `json:"log,omitempty"`          // its name, in each of its checkpoints
	Next        string `json:"next,omitempty"`         // name of the file in which it goes on
	LostBytes   int64  `json:"lost_bytes,omitempty"`   // of a line that was not finished
	LostRecords int64  `json:"lost_records,omitempty"` // that the tree had and the files had not
}

// Versions are those of the programs that made a session's records.
type Versions struct {
	Postern string `json:"postern"`
	Go      string `json:"go"`
	Wazero  string `json:"wazero"`
	Extism  string `json:"extism"`
}

// A Tool is a plugin, or an MCP server, that a session may call.
type Tool struct {
	Name   string `json:"name"`
	Plugin string `json:"plugin,omitempty"` // digest of the plugin; empty for an MCP server
	Schema string `json:"schema,omitempty"` // digest of its description, if that is not in the plugin; of an MCP server, that of the tools that are granted
}

// Limits are those of the policy, with its defaults.
type Limits struct {
	WallTime  time.Duration `json:"wall_time_ns"`
	Fuel      int64         `json:"fuel"`
	Memory    int64         `json:"memory"` // bytes, as are output and result
	Output    int64         `json:"output"`
	Result    int64         `json:"result"`
	HostCalls int64         `json:"host_calls"`
}

// Approval is the answer of a human to whom a call was shown before it was decided.
type Approval struct {
	Answer  string        `json:"answer"`            // allow, deny, or none if there was no answer
	Session bool          `json:"session,omitempty"` // it holds for all calls of the function in the rest of the session
	By      string        `json:"by,omitempty"`      // who answered
	Reason  string        `json:"reason,omitempty"`  // why there was no answer
	Waited  time.Duration `json:"waited_ns"`
}

// Usage is what an exec consumed.
type Usage struct {
	Fuel        int64   `json:"fuel"`         // loop iterations and function calls
	WallMS      float64 `json:"wall_ms"`      // milliseconds
	MemoryBytes int64   `json:"memory_bytes"` // size of the guest's linear memory at the end
	HostCalls   int64   `json:"host_calls"`   // calls of capabilities, refused ones too
}

// Digest returns the digest of data as records write it.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	var text [len("sha256:") + 2*sha256.Size]byte
	hex.Encode(text[copy(text[:], "sha256:"):], sum[:])
	return string(text[:])
}
