package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// notesServer is an MCP server for the scripts, which is on their PATH as notes-server. Its argument is what its description says; with none, it fails at once.
func notesServer() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: notes-server WORD")
		os.Exit(64)
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "v1"}, nil)
	notes := []string{}
	type word struct {
		Text string `json:"text"`
	}
	type list struct {
		Notes []string `json:"notes"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "addNote", Description: "Keeps a note, " + os.Args[1] + "."}, func(_ context.Context, _ *mcp.CallToolRequest, in word) (*mcp.CallToolResult, list, error) {
		notes = append(notes, in.Text)
		return nil, list{slices.Clone(notes)}, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "remove-note"}, func(_ context.Context, _ *mcp.CallToolRequest, in word) (*mcp.CallToolResult, list, error) {
		i := slices.Index(notes, in.Text)
		if i < 0 {
			return nil, list{}, errors.New("there is no such note")
		}
		notes = slices.Delete(notes, i, i+1)
		return nil, list{slices.Clone(notes)}, nil
	})
	type nothing struct{}
	mcp.AddTool(server, &mcp.Tool{Name: "token"}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: os.Getenv("NOTES_TOKEN")}}}, nil, nil
	})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
