package bench

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/guest"
)

// processor names the processor where /proc does.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return ", " + strings.TrimSpace(value)
		}
	}
	return ""
}

// versions names what the figures depend on.
func versions(ctx context.Context) string {
	list := []string{runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			switch dep.Path {
			case "github.com/extism/go-sdk", "github.com/tetratelabs/wazero":
				list = append(list, dep.Path[strings.LastIndexByte(dep.Path, '/')+1:]+" "+dep.Version)
			}
		}
	}
	list = append(list, "guest python "+guest.PythonVersion)
	if python := nativePython(ctx); python != "" {
		if version, err := exec.CommandContext(ctx, python, "-I", "-c", "import platform; print(platform.python_version())").Output(); err == nil {
			list = append(list, "native python "+strings.TrimSpace(string(version)))
		}
	}
	return strings.Join(list, ", ")
}

// privateBytes is what this process has of memory for itself, as Linux counts it.
func privateBytes() (int64, bool) {
	runtime.GC()
	debug.FreeOSMemory()
	rollup, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0, false
	}
	var total int64
	for lines := bufio.NewScanner(bytes.NewReader(rollup)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && (fields[0] == "Private_Dirty:" || fields[0] == "Private_Clean:") {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, false
			}
			total += kib << 10
		}
	}
	return total, true
}
