package host

import "errors"

var (
	// ErrSessionLost is what a session answers whose guest crashed or was stopped by force when there was no state to fall back to: its state is gone.
	ErrSessionLost = errors.New("host: the session is lost: its guest crashed or was stopped")

	// ErrBusy says that a session was used by two goroutines at once. The call that was refused did nothing.
	ErrBusy = errors.New("host: the session is busy: it serves one call at a time")

	// ErrClosed says that the host or the session was closed before, or while the call ran.
	ErrClosed = errors.New("host: closed")

	// ErrTooLarge says that code, variables or arguments exceed what one call may carry: 16 MiB encoded, or
	// limits.memory less 128 KiB if that is not as much.
	ErrTooLarge = errors.New("host: input too large")

	// ErrNotUTF8 says that code or its file name is not text in UTF-8.
	ErrNotUTF8 = errors.New("host: the code or its file name is not UTF-8")

	// ErrAudit says that the audit log did not take a record. What it would have recorded was not done, or,
	// for the end of an exec, is not reported.
	ErrAudit = errors.New("host: the audit log failed")

	// ErrRedact says that the policy's redact names a parameter that a granted function does not have.
	ErrRedact = errors.New("host: redact names no parameter")

	// ErrPlugin says that a plugin which the policy names cannot be used: it is not the one whose digest the policy has, wants imports that it is not granted, or
	// does not have what it describes.
	ErrPlugin = errors.New("the plugin cannot be used")

	// ErrToolState says that a session cannot be saved, forked or kept, because it has called a tool with stateful = true: what that remembers is
	// not part of the interpreter's memory. The error's text names the tools. The session is not harmed; after [Session.Reset] it is gone.
	ErrToolState = errors.New("host: the session has state in a stateful tool, which cannot be saved, forked or kept")

	// ErrImports says that a module's imports are not the policy's grants.
	ErrImports = errors.New("host: the module's imports differ from the policy's grants")
)
