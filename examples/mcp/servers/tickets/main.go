// Command tickets is an MCP server with the tickets of a small company, made up, for the example. It keeps nothing.
package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type ticket struct {
	ID       int       `json:"id"`
	Title    string    `json:"title"`
	Status   string    `json:"status" jsonschema:"open or closed"`
	Assignee string    `json:"assignee" jsonschema:"a person's ID"`
	Opened   string    `json:"opened" jsonschema:"a date, YYYY-MM-DD"`
	Comments []comment `json:"comments"`
}

type comment struct {
	Author string `json:"author"`
	Text   string `json:"text"`
}

func tickets() []ticket {
	var list []ticket
	titles := []string{"The report is late", "A login fails", "Export has no header", "The page is slow", "A typo on the invoice"}
	start := time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)
	for i := range 40 {
		t := ticket{
			ID: i + 1, Title: fmt.Sprintf("%s (%d)", titles[i%len(titles)], i/len(titles)+1), Status: "open", Assignee: fmt.Sprint("p", i%7+1),
			Opened: start.AddDate(0, 0, i).Format(time.DateOnly), Comments: []comment{},
		}
		if i%3 == 0 {
			t.Status = "closed"
		}
		if i%4 == 1 {
			t.Comments = append(t.Comments, comment{"p1", "Who looks at this?"})
		}
		list = append(list, t)
	}
	return list
}

func main() {
	all := tickets()
	server := mcp.NewServer(&mcp.Implementation{Name: "tickets", Version: "1"}, nil)

	type page struct {
		Tickets []ticket `json:"tickets"`
		More    bool     `json:"more" jsonschema:"there is another page"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "listTickets", Description: "Lists tickets, ten at a time, the oldest first."},
		func(_ context.Context, _ *mcp.CallToolRequest, in struct {
			Status string `json:"status,omitempty" jsonschema:"open or closed; without it, both"`
			Page   int    `json:"page,omitempty" jsonschema:"from 1"`
		}) (*mcp.CallToolResult, page, error) {
			matching := slices.DeleteFunc(slices.Clone(all), func(t ticket) bool { return in.Status != "" && t.Status != in.Status })
			from := min(10*(max(in.Page, 1)-1), len(matching))
			to := min(from+10, len(matching))
			return nil, page{append([]ticket{}, matching[from:to]...), to < len(matching)}, nil
		})

	type which struct {
		ID int `json:"id"`
	}
	find := func(id int) (*ticket, error) {
		i := slices.IndexFunc(all, func(t ticket) bool { return t.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("there is no ticket %d", id)
		}
		return &all[i], nil
	}
	mcp.AddTool(server, &mcp.Tool{Name: "getTicket", Description: "Gives one ticket."},
		func(_ context.Context, _ *mcp.CallToolRequest, in which) (*mcp.CallToolResult, *ticket, error) {
			t, err := find(in.ID)
			return nil, t, err
		})
	mcp.AddTool(server, &mcp.Tool{Name: "addComment", Description: "Adds a comment to a ticket."},
		func(_ context.Context, _ *mcp.CallToolRequest, in struct {
			ID   int    `json:"id"`
			Text string `json:"text"`
		}) (*mcp.CallToolResult, any, error) {
			t, err := find(in.ID)
			if err == nil {
				t.Comments = append(t.Comments, comment{"agent", in.Text})
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf("ticket %d has %d comments", in.ID, len(t.Comments))}}}, nil, err
		})
	mcp.AddTool(server, &mcp.Tool{Name: "closeTicket", Description: "Closes a ticket."},
		func(_ context.Context, _ *mcp.CallToolRequest, in which) (*mcp.CallToolResult, any, error) {
			t, err := find(in.ID)
			if err == nil {
				t.Status = "closed"
			}
			return nil, nil, err
		})
	if err := server.Run(context.Background(), &mcp.StdioTransport{}); err != nil {
		log.Fatal(err)
	}
}
