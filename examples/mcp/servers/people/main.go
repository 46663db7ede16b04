// Command people is an MCP server with a directory of people, made up, for the example.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type person struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Team  string `json:"team"`
	Away  bool   `json:"away"`
	Email string `json:"email"`
}

func main() {
	var all []person
	for i, name := range []string{"Kim", "Noor", "Sam", "Ari", "Lou", "Mika", "Toni"} {
		all = append(all, person{fmt.Sprint("p", i+1), name, []string{"web", "billing"}[i%2], i%3 == 2, fmt.Sprintf("%d@example.com", i+1)})
	}
	server := mcp.NewServer(&mcp.Implementation{Name: "people", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "find-person", Description: "Finds a person by ID."},
		func(_ context.Context, _ *mcp.CallToolRequest, in struct {
			ID string `json:"id"`
		}) (*mcp.CallToolResult, *person, error) {
			for i := range all {
				if all[i].ID == in.ID {
					return nil, &all[i], nil
				}
			}
			return nil, nil, fmt.Errorf("there is nobody %q", in.ID)
		})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		log.Fatal(err)
	}
}
