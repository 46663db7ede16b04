// Package host runs an agent's Python under a policy.
//
// A [Host] is one policy made ready to run: the guest linked to exactly the policy's grants, compiled once.
// A [Session] is one interpreter with its state: code runs in it with [Session.Exec], one piece after the other.
//
//	registry, err := capabilities.NewRegistry(math.Family(), json.Family())
//	policy, err := policies.Parse("policy.toml", text, policies.Vocabulary{Families: registry.Vocabulary()})
//	h, err := host.New(ctx, host.Config{Policy: policy, Capabilities: registry})
//	defer h.Close()
//	s, err := h.NewSession(ctx)
//	defer s.Close()
//	result, err := s.Exec(ctx, "1 + 1", host.ExecOptions{})
//
// # What contains the guest
//
// The guest is a WebAssembly module. It reaches its own memory, a read-only file system that lives in memory,
// and the imports that the policy grants; New refuses a module whose imports are any others. Each granted import
// leads through one function, in gate.go, which decides, records, calls and answers. Everything that the guest
// hands over (handles, requests, results, output) is taken for hostile: bounded before it is read and checked
// before it is used.
//
// # Errors and results
//
// What the code did, its exceptions and limits included, is in the [Result]. An error says that there is no
// result: the session is lost, closed or busy, the context ended, or the audit log failed. A trap of the guest is a
// result too, with an error of type [GuestCrashed]; the interpreter's memory is then in an unknown state, so the
// session goes back to the state that was kept last or, if there is none, is lost.
//
// # Limits
//
// Each limit of the policy begins anew with each Exec, Set and Call. When wall_time is over, the guest is asked to stop: Python code
// sees a TimeoutError that is no Exception, between two of its instructions or from the host call that it waits for, and the session can be used again. A guest that does not notice within 20 ms, or has noticed and runs on for a quarter of a second, and one that runs
// out of fuel, is stopped wherever it is. Fuel is counted by the linked module itself, and handed out in
// slices of about a millisecond; once a guest must stop, there is no next slice.
package host
