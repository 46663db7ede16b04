package fs

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	iofs "io/fs"
	"os"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// content gives the bytes of the argument data.
func content(args capabilities.Arguments) ([]byte, error) {
	switch data := args.Get("data").(type) {
	case string:
		if notUTF8([]byte(data)) >= 0 {
			return nil, capabilities.Raise("ValueError", "data has a lone surrogate, which UTF-8 cannot say")
		}
		return []byte(data), nil
	case values.Bytes:
		return data, nil
	case values.ByteArray:
		return data, nil
	default:
		return nil, capabilities.Raise("TypeError", "data must be str or bytes, not %s", values.TypeName(data))
	}
}

// write makes the file under a temporary name and renames it: nobody sees a part of it. (A loss of power can still leave a part; to wait for the
// disk would take longer than a call may go on after its context is done.) All of it happens in the open parent folder, so that
// both names are in the same place.
func write(ctx context.Context, w *work) (any, error) {
	data, err := content(w.args)
	if err != nil {
		return nil, err
	}
	overwrite, err := boolean(w.args, "overwrite")
	if err != nil {
		return nil, err
	}
	if err := w.admit(int64(len(data)), int64(len(data))); err != nil {
		return nil, err
	}
	parent, err := w.openParent()
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	mode, exists, err := w.replaceable(parent)
	switch {
	case err != nil:
		return nil, err
	case exists && !overwrite:
		return nil, raise(iofs.ErrExist, w.path)
	}
	name := temporary + rand.Text()
	if !overwrite {
		name = w.base() // exclusively: two who make it at the same time must not both succeed
	}
	if err := makeFile(ctx, parent, name, data, mode, exists); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, raise(err, w.path)
	}
	if overwrite {
		if err := parent.Rename(name, w.base()); err != nil {
			parent.Remove(name)
			return nil, raise(err, w.path)
		}
	}
	return int64(len(data)), nil
}

// admit checks what is to be written, n bytes of a file that will have size, before anything is done.
func (w *work) admit(n, size int64) error {
	if n > PieceBytes {
		return capabilities.Raise("ValueError", "%q: %d bytes are more than the %d that one call writes: append the rest", w.path, n, PieceBytes)
	}
	if err := w.fits(size); err != nil {
		return err
	}
	if err := w.unguarded(); err != nil {
		return err
	}
	return w.spend(n)
}

func (w *work) openParent() (*os.Root, error) {
	info, err := w.in.Stat(w.parent())
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return nil, capabilities.Raise("FileNotFoundError", "there is no folder %q: fs.mkdir makes one", w.above())
	case err != nil:
		return nil, raise(err, w.above())
	case !info.IsDir():
		return nil, capabilities.Raise("NotADirectoryError", "%q is not a folder", w.above())
	}
	parent, err := w.in.OpenRoot(w.parent())
	if err != nil {
		return nil, raise(err, w.above())
	}
	return parent, nil
}

// replaceable looks at what a new file would replace: only a regular file may be.
func (w *work) replaceable(parent *os.Root) (mode os.FileMode, exists bool, err error) {
	info, err := parent.Lstat(w.base())
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return 0o666, false, nil
	case err != nil:
		return 0, false, raise(err, w.path)
	case info.IsDir():
		return 0, false, capabilities.Raise("IsADirectoryError", "%q is a folder", w.path)
	case info.Mode()&os.ModeSymlink != 0:
		return 0, false, capabilities.Raise("PermissionError", "%q is a symbolic link: it can be read and removed, not written", w.path)
	case !info.Mode().IsRegular():
		return 0, false, special(w.path)
	}
	return info.Mode().Perm(), true, nil
}

// makeFile makes a file that must not exist. After an error it is gone again.
func makeFile(ctx context.Context, parent *os.Root, name string, data []byte, mode os.FileMode, chmod bool) error {
	f, err := parent.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = put(ctx, f, data)
	if err == nil && chmod {
		err = f.Chmod(mode) // the umask was for new files
	}
	if err = errors.Join(err, f.Close()); err != nil {
		parent.Remove(name)
	}
	return err
}

func put(ctx context.Context, f io.Writer, data []byte) error {
	for len(data) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Write(data[:min(len(data), blockBytes)])
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// appendTo writes to the end of the file itself. If it fails in between, the file is as it was before.
func appendTo(ctx context.Context, w *work) (any, error) {
	data, err := content(w.args)
	if err != nil {
		return nil, err
	}
	parent, err := w.openParent()
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	_, exists, err := w.replaceable(parent)
	if err != nil {
		return nil, err
	}
	if !exists {
		if err := w.admit(int64(len(data)), int64(len(data))); err != nil {
			return nil, err
		}
		switch err := makeFile(ctx, parent, w.base(), data, 0o666, false); {
		case err == nil:
			return int64(len(data)), nil
		case ctx.Err() != nil:
			return nil, err
		case !errors.Is(err, iofs.ErrExist): // somebody else was quicker: then to theirs
			return nil, raise(err, w.path)
		}
	}
	f, info, err := w.open(w.name, w.path, os.O_WRONLY|os.O_APPEND, false)
	if err != nil {
		return nil, err
	}
	size := info.Size() + int64(len(data))
	if exists {
		err = w.admit(int64(len(data)), size)
	} else {
		err = w.fits(size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if err = put(ctx, f, data); err != nil {
		err = errors.Join(err, f.Truncate(info.Size()))
	}
	switch err = errors.Join(err, f.Close()); {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, raise(err, w.path)
	}
	return size, nil
}

func mkdir(_ context.Context, w *work) (any, error) {
	parents, err := boolean(w.args, "parents")
	if err != nil {
		return nil, err
	}
	existOK, err := boolean(w.args, "exist_ok")
	if err != nil {
		return nil, err
	}
	if err := w.unguarded(); err != nil {
		return nil, err
	}
	if info, err := w.in.Lstat(w.name); err == nil {
		if existOK && info.IsDir() {
			return nil, nil
		}
		return nil, raise(iofs.ErrExist, w.path)
	}
	if parents {
		err = w.in.MkdirAll(w.name, 0o777)
	} else {
		err = w.in.Mkdir(w.name, 0o777)
	}
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return nil, capabilities.Raise("FileNotFoundError", "there is no folder %q: parents=True makes it too", w.above())
	case err != nil:
		return nil, raise(err, w.path)
	}
	return nil, nil
}

// remove removes a name; what a link leads to stays.
func remove(_ context.Context, w *work) (any, error) {
	if err := w.unguarded(); err != nil {
		return nil, err
	}
	info, err := w.in.Lstat(w.name)
	if err != nil {
		return nil, raise(err, w.path)
	}
	if mode := info.Mode(); !mode.IsRegular() && !mode.IsDir() && mode&os.ModeSymlink == 0 {
		return nil, special(w.path)
	}
	if err := w.in.Remove(w.name); err != nil {
		return nil, raise(err, w.path)
	}
	return nil, nil
}
