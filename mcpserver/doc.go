// Package mcpserver is a server of the Model Context Protocol, by its official SDK: the model of an MCP client runs Python behind a policy, with
// the tools run_python, reset and describe_policy. Each MCP session has a Python session of its own, which begins with its first run.
package mcpserver
