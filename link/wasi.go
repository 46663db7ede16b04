package link

import (
	"fmt"
	"slices"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// wasiFunction is one function of wasi_snapshot_preview1.
type wasiFunction struct {
	signature string
	keep      bool                 // stays an import in every guest
	stub      func(stubs) function // what replaces the import otherwise; nil: a function that returns ENOTCAPABLE
}

// function is the body of a generated function.
type function struct {
	locals []byte // types, one a byte
	code   wasm.Code
}

// wasiFunctions are all functions of wasi_snapshot_preview1, by name. Signatures are those of
// https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md, lowered to wasm.
var wasiFunctions = map[string]wasiFunction{
	"fd_close":            {signature: "(i32) -> i32", keep: true},
	"fd_fdstat_get":       {signature: "(i32 i32) -> i32", keep: true},
	"fd_filestat_get":     {signature: "(i32 i32) -> i32", keep: true},
	"fd_pread":            {signature: "(i32 i32 i32 i64 i32) -> i32", keep: true},
	"fd_prestat_dir_name": {signature: "(i32 i32 i32) -> i32", keep: true},
	"fd_prestat_get":      {signature: "(i32 i32) -> i32", keep: true},
	"fd_read":             {signature: "(i32 i32 i32 i32) -> i32", keep: true},
	"fd_readdir":          {signature: "(i32 i32 i32 i64 i32) -> i32", keep: true},
	"fd_seek":             {signature: "(i32 i64 i32 i32) -> i32", keep: true},
	"fd_tell":             {signature: "(i32 i32) -> i32", keep: true},
	"fd_write":            {signature: "(i32 i32 i32 i32) -> i32", keep: true},
	"path_filestat_get":   {signature: "(i32 i32 i32 i32 i32) -> i32", keep: true},
	"path_open":           {signature: "(i32 i32 i32 i32 i32 i64 i64 i32 i32) -> i32", keep: true},

	"args_get":          {signature: "(i32 i32) -> i32", stub: succeed},
	"args_sizes_get":    {signature: "(i32 i32) -> i32", stub: noStrings},
	"environ_get":       {signature: "(i32 i32) -> i32", stub: succeed},
	"environ_sizes_get": {signature: "(i32 i32) -> i32", stub: noStrings},
	"clock_res_get":     {signature: "(i32 i32) -> i32", stub: clockResolution},
	"clock_time_get":    {signature: "(i32 i64 i32) -> i32", stub: clockTime},
	"poll_oneoff":       {signature: "(i32 i32 i32 i32) -> i32", stub: poll},
	"proc_exit":         {signature: "(i32) -> ()", stub: trap},
	"random_get":        {signature: "(i32 i32) -> i32", stub: random},
	"sched_yield":       {signature: "() -> i32", stub: succeed},

	"fd_advise":               {signature: "(i32 i64 i64 i32) -> i32"},
	"fd_allocate":             {signature: "(i32 i64 i64) -> i32"},
	"fd_datasync":             {signature: "(i32) -> i32"},
	"fd_fdstat_set_flags":     {signature: "(i32 i32) -> i32"},
	"fd_fdstat_set_rights":    {signature: "(i32 i64 i64) -> i32"},
	"fd_filestat_set_size":    {signature: "(i32 i64) -> i32"},
	"fd_filestat_set_times":   {signature: "(i32 i64 i64 i32) -> i32"},
	"fd_pwrite":               {signature: "(i32 i32 i32 i64 i32) -> i32"},
	"fd_renumber":             {signature: "(i32 i32) -> i32"},
	"fd_sync":                 {signature: "(i32) -> i32"},
	"path_create_directory":   {signature: "(i32 i32 i32) -> i32"},
	"path_filestat_set_times": {signature: "(i32 i32 i32 i32 i64 i64 i32) -> i32"},
	"path_link":               {signature: "(i32 i32 i32 i32 i32 i32 i32) -> i32"},
	"path_readlink":           {signature: "(i32 i32 i32 i32 i32 i32) -> i32"},
	"path_remove_directory":   {signature: "(i32 i32 i32) -> i32"},
	"path_rename":             {signature: "(i32 i32 i32 i32 i32 i32) -> i32"},
	"path_symlink":            {signature: "(i32 i32 i32 i32 i32) -> i32"},
	"path_unlink_file":        {signature: "(i32 i32 i32) -> i32"},
	"proc_raise":              {signature: "(i32) -> i32"},
	"sock_accept":             {signature: "(i32 i32 i32) -> i32"},
	"sock_recv":               {signature: "(i32 i32 i32 i32 i32 i32) -> i32"},
	"sock_send":               {signature: "(i32 i32 i32 i32 i32) -> i32"},
	"sock_shutdown":           {signature: "(i32 i32) -> i32"},
}

// keepList is the set of WASI functions that stay imports.
func keepList(more []string) (map[string]bool, error) {
	kept := make(map[string]bool)
	for name, f := range wasiFunctions {
		if f.keep || slices.Contains(more, name) {
			kept[name] = true
		}
	}
	for _, name := range more {
		if !kept[name] {
			return nil, fmt.Errorf("link: %q is not a function of %s", name, wasiModule)
		}
	}
	return kept, nil
}
