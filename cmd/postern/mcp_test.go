package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// mcpCommand is the real command (TestMain has put it on PATH), in a folder that has the policy.
func mcpCommand(t *testing.T, policy string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), "postern", "mcp", "--policy", "policy.toml")
	command.Dir = t.TempDir()
	command.Stderr = os.Stderr
	if err := os.WriteFile(filepath.Join(command.Dir, "policy.toml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return command
}

// startMCP runs the command and connects the SDK's own client to it.
func startMCP(t *testing.T, policy string) (*exec.Cmd, *mcp.ClientSession) {
	t.Helper()
	command := mcpCommand(t, policy)
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), &mcp.CommandTransport{Command: command}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return command, client
}

const mcpPolicy = `
policy = 1
name = "mcp"
[audit]
log = "none"
[limits]
wall_time = "1h"
fuel = 1_000_000_000_000_000
[grant.math]
functions = ["sqrt"]
`

func TestMCP(t *testing.T) {
	command, client := startMCP(t, mcpPolicy)
	r, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: "run_python", Arguments: map[string]any{"code": "import math\nmath.sqrt(125)"}})
	if err != nil {
		t.Fatal(err)
	}
	if text := r.Content[0].(*mcp.TextContent).Text; text != "=> 11.180339887498949" {
		t.Error(text)
	}
	r, err = client.CallTool(t.Context(), &mcp.CallToolParams{Name: "run_python", Arguments: map[string]any{"code": "math.cos(1)"}})
	if err != nil {
		t.Fatal(err)
	}
	if text := r.Content[0].(*mcp.TextContent).Text; !r.IsError || !strings.Contains(text, "to allow it, add 'cos' to functions of [grant.math]") {
		t.Error(text)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if state := command.ProcessState; state == nil || state.ExitCode() != 0 {
		t.Errorf("ended with %v", state)
	}
}

// TestMCPClientDies: what a client has started does not outlive it. Its pipes close as the kernel closes those of the dead.
func TestMCPClientDies(t *testing.T) {
	command := mcpCommand(t, mcpPolicy)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	say := func(message string) { io.WriteString(in, message+"\n") }
	say(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	say(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"run_python","arguments":{"code":"sum(range(10**15))"}}}`)
	time.Sleep(200 * time.Millisecond) // that it runs by now is likely; the test is right if it does not
	in.Close()
	out.Close()
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// Behind the one tool of an MCP client are those of another server.
func TestMCPBehindMCP(t *testing.T) {
	_, client := startMCP(t, `
policy = 1
name = "both"
audit.log = "none"
limits.wall_time = "10s"
[mcp.notes]
command = ["notes-server", "kindly"]
functions = ["add_note"]
approve = "never"
note = "for the test"
`)
	defer client.Close()
	tools, err := client.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(tools.Tools, func(tool *mcp.Tool) bool { return tool.Name == "run_python" })
	if i < 0 || !strings.Contains(tools.Tools[i].Description, "notes.add_note(text: str)  Keeps a note, kindly.") {
		t.Errorf("%+v", tools)
	}
	for _, want := range []string{"=> ['a']", "=> ['a', 'a']"} {
		r, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: "run_python", Arguments: map[string]any{"code": "import notes\nnotes.add_note('a')['notes']"}})
		if err != nil {
			t.Fatal(err)
		}
		if text := r.Content[0].(*mcp.TextContent).Text; text != want {
			t.Error(text)
		}
	}
}
