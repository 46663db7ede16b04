package link

import (
	"fmt"
	"slices"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// A Form is what kind of module one is, as far as this package has to do with it.
type Form int

const (
	FormPlugin Form = iota // none of this package's, such as any plugin
	FormBase               // a base guest, which is not linked yet
	FormLinked             // what Link made
	FormSealed             // what Seal made
)

// String gives "plugin", "base guest", "linked guest" or "self-contained guest".
func (f Form) String() string {
	return [...]string{"plugin", "base guest", "linked guest", "self-contained guest"}[f]
}

// FormOf tells what kind of module one is, by what it says of itself. It fails when the module is malformed.
func FormOf(module []byte) (Form, error) {
	m, err := decode(module)
	if err != nil {
		return FormPlugin, err
	}
	_, reserved := reservedExport(m)
	switch {
	case exportOf(m, SealedGlobal, wasm.KindGlobal) != nil:
		return FormSealed, nil
	case reserved:
		return FormLinked, nil
	case slices.ContainsFunc(m.Imports, func(i wasm.Import) bool { return i.Module == placeholderModule }):
		return FormBase, nil
	}
	return FormPlugin, nil
}

// A Power is what an import lets a module do. Its String is the same in each version.
type Power string

// The powers, in the order in which they are worth a look.
const (
	PowerGranted  Power = "granted"  // functions of the host, which a policy grants
	PowerUnknown  Power = "unknown"  // nobody knows
	PowerNetwork  Power = "network"  //
	PowerFiles    Power = "files"    //
	PowerClock    Power = "clock"    //
	PowerEntropy  Power = "entropy"  //
	PowerProcess  Power = "process"  // arguments, environment, exit, signals, its turn
	PowerConfig   Power = "config"   // Extism's configuration
	PowerVars     Power = "vars"     // Extism's variables
	PowerLogs     Power = "logs"     // Extism's log
	PowerExchange Power = "exchange" // bytes to and from the host, for a call
)

// Powers lists all powers in their order.
func Powers() []Power {
	return []Power{PowerGranted, PowerUnknown, PowerNetwork, PowerFiles, PowerClock, PowerEntropy, PowerProcess, PowerConfig, PowerVars, PowerLogs, PowerExchange}
}

type explained struct {
	power Power
	words string
}

// Explain says what an import lets a module do, in words that begin like "reads from an open file". Of a function of UserModule it knows nothing: what that does
// is up to whoever serves it, and words is empty.
func (i Import) Explain() (power Power, words string) {
	known := map[string]map[string]explained{kernelModule: kernelWords, wasiModule: wasiWords}[i.Module]
	e, ok := known[i.Name]
	switch {
	case i.Module == UserModule && i.Kind == "function":
		return PowerGranted, ""
	case i.Kind != "function":
		return PowerUnknown, fmt.Sprintf("shares a %s with the host", i.Kind)
	case ok:
		return e.power, e.words
	case i.Module == placeholderModule && i.Name == placeholderName:
		return PowerGranted, "stands for all granted functions until the guest is linked"
	case i.Module == kernelModule:
		return PowerUnknown, "a function of Extism's that Postern does not know"
	case i.Module == wasiModule:
		return PowerUnknown, "no function of WASI preview 1"
	}
	return PowerUnknown, "a function of a module that Postern does not know"
}

// Wants is the type that a function of this name must have, "" if Postern does not know it.
func (i Import) Wants() string {
	switch i.Module {
	case UserModule:
		return grantType
	case kernelModule:
		return kernelFunctions[i.Name] + pluginFunctions[i.Name] + pluginStubs[i.Name].signature // it is in one of them
	case wasiModule:
		return wasiFunctions[i.Name].signature
	}
	return ""
}

// GuestImport says what becomes of an import of a base guest that is linked: whether it stays an import, or is replaced by a function inside the
// module. For an import that a guest may not have, both are false.
func GuestImport(i Import) (stays, replaced bool) {
	if i.Kind != "function" || i.Wants() != "" && i.Type != i.Wants() {
		return false, false
	}
	switch i.Module {
	case UserModule:
		return true, false
	case kernelModule:
		return kernelFunctions[i.Name] != "", false
	case wasiModule:
		f, known := wasiFunctions[i.Name]
		return known && f.keep, known && !f.keep
	case placeholderModule:
		return false, i.Name == placeholderName
	}
	return false, false
}

// kernelWords are the functions of Extism's kernel: https://github.com/extism/extism/tree/main/kernel.
var kernelWords = map[string]explained{
	"alloc":         {PowerExchange, "takes a block of Extism's memory, to put bytes for the host in"},
	"free":          {PowerExchange, "gives a block of Extism's memory back"},
	"length":        {PowerExchange, "asks how long a block is"},
	"length_unsafe": {PowerExchange, "asks how long a block is, and takes its word for being one"},
	"load_u8":       {PowerExchange, "reads a byte of a block"},
	"load_u64":      {PowerExchange, "reads eight bytes of a block"},
	"store_u8":      {PowerExchange, "writes a byte of a block"},
	"store_u64":     {PowerExchange, "writes eight bytes of a block"},

	"input_length":   {PowerExchange, "asks how long the input of the call is"},
	"input_offset":   {PowerExchange, "asks where the input of the call is"},
	"input_load_u8":  {PowerExchange, "reads a byte of the input"},
	"input_load_u64": {PowerExchange, "reads eight bytes of the input"},
	"input_set":      {PowerExchange, "makes a block the input of the call"},
	"output_set":     {PowerExchange, "makes a block the output of the call"},
	"output_length":  {PowerExchange, "asks how long its output is"},
	"output_offset":  {PowerExchange, "asks where its output is"},
	"error_set":      {PowerExchange, "makes a block the error of the call"},
	"error_get":      {PowerExchange, "asks which error it has set"},
	"reset":          {PowerExchange, "forgets all blocks"},
	"memory_bytes":   {PowerExchange, "asks how large Extism's memory is"},

	"log_trace":     {PowerLogs, "writes a line into the host's log, at level trace"},
	"log_debug":     {PowerLogs, "writes a line into the host's log, at level debug"},
	"log_info":      {PowerLogs, "writes a line into the host's log, at level info"},
	"log_warn":      {PowerLogs, "writes a line into the host's log, at level warn"},
	"log_error":     {PowerLogs, "writes a line into the host's log, at level error"},
	"get_log_level": {PowerLogs, "asks which lines the host's log takes"},

	"config_get": {PowerConfig, "reads what the host has configured for the plugin under a key"},
	"var_get":    {PowerVars, "reads a value that an earlier call has left with the host"},
	"var_set":    {PowerVars, "leaves a value with the host for later calls"},

	"http_request":     {PowerNetwork, "makes an HTTP request through Extism, which no policy grants"},
	"http_status_code": {PowerNetwork, "asks for the status of the last HTTP response"},
	"http_headers":     {PowerNetwork, "asks for the headers of the last HTTP response"},
}

// wasiWords are the functions of WASI preview 1.
var wasiWords = map[string]explained{
	"fd_advise":               {PowerFiles, "says how it is going to read a file"},
	"fd_allocate":             {PowerFiles, "makes an open file longer"},
	"fd_close":                {PowerFiles, "closes a file or folder"},
	"fd_datasync":             {PowerFiles, "has an open file written to the disk"},
	"fd_fdstat_get":           {PowerFiles, "asks what an open descriptor is, and what can be done with it"},
	"fd_fdstat_set_flags":     {PowerFiles, "changes how an open descriptor reads and writes"},
	"fd_fdstat_set_rights":    {PowerFiles, "gives up rights of an open descriptor"},
	"fd_filestat_get":         {PowerFiles, "asks for the size, kind and times of an open file"},
	"fd_filestat_set_size":    {PowerFiles, "cuts an open file or makes it longer"},
	"fd_filestat_set_times":   {PowerFiles, "changes the times of an open file"},
	"fd_pread":                {PowerFiles, "reads from an open file, at any place"},
	"fd_prestat_dir_name":     {PowerFiles, "asks for the name of a folder that the host gives"},
	"fd_prestat_get":          {PowerFiles, "asks which folders the host gives"},
	"fd_pwrite":               {PowerFiles, "writes to an open file, at any place"},
	"fd_read":                 {PowerFiles, "reads from an open file or standard input"},
	"fd_readdir":              {PowerFiles, "lists a folder"},
	"fd_renumber":             {PowerFiles, "puts an open descriptor in the place of another"},
	"fd_seek":                 {PowerFiles, "moves to a place in an open file"},
	"fd_sync":                 {PowerFiles, "has an open file and its data written to the disk"},
	"fd_tell":                 {PowerFiles, "asks for the place in an open file"},
	"fd_write":                {PowerFiles, "writes to an open file, standard output or standard error"},
	"path_create_directory":   {PowerFiles, "makes a folder"},
	"path_filestat_get":       {PowerFiles, "asks for the size, kind and times of a file by its path"},
	"path_filestat_set_times": {PowerFiles, "changes the times of a file"},
	"path_link":               {PowerFiles, "gives a file another name"},
	"path_open":               {PowerFiles, "opens a file or folder by its path, and may make one"},
	"path_readlink":           {PowerFiles, "reads where a symbolic link leads"},
	"path_remove_directory":   {PowerFiles, "removes a folder"},
	"path_rename":             {PowerFiles, "renames or moves a file"},
	"path_symlink":            {PowerFiles, "makes a symbolic link"},
	"path_unlink_file":        {PowerFiles, "removes a file"},

	"clock_res_get":  {PowerClock, "asks how exact a clock is"},
	"clock_time_get": {PowerClock, "tells the time"},
	"poll_oneoff":    {PowerClock, "sleeps, or waits until a descriptor is ready"},
	"random_get":     {PowerEntropy, "gets random bytes"},

	"args_get":          {PowerProcess, "reads the arguments of the program"},
	"args_sizes_get":    {PowerProcess, "asks how many arguments the program has"},
	"environ_get":       {PowerProcess, "reads environment variables"},
	"environ_sizes_get": {PowerProcess, "asks how many environment variables there are"},
	"proc_exit":         {PowerProcess, "ends the program"},
	"proc_raise":        {PowerProcess, "sends itself a signal"},
	"sched_yield":       {PowerProcess, "lets others have their turn"},

	"sock_accept":   {PowerNetwork, "accepts a connection"},
	"sock_recv":     {PowerNetwork, "receives from a connection"},
	"sock_send":     {PowerNetwork, "sends to a connection"},
	"sock_shutdown": {PowerNetwork, "ends a connection"},
}
