package serve

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// The codes of errors. The first five are JSON-RPC's own.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeMethodNotFound = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603

	codeNotInitialized = -32001 // no initialize yet, or a second one
	codePolicy         = -32002 // the policy is invalid, or may not be brought by the client
	codeNoSession      = -32003 // there is no session of that name
	codeSessionExists  = -32004
	codeSessionLost    = -32005 // only reset and close are left
	codeTooMany        = -32006 // sessions, or requests that wait
	codeTooLarge       = -32007
	codeNotSaved       = -32008 // the data is no saved session, or one of another policy or guest
	codeOpenFiles      = -32009 // a session with open files cannot be kept
	codeAudit          = -32010 // the audit log failed
	codeToolState      = -32011 // a session that has called a stateful tool cannot be kept
	codeCanceled       = -32800 // by $/cancel, shutdown, or the end of the connection
	codeDeadline       = -32801 // timeout_ms was over
)

// An Error is what a request is answered with when there is no result.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// Error returns the message and the code.
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

func errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

var (
	errCanceled = errors.New("canceled")
	errDeadline = errors.New("timeout_ms is over")
	errEnding   = errors.New("the connection ends")
)

// lostData is the data of errors after which a session may be gone.
type lostData struct {
	Lost bool `json:"lost"`
}

// errorOf says of an error of package host what the client can act on.
func errorOf(err error) *Error {
	var already *Error
	if errors.As(err, &already) {
		return already
	}
	var mistakes policies.Errors
	if errors.As(err, &mistakes) {
		return &Error{Code: codePolicy, Message: "the policy is invalid: " + mistakes.Error(), Data: mistakesData(mistakes)}
	}
	for _, one := range []struct {
		is   error
		code int
	}{
		{errDeadline, codeDeadline},
		{errCanceled, codeCanceled},
		{errEnding, codeCanceled},
		{context.Canceled, codeCanceled},
		{host.ErrClosed, codeCanceled},
		{host.ErrSessionLost, codeSessionLost},
		{host.ErrTooLarge, codeTooLarge},
		{values.ErrTooLarge, codeTooLarge},
		{host.ErrNotUTF8, codeInvalidParams},
		{host.ErrNotSaved, codeNotSaved},
		{host.ErrOtherSession, codeNotSaved},
		{host.ErrOpenFiles, codeOpenFiles},
		{host.ErrToolState, codeToolState},
		{host.ErrAudit, codeAudit},
	} {
		if errors.Is(err, one.is) {
			return errorf(one.code, "%v", err)
		}
	}
	return errorf(codeInternal, "%v", err)
}

// A mistake is one mistake of a policy, for programs.
type mistake struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it
}

type policyData struct {
	Mistakes []mistake `json:"mistakes"`
}

func mistakesData(list policies.Errors) policyData {
	data := policyData{Mistakes: make([]mistake, len(list))}
	for i, m := range list {
		data.Mistakes[i] = mistake{m.Position.File, m.Position.Line, m.Position.Column, m.Message, m.Hint}
	}
	return data
}
