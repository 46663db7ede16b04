package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/postern-sandbox/postern/capabilities"
)

const (
	patience = 2 * time.Second      // how long a call waits for another process to close the file
	interval = 2 * time.Millisecond // between two tries
)

// A store gives files to calls. Within it they take turns: bbolt's own lock would have them try again and again.
type store struct {
	mu    sync.Mutex
	turns map[string]chan struct{} // by path; full while somebody has the file
}

// A job is what a call does in a transaction. It does not look at the call's arguments any more: it may go on when the call has returned. With
// change, the transaction can write; without, and without a file, the namespace is nil.
type job struct {
	change bool
	do     func(*namespace) (any, error)
}

// An operation makes a job of a call.
type operation func(key string, args capabilities.Arguments) (job, error)

func (s *store) capability(do operation) func(context.Context, capabilities.Arguments) (any, error) {
	return func(ctx context.Context, args capabilities.Arguments) (any, error) {
		key, ok := args.Canonical().(string)
		if !ok {
			return nil, errors.New("kv: the call was not decided")
		}
		j, err := do(key, args)
		if err != nil {
			return nil, err
		}
		scope := args.Scope()
		name := scope.Text("namespace")
		if policy := args.Session().Policy; name == "" && policy != nil {
			name = policy.Name
		}
		if name == "" {
			return nil, errors.New("kv: no namespace")
		}
		limits := quotas{keys: scope.Number("max_keys"), bytes: scope.Number("max_bytes")}
		return s.run(ctx, scope.Text("path"), name, limits, j)
	}
}

// run does a job and waits for it, but not longer than for ctx: the disk can be slow. A job that has begun is then finished nevertheless.
func (s *store) run(ctx context.Context, path, name string, limits quotas, j job) (any, error) {
	turn := s.turn(path)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type result struct {
		value any
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-turn }()
		var r result
		defer func() { done <- r }()
		defer func() {
			if p := recover(); p != nil {
				r = result{err: fmt.Errorf("kv: %v", p)}
			}
		}()
		// A store that was damaged makes bbolt look where nothing is.
		debug.SetPanicOnFault(true)
		r.value, r.err = transact(ctx, path, name, limits, j)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *store) turn(path string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn := s.turns[path]
	if turn == nil {
		turn = make(chan struct{}, 1)
		s.turns[path] = turn
	}
	return turn
}

func transact(ctx context.Context, path, name string, limits quotas, j job) (value any, err error) {
	if !j.change {
		// A file that was made and not yet filled has nothing in it either.
		if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			return j.do(nil)
		}
	}
	db, err := open(ctx, path, !j.change)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if !j.change {
		err = db.View(func(tx *bbolt.Tx) error {
			n, err := existing(tx, name)
			if err == nil {
				value, err = j.do(n)
			}
			return err
		})
		return value, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		n, err := made(tx, name, limits)
		if err != nil {
			return err
		}
		if value, err = j.do(n); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err // nobody waits for it
		}
		return n.finish()
	})
	return value, err
}

// open opens the file, waiting for other processes.
func open(ctx context.Context, path string, readOnly bool) (*bbolt.DB, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("kv: %q is not a regular file", path)
	}
	options := &bbolt.Options{Timeout: 1, ReadOnly: readOnly, FreelistType: bbolt.FreelistMapType, NoStatistics: true}
	for begun := time.Now(); ; {
		db, err := bbolt.Open(path, 0o600, options)
		switch {
		case err == nil:
			return db, nil
		case errors.Is(err, fs.ErrNotExist):
			return nil, capabilities.Raise("FileNotFoundError", "the folder of the store that [grant.kv] names does not exist: whoever wrote the policy must make it")
		case !errors.Is(err, berrors.ErrTimeout):
			return nil, fmt.Errorf("kv: %w", err)
		case time.Since(begun) > patience:
			return nil, capabilities.Raise("kv.BusyError", "another program has had the store open for more than %v: try again later", patience)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(interval):
		}
	}
}
