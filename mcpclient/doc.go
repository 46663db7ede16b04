// Package mcpclient connects to the MCP servers that a policy names, and makes capabilities of the tools that it grants.
//
// Each [mcp.NAME] table of a policy becomes one family NAME, with a function for each tool that the table's names and patterns fit. The functions go through the gate of
// package host like all others: decided, limited, recorded. One connection is shared by all sessions of a host.
//
// A server is not trusted. All that it sends is bounded before it is read: messages, the list of its tools, their schemas and their words. What is granted is
// fixed when the host begins: a server that changes the tools that are granted, or comes back with others, is refused. It gets no answer to what it asks of its
// client (sampling, roots, elicitation), but to pings. That a server which is started by a command has all rights of this process, and that a granted tool
// does what it does, is not this package's to change: see docs/mcp.md.
package mcpclient
