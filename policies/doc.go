// Package policies reads Postern's policy language and decides by it.
//
// A policy is one TOML document. It says which capabilities an agent may call,
// which modules it may import, and how much it may use:
//
//	policy = 1
//	name   = "analyst"
//
//	[limits]
//	wall_time = "10s"
//
//	[grant.math]
//	functions = ["sqrt", "log"]
//
// [Parse] is strict: an unknown key, a wrong type or a name that does not exist
// is an error, never ignored, because a restriction that is ignored is a hole.
// It reports all mistakes at once, each at its line and column. A policy that
// does not parse completely does not exist: Parse then returns no Policy at all.
//
// [Policy.Decide] is deny by default. Grants only add, nothing subtracts, so
// the order of a policy's parts has no meaning. It is the only place where a
// call is decided: the host asks it before each call, and whoever explains or
// tests a policy gets the same answer. What a session has used of quotas is in a
// [Usage], what all sessions have used of rates in a [Rates].
//
// [Narrower] and [Diff] compare what policies permit. A policy that extends
// another is parsed only if it is narrower.
//
// [Schema], [Reference] and [JSONSchema] describe the language from the same
// tables by which it is parsed; capability families add to them, see [Family].
//
// The package is pure: it opens no file, reads no clock and knows no runtime.
// What exists in the world, namely the capability families and the modules of
// the guest, is told to it in a [Vocabulary], and what time it is in a [Call]. All
// functions and methods are safe for concurrent use as long as nobody changes a
// Policy while it is used; a Usage belongs to one session.
package policies
