package plugins

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/policies"
)

// A Report says whether a module can be used as a tool, and what it wants.
type Report struct {
	// Description is nil when there is none, or when Mistakes says what is wrong with it.
	Description *Description
	// Embedded is whether the description is the one in the module.
	Embedded bool
	// Mistakes are those of the description.
	Mistakes policies.Errors
	// Imports are all that the module can reach, in the order of its import section.
	Imports []Import
	// Callable are the exports that can be functions of a tool, sorted.
	Callable []string
	// Undescribed are those of Callable that the description does not have.
	Undescribed []string
	// Problems are why the module cannot be used, but for Mistakes and a missing description.
	Problems []string
}

// Usable reports whether a policy can name the module.
func (r *Report) Usable() bool {
	return r.Description != nil && len(r.Mistakes) == 0 && len(r.Problems) == 0
}

// An Import is something that a module needs from outside.
type Import struct {
	Module, Name, Type string
	// Use says in words what it is for, and what becomes of it in a tool.
	Use string
	// Grant is the capability that a policy has to grant the tool, or "".
	Grant string
	// Refused is why a tool cannot have it, or "".
	Refused string
}

// Check reads a module and its description, as Describe finds it, and runs neither. The error is for bytes that are no well-formed module.
func Check(module []byte, file string, sidecar []byte) (*Report, error) {
	r := &Report{Embedded: sidecar == nil}
	imports, err := link.Imports(module)
	if err != nil {
		if _, _, mine := Embedded(module); mine != nil {
			err = mine // it says more of what is no module at all
		}
		return nil, err
	}
	for _, i := range imports {
		described := describeImport(i)
		r.Imports = append(r.Imports, described)
		if described.Refused != "" {
			r.Problems = append(r.Problems, fmt.Sprintf("it imports %s::%s: %s", shown(i.Module), shown(i.Name), described.Refused))
		}
	}
	exports, err := exportedFunctions(module)
	if err != nil {
		return nil, err
	}
	for name, kind := range exports {
		if isCallable(kind) && !strings.HasPrefix(name, "_") {
			r.Callable = append(r.Callable, name)
		}
	}
	slices.Sort(r.Callable)
	r.Description, err = Describe(module, file, sidecar)
	switch {
	case errors.Is(err, ErrNoDescription):
		r.Embedded = false
		if len(r.Callable) == 0 {
			r.Problems = append(r.Problems, "it exports no function that takes nothing and returns an i32")
		}
		return r, nil
	case errors.As(err, &r.Mistakes):
		return r, nil
	case err != nil:
		r.Problems = append(r.Problems, strings.TrimPrefix(err.Error(), "plugins: "))
		return r, nil
	}
	r.compare(exports)
	return r, nil
}

// shown is a name that a module has, which can be anything, for a message.
func shown(name string) string {
	const most = 100
	if len(name) > most || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.Quote(strings.ToValidUTF8(name[:min(len(name), most)], "?"))
	}
	return name
}

// isCallable reports whether Extism can call a function of this type.
func isCallable(kind string) bool { return kind == "() -> i32" || kind == "() -> ()" }

// compare compares the description with the exports.
func (r *Report) compare(exports map[string]string) {
	described := make(map[string]bool)
	for _, f := range r.Description.Functions {
		described[f.Original] = true
		switch kind, ok := exports[f.Original]; {
		case !ok:
			r.Problems = append(r.Problems, fmt.Sprintf("it exports no function %q, which is described", f.Original))
		case !isCallable(kind):
			r.Problems = append(r.Problems, fmt.Sprintf("it exports %q as %s: a function of a plugin takes nothing and returns an i32", f.Original, kind))
		}
	}
	for _, name := range r.Callable {
		if !described[name] {
			r.Undescribed = append(r.Undescribed, name)
		}
	}
}

const (
	kernel = "extism:host/env"
	wasi   = "wasi_snapshot_preview1"
)

// kernelUses are the functions of Extism's kernel that a tool may import, with what becomes of them.
var kernelUses = map[string][]string{
	"the input, the output and the error of a call": {
		"alloc", "free", "length", "length_unsafe", "load_u8", "load_u64", "store_u8", "store_u64", "input_offset", "input_length", "input_load_u8",
		"input_load_u64", "output_set", "output_offset", "output_length", "error_set", "error_get",
	},
	"logs, for the operator":                              {"log_trace", "log_debug", "log_info", "log_warn", "log_error", "get_log_level"},
	"variables: they last as long as the instance":        {"var_get", "var_set"},
	"configuration: there is none":                        {"config_get"},
	"HTTP of Extism: refused, a grant of http is the way": {"http_request", "http_status_code", "http_headers"},
}

// wasiUses are the functions of WASI. None reaches out of a tool.
var wasiUses = map[string][]string{
	"the clock: virtual, the same in each call": {"clock_res_get", "clock_time_get", "poll_oneoff", "sched_yield"},
	"entropy: the same in each call":            {"random_get"},
	"arguments and environment: there are none": {"args_get", "args_sizes_get", "environ_get", "environ_sizes_get"},
	"the end of the program":                    {"proc_exit", "proc_raise"},
	"files: there are none": {
		"fd_advise", "fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_fdstat_set_rights", "fd_filestat_get", "fd_filestat_set_size",
		"fd_filestat_set_times", "fd_pread", "fd_prestat_dir_name", "fd_prestat_get", "fd_pwrite", "fd_read", "fd_readdir", "fd_renumber", "fd_seek", "fd_sync", "fd_tell", "fd_write",
		"path_create_directory", "path_filestat_get", "path_filestat_set_times", "path_link", "path_open", "path_readlink", "path_remove_directory", "path_rename", "path_symlink", "path_unlink_file",
	},
	"sockets: there are none": {"sock_accept", "sock_recv", "sock_send", "sock_shutdown"},
}

func describeImport(i link.Import) Import {
	d := Import{Module: i.Module, Name: i.Name, Type: i.Type}
	if i.Kind != "function" {
		d.Refused = "a " + i.Kind + " cannot be imported, only functions"
		return d
	}
	var uses map[string][]string
	switch i.Module {
	case link.UserModule:
		describeGrant(&d)
		return d
	case kernel:
		uses = kernelUses
	case wasi:
		uses = wasiUses
	default:
		d.Refused = "there is no such module: there are " + kernel + ", " + link.UserModule + " and " + wasi
		if i.Module == "env" {
			d.Refused += "; env is what a symbol that is nowhere defined becomes"
		}
		return d
	}
	for use, names := range uses {
		if slices.Contains(names, i.Name) {
			d.Use = use
			return d
		}
	}
	d.Refused = "there is no such function"
	return d
}

// describeGrant reads the import of a capability: its name is FAMILY_FUNCTION.
func describeGrant(d *Import) {
	family, function, ok := strings.Cut(d.Name, "_")
	switch {
	case !ok || family == "" || function == "":
		d.Refused = "it is not named FAMILY_FUNCTION"
	case d.Type != "(i64) -> i64":
		d.Refused = "its type is " + d.Type + " and must be (i64) -> i64"
	default:
		d.Grant = family + "." + function
		d.Use = "the capability " + d.Grant + ": the policy has to grant it to the tool"
	}
}
