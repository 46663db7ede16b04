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

	// Digest is "sha256:" and the hexadecimal digest of the file's exact bytes.
	Digest string

	Limits Limits
	Python Python
	Audit  Audit

	// Grants is sorted by family, each family once.
	Grants []Grant

	// Warnings are things that are allowed and are probably not what was
	// meant, in the order of their positions.
	Warnings []*Error

	vocab  Vocabulary // for the reasons of denials
	source []byte
}

// Source returns the text that was parsed, the one that Digest is of. It is nil
// for a Policy that Parse did not make. The caller owns it.
func (p *Policy) Source() []byte { return bytes.Clone(p.source) }

// Python is the [python] table.
type Python struct {
	// Imports are the standard library modules that may be imported, in the
	// order of the file. Each stands for itself and its submodules. Empty
	// means none.
	Imports []string

	// HashSeed is what PYTHONHASHSEED would be: it fixes the order of sets.
	HashSeed uint32
}

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

// A Grant is one [grant.FAMILY] table: the functions of one capability family
// that may be called.
type Grant struct {
	// Family is the family's name, for example "math".
	Family string

	// Functions is sorted and names each function once. It is never empty.
	Functions []string

	// Position is that of the grant's table.
	Position Position

	// Positions says where each function is named: Positions[i] belongs to
	// Functions[i].
	Positions []Position

	rule string // "grant.math", made once so that Decide need not
}

// Rule returns the name by which decisions refer to the grant: "grant.math".
func (g *Grant) Rule() string {
	if g.rule != "" {
		return g.rule
	}
	return "grant." + g.Family
}

// A Vocabulary is what a policy may name. The caller knows it: the families are
// those of its capability registry, the modules those of its guest. A Policy
// keeps the vocabulary it was parsed with, to explain denials: it must not be
// changed afterwards.
type Vocabulary struct {
	// Families holds the functions of each capability family. A policy that
	// grants any other is refused, so the zero Vocabulary permits no grant.
	Families map[string][]string

	// Modules lists the standard library's modules by their full dotted names
	// ("xml", "xml.etree", "xml.etree.ElementTree"). Nil means that the names
	// in imports are not checked.
	Modules []string
}
