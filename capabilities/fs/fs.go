// Package fs is the capability family "fs": files below folders that a policy names.
//
// A grant gives folders of the host names, its roots; code sees them as the folders at the top of a small file system of its own:
// "data/x.csv" and "/data/x.csv" are the file x.csv in the root "data". Nothing else exists. A root can be read; it can be changed if the
// grant names it as writable too, and then by the functions that the grant names.
//
// The wall is os.Root: each name is resolved by the kernel relative to the open folder of the root, link by link, and what leads out of
// it is an error, whoever moves what at the same time. What is neither a regular file nor a folder is refused, and not waited for.
package fs

import (
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// PieceBytes is how much one call reads or writes at most; longer files are read in pieces. It is what safely crosses to the guest.
const PieceBytes = 8 << 20

// Family gives the family. Its functions open files of the host, those that a grant's scope names.
func Family() capabilities.Family {
	function := func(name, signature, doc string, effects capabilities.Effects, do operation) capabilities.Capability {
		return capabilities.New(capabilities.Spec{Family: "fs", Function: name, Signature: signature, Doc: doc, Effects: effects}, do.call)
	}
	const reads, writes = capabilities.Reads, capabilities.Writes
	return capabilities.Family{
		Name:       "fs",
		Doc:        "Files below the folders that the grant names",
		Constants:  map[string]any{"PIECE_BYTES": int64(PieceBytes)},
		Exceptions: map[string]string{"QuotaError": "OSError"},
		Scopes:     scopes(),
		Decide:     decide,
		Capabilities: []capabilities.Capability{
			function("read", "(path: str, *, binary: bool = False, offset: int = 0, size: int | None = None)",
				"Return the contents of a file: a str, or bytes with binary=True.", reads, read),
			function("write", "(path: str, data, *, overwrite: bool = True)",
				"Make a file of a str or bytes, as a whole or not at all; return its size.", writes, write),
			function("append", "(path: str, data)",
				"Add a str or bytes to the end of a file, which is made if there is none; return its size.", writes, appendTo),
			function("list", "(path: str)", "Return the sorted names in a folder.", reads, list),
			function("stat", "(path: str)", "Return a dict: path, type (\"file\" or \"folder\"), size in bytes, modified.", reads, stat),
			function("glob", "(pattern: str)", "Return the sorted paths that match: * and ? in a name, ** for any folders.", reads, glob),
			function("mkdir", "(path: str, *, parents: bool = False, exist_ok: bool = False)", "Make a folder.", writes, mkdir),
			function("remove", "(path: str)", "Remove a file or an empty folder.", writes, remove),
		},
	}
}

func scopes() []policies.ScopeKey {
	return []policies.ScopeKey{
		{
			Name: "roots", Type: policies.ScopeMap, HostPath: true, Min: 1, Max: 64, Check: checkFolder, CheckName: checkRoot,
			Doc:      "The folders that can be read, by the names that code knows them by; relative to the policy file.",
			Required: `write for example roots = {data = "./data"}`,
			Example:  `{data = "./data"}`,
		},
		{
			Name: "writable", Type: policies.ScopeStrings, Max: 64,
			Doc:     "The roots that can be changed too, by their names.",
			Example: `["data"]`,
		},
		{
			Name: "max_file", Type: policies.ScopeSize, Default: "8MiB", Min: 1, Max: 1 << 30,
			Doc:     "How large a file may be to be read, and may become.",
			Example: "1MiB",
		},
		{
			Name: "max_total", Type: policies.ScopeSize, Default: "64MiB", Min: 1, Max: 1 << 40,
			Doc:     "How much a session may read and write, together.",
			Example: "16MiB",
		},
		{
			Name: "max_names", Type: policies.ScopeInt, Default: "10_000", Min: 1, Max: 100_000,
			Doc:     "How many names a list or glob may give.",
			Example: "1_000",
		},
	}
}

func checkFolder(text string) (offset int, message, hint string) {
	if text == "" {
		return 0, "a folder must have a name", `"." is the policy's own folder`
	}
	return 0, "", ""
}

// checkRoot refuses the names of roots that no path could have.
func checkRoot(name string) (message, hint string) {
	if canonical, err := clean(name); err != nil || canonical != name || strings.ContainsAny(name, "/*?") {
		return "is no name that code could write in a path", `write for example "data"`
	}
	return "", ""
}
