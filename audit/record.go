package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Kind says what a record tells, and which of its fields are set.
type Kind string

const (
	SessionOpened Kind = "session_opened" // policy_name, from
	ExecStarted   Kind = "exec_started"   // entry, input_digest, input
	Decision      Kind = "decision"       // call, capability, effects, arguments_digest, arguments, allow, reason, rule, position
	Outcome       Kind = "outcome"        // call, capability, result_digest, result, result_bytes, duration_ns or error, detail, duration_ns
	Withheld      Kind = "withheld"       // withheld
	ExecEnded     Kind = "exec_ended"     // ok, error, limit, usage, duration_ns, lost, restored
	SessionReset  Kind = "session_reset"
	SessionSaved  Kind = "session_saved"
	SessionClosed Kind = "session_closed" // lost
)

// A Record is one event of a session. Its JSON encoding is the format of the log: one object, one line.
//
// Digests are "sha256:" and 64 hexadecimal digits. A policy with `arguments = "digest"` keeps digests only:
// Input, Arguments and Result are then absent, and so are contents of more than 1 MiB and those beyond 64 MiB in one exec.
type Record struct {
	Time time.Time `json:"time"` // UTC, by the host's clock; not the guest's
	Kind Kind      `json:"kind"`

	Session string `json:"session"`        // 128 random bits in hexadecimal
	Exec    int    `json:"exec,omitempty"` // from 1 within the session
	Call    int    `json:"call,omitempty"` // from 1 within the exec

	Policy string `json:"policy"` // digest of the policy
	Guest  string `json:"guest"`  // digest of the base guest, before linking
	Linked string `json:"linked"` // digest of the module that runs

	PolicyName string `json:"policy_name,omitempty"`
	From       string `json:"from,omitempty"` // the session that this one was forked or restored from

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
	Rule            string          `json:"rule,omitempty"`     // the grant that decided, "grant.math"
	Position        string          `json:"position,omitempty"` // of the rule, FILE:LINE:COL

	// What came back.
	ResultDigest string          `json:"result_digest,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"` // a value as in docs/abi.md
	ResultBytes  int             `json:"result_bytes,omitempty"`
	Error        string          `json:"error,omitempty"`  // class of the exception, or LimitExceeded, GuestCrashed, Canceled, Denied
	Detail       string          `json:"detail,omitempty"` // the error in words: for people, it may change
	Duration     time.Duration   `json:"duration_ns,omitempty"`

	OK       *bool  `json:"ok,omitempty"`
	Limit    string `json:"limit,omitempty"` // the key of [limits] that ended the exec
	Usage    *Usage `json:"usage,omitempty"`
	Withheld string `json:"withheld,omitempty"` // "import os", "call math.cos": the guest's word, information only
	Lost     bool   `json:"lost,omitempty"`     // the guest broke or was stopped, and there was no state to go back to
	Restored bool   `json:"restored,omitempty"` // the guest broke or was stopped, and the session went back to the state kept last
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
	return "sha256:" + hex.EncodeToString(sum[:])
}
