package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// An operation is what a function does in the open root of its target.
type operation func(ctx context.Context, w *work) (any, error)

// work is one call: its target, and the root that it is in.
type work struct {
	*target
	search *search // of a glob
	in     *os.Root
	args   capabilities.Arguments
}

// call opens the root for as long as the operation takes. The root's folder is opened anew each time: it may be made, or replaced, while a
// host runs, and a host that is idle holds nothing open.
func (do operation) call(ctx context.Context, args capabilities.Arguments) (any, error) {
	w := &work{args: args}
	switch decided := args.Canonical().(type) {
	case *target:
		w.target = decided
	case *search:
		w.target, w.search = &decided.target, decided
	default:
		return nil, errors.New("fs: the call was not decided")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(w.folder)
	if err != nil {
		// The folder's place on the host is not the guest's business.
		return nil, capabilities.Raise("FileNotFoundError", "the folder behind root %q cannot be opened: whoever wrote the policy must make it", w.root)
	}
	defer root.Close()
	w.in = root
	return do(ctx, w)
}

// spend counts bytes against max_total.
func (w *work) spend(n int64) error {
	most := w.args.Scope().Number("max_total")
	if !w.args.Session().Usage.Spend("fs.max_total", n, most) {
		return capabilities.Raise("fs.QuotaError", "%q: %d bytes are more than is left of max_total of [grant.fs], which is %d bytes in a session", w.path, n, most)
	}
	return nil
}

// fits checks a file's size against max_file.
func (w *work) fits(n int64) error {
	if most := w.args.Scope().Number("max_file"); n > most {
		return capabilities.Raise("fs.QuotaError", "%q: %d bytes are more than max_file of [grant.fs], which is %d bytes", w.path, n, most)
	}
	return nil
}

// raise makes of an error of the operating system the exception that Python has for it. Its words name the path that code knows and
// nothing of the host.
func raise(err error, path string) error {
	for _, known := range []struct {
		is          error
		class, text string
	}{
		{iofs.ErrNotExist, "FileNotFoundError", "no such file or folder: %q"},
		{syscall.EISDIR, "IsADirectoryError", "%q is a folder"},
		{syscall.ENOTDIR, "NotADirectoryError", "%q, or what it is said to be in, is not a folder"},
		{syscall.ENOTEMPTY, "OSError", "folder %q is not empty"},
		{iofs.ErrExist, "FileExistsError", "%q exists already"},
		{iofs.ErrPermission, "PermissionError", "the operating system does not permit it: %q"},
		{syscall.ENOSPC, "OSError", "there is no space left for %q"},
		{syscall.EROFS, "PermissionError", "%q is on a file system that cannot be written"},
		{syscall.ENXIO, "PermissionError", "%q is neither a file nor a folder"},
	} {
		if errors.Is(err, known.is) {
			return capabilities.Raise(known.class, known.text, path)
		}
	}
	var inner *os.PathError
	if errors.As(err, &inner) && inner.Err != nil && inner.Err.Error() == "path escapes from parent" {
		return capabilities.Raise("PermissionError", "%q leads out of its root: a symbolic link that points elsewhere is not followed", path)
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return capabilities.Raise("OSError", "%q: %s", path, number.Error())
	}
	return capabilities.Raise("OSError", "%q cannot be used", path)
}

// lookAt describes what is at the target's name; links inside of the root are followed.
func (w *work) lookAt() (os.FileInfo, error) {
	info, err := w.in.Stat(w.name)
	if err != nil {
		return nil, raise(err, w.path)
	}
	if mode := info.Mode(); !mode.IsRegular() && !mode.IsDir() {
		return nil, special(w.path)
	}
	return info, nil
}

func special(path string) error {
	return capabilities.Raise("PermissionError", "%q is neither a file nor a folder", path)
}

// open opens a regular file, or with folder a folder. It looks twice: before, since to open a device can do something or wait for ever, and at what
// was opened, since it may have been exchanged meanwhile.
func (w *work) open(name, path string, flags int, folder bool) (*os.File, os.FileInfo, error) {
	check := func(info os.FileInfo) error {
		switch {
		case folder && !info.IsDir():
			return capabilities.Raise("NotADirectoryError", "%q is not a folder", path)
		case !folder && info.IsDir():
			return capabilities.Raise("IsADirectoryError", "%q is a folder", path)
		case !folder && !info.Mode().IsRegular():
			return special(path)
		}
		return nil
	}
	info, err := w.in.Stat(name)
	if err != nil {
		return nil, nil, raise(err, path)
	}
	if err := check(info); err != nil {
		return nil, nil, err
	}
	if folder {
		flags |= folderOnly
	}
	f, err := w.in.OpenFile(name, flags|noWait, 0)
	if err != nil {
		return nil, nil, raise(err, path)
	}
	if info, err = f.Stat(); err == nil {
		err = check(info)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// unguarded refuses to change a root in which the policy, its audit log or the store of kv lies: an agent must not write its own permissions or
// records, nor bytes that the host takes for a store that it wrote itself.
func (w *work) unguarded() error {
	root, err := w.in.Stat(".")
	if err != nil {
		return raise(err, w.root)
	}
	for p := w.args.Session().Policy; p != nil; p = p.Base {
		log, store := p.Audit.Log, ""
		if kv := p.Grant("kv"); kv != nil {
			store = kv.Scope.Text("path")
		}
		if log != "" && log != policies.LogNone && !filepath.IsAbs(log) {
			log = filepath.Join(filepath.Dir(p.File), log)
		}
		if p.File != "" && within(p.File, root) || log != "" && log != policies.LogNone && within(log, root) || store != "" && within(store, root) {
			return capabilities.Raise("PermissionError",
				"root %q has the policy, its audit log or its store in it and cannot be changed: whoever wrote the policy must name another folder", w.root)
		}
	}
	return nil
}

// within reports whether a path of the host is a folder or in it.
func within(path string, folder os.FileInfo) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return true
	}
	paths := []string{path}
	if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
		paths = append(paths, real)
	}
	for _, p := range paths {
		for {
			if info, err := os.Stat(p); err == nil && os.SameFile(info, folder) {
				return true
			}
			above := filepath.Dir(p)
			if above == p {
				break
			}
			p = above
		}
	}
	return false
}
