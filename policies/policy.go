package policies

import "bytes"

// A Policy is what one policy file says, completely checked and with every
// default filled in. It comes from [Parse] and is to be read, not changed.
//
// The zero Policy is safe: it grants nothing and lets nothing be imported; its
// limits are zero, and [Limits.WithDefaults] makes them the finite defaults.
type Policy struct {
	// Name is what messages and audit records call the policy.
	Name string

	// File is the name that was given to Parse.
	File string

	// Digest is "sha256:" and the hexadecimal digest of the file's exact bytes; of a policy that extends another, of
	// these bytes followed by the other's Digest.
	Digest string

	Limits Limits
	Python Python
	Audit  Audit

	// Grants is sorted by family, each family once.
	Grants []Grant

	// Tools is sorted by name, each name once.
	Tools []Tool

	// Servers are the MCP servers, sorted by name, each name once.
	Servers []Server

	// Base is the policy that this one extends, nil if none. What it says is
	// already part of this one, which does not permit more.
	Base *Policy

	// Warnings are things that are allowed and are probably not what was
	// meant, in the order of their positions.
	Warnings Errors

	open      []Grant             // of tools and servers; sorted by family
	owner     string              // of a tool's own policy, the table that it comes from: "tool.markdown."
	vocab     Vocabulary          // for the reasons of denials
	positions map[string]Position // of the value of each key that was read
	expiries  []expiry
	source    []byte
}

// Where returns where the policy says what the key of a path is, "grant.math.calls",
// and false if it does not say. The place can be in a policy that it extends.
func (p *Policy) Where(path string) (Position, bool) {
	at, ok := p.positions[path]
	return at, ok
}

// Vocabulary returns what the policy was parsed with.
func (p *Policy) Vocabulary() Vocabulary { return p.vocab }

// Source returns the text that was parsed, without those of the policies that it extends: see Base. It is nil
// for a Policy that Parse did not make. The caller owns it.
func (p *Policy) Source() []byte { return bytes.Clone(p.source) }

// Python is the [python] table.
type Python struct {
	// Imports are the standard library modules that may be imported, in the
	// order of the file. Each stands for itself and its submodules. Empty
	// means none.
	Imports []string

	// Packages are the packages that may be imported, in the order of the file.
	Packages []Package

	// HashSeed is what PYTHONHASHSEED would be: it fixes the order of sets.
	HashSeed uint32
}

// A Package is one package of [python].packages: one exact version.
type Package struct {
	Name     string // as in the policy: "attrs"
	Version  string // "25.3.0"
	Position Position
}

// String returns "attrs==25.3.0".
func (p Package) String() string { return p.Name + "==" + p.Version }

// Audit is the [audit] table.
type Audit struct {
	// Log is the log's folder, as written in the policy: a relative path is
	// relative to the folder of the policy file. Empty means the user's state
	// folder, and LogNone means that no log is written.
	Log string

	// Arguments is ArgumentsFull or ArgumentsDigest; empty means the former.
	Arguments string

	// Redact are paths of what records leave out, "http.get.headers.*": family,
	// function, parameter or "return", and from there into the value. "*" stands
	// for any one part.
	Redact []string

	// Durability is DurabilityEffects, DurabilityAlways or DurabilityBatch;
	// empty means the first.
	Durability string

	// Rotate is the size in bytes at which a file of the log ends and the next
	// begins; 0 means the default, 64 MiB.
	Rotate int64

	// Key is the file of the private key that signs the log's checkpoints, as
	// written in the policy, relative as Log is. Empty means the one in the
	// log's folder, if there is one.
	Key string
}

// The values of [Audit] that have a meaning of their own.
const (
	LogNone         = "none"   // no log; a folder of this name is "./none"
	ArgumentsFull   = "full"   // records hold the arguments of each call
	ArgumentsDigest = "digest" // records hold the SHA-256 of the arguments

	DurabilityEffects = "effects" // on the disk before a call that changes the world
	DurabilityAlways  = "always"  // each record on the disk
	DurabilityBatch   = "batch"   // not waited for
)
