// Package kv is the capability family "kv": values that an agent keeps between its runs, by keys.
//
// The store is one file of bbolt on the host, which many policies can share: each sees the keys of its own namespace only. Every call is one
// transaction. A call that changes something returns when the change is on the disk, and whatever stops the program in between leaves the
// store as it was before or after it.
//
// The file is opened for each call and closed again, since bbolt locks it for as long as it is open: so several sessions and several
// processes can use it, and each waits for the others' calls only.
package kv

import (
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// Family gives the family. Its functions open the file that a grant's scope names. Sessions whose families are made by different calls of Family
// share a file as different processes do.
func Family() capabilities.Family {
	s := &store{turns: make(map[string]chan struct{})}
	function := func(name, signature, doc string, effects capabilities.Effects, do operation) capabilities.Capability {
		return capabilities.New(capabilities.Spec{Family: "kv", Function: name, Signature: signature, Doc: doc, Effects: effects}, s.capability(do))
	}
	const reads, writes = capabilities.Reads, capabilities.Writes
	return capabilities.Family{
		Name:       "kv",
		Doc:        "Values kept between runs",
		Exceptions: map[string]string{"QuotaError": "OSError", "BusyError": "TimeoutError"},
		Scopes:     scopes(),
		Decide:     decide,
		Capabilities: []capabilities.Capability{
			function("get", "(key: str, default=None)", "Return the value of a key, or the default if there is none.", reads, get),
			function("put", "(key: str, value)", "Keep a value under a key.", writes, put),
			function("delete", "(key: str)", "Remove a key; return whether it was there.", reads|writes, remove),
			function("list", "(prefix: str = '', *, after: str = '', limit: int = 1000)",
				"Return the sorted keys that begin with a prefix, those behind the key after.", reads, list),
			function("incr", "(key: str, by: int = 1)", "Add to the int of a key, 0 if there is none; return the sum.", reads|writes, incr),
			function("cas", "(key: str, expected, value)",
				"Compare and swap: keep the value if the key's is equal to expected (None also stands for no key); return whether it was.", reads|writes, cas),
		},
	}
}

func scopes() []policies.ScopeKey {
	return []policies.ScopeKey{
		{
			Name: "path", Type: policies.ScopeString, HostPath: true, Check: checkFile,
			Doc:      "The file of the store, relative to the policy file; it is made at the first change.",
			Required: `write for example path = "memory.db"`,
			Example:  `"memory.db"`,
		},
		{
			Name: "namespace", Type: policies.ScopeString,
			Doc:     "Which keys of the file these are: policies with the same namespace share them. Without it, the policy's name.",
			Example: `"analyst"`,
		},
		{
			Name: "max_keys", Type: policies.ScopeInt, Default: "10_000", Min: 1, Max: 10_000_000,
			Doc:     "How many keys the namespace may have.",
			Example: "1_000",
		},
		{
			Name: "max_value", Type: policies.ScopeSize, Default: "64KiB", Min: 1, Max: 8 << 20,
			Doc:     "How large one value may be, in its encoded form.",
			Example: "4KiB",
		},
		{
			Name: "max_bytes", Type: policies.ScopeSize, Default: "16MiB", Min: 1, Max: 1 << 34,
			Doc:     "How large all keys and values of the namespace together may be.",
			Example: "1MiB",
		},
	}
}

func checkFile(text string) (offset int, message, hint string) {
	if text == "" {
		return 0, "a file must have a name", `write for example "memory.db"`
	}
	return 0, "", ""
}
