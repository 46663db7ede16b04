// Package serve lets programs in any language run Python behind a policy: it speaks the protocol of docs/protocol.md, JSON-RPC 2.0 with
// one message a line, over a pair of streams. One connection has one policy, any number of sessions, and tools of the client's own,
// which Python code calls like any other capability: through the gate of package host, which decides, limits and records.
//
// The client is trusted with what a user of the command line is trusted with; the code that it sends to run is not. Still every
// message is bounded, read strictly, and answered with an error when it is not understood.
package serve
