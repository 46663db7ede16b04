// Package schema turns the schemas by which tools describe themselves into functions that Python can call, and checks what goes in and
// comes out against them. It knows two languages: XTP (v1-draft), which describes Extism plugins, and JSON Schema, in which MCP servers
// describe their tools.
//
// A [Function] has the name, the signature and the line of documentation that Python sees; [Function.Input] makes the bytes that the tool gets of
// the arguments of a call, [Function.Output] a value of the bytes that it answers. Neither runs anything.
//
// Schemas and answers are hostile: a server sends them. All that is read is bounded ([MaxText] and its kin), and no schema makes a check
// longer than maxSteps. What is not understood of a JSON Schema is no mistake, and permits every value: the tool still decides. An XTP document
// belongs to a plugin's author, who is told of every mistake, with its place.
//
// All functions may be called by many goroutines at once.
package schema
