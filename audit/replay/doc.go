// Package replay runs recorded sessions again and says whether they go the same way.
//
// A guest is deterministic: its clock, its randomness and its memory are the same each time. All that comes into it from outside is what it is asked to run
// and the answers to its host calls, and a log with `arguments = "full"` has both. So a session can run again with nothing but its records: nothing is decided,
// no capability is called, and each host call gets the answer that it got. Output, value, fuel and memory must then be the same; if they are not, the records, the guest or this
// program are not those of the session.
//
// A [Player] does this for the sessions of one policy. [Sessions] gathers them from a log.
package replay
