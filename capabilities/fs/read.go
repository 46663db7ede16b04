package fs

import (
	"context"
	"errors"
	"io"
	"os"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// blockBytes is how much is read or written between two looks at the context.
const blockBytes = 256 << 10

func read(ctx context.Context, w *work) (any, error) {
	binary, err := boolean(w.args, "binary")
	if err != nil {
		return nil, err
	}
	offset, size, err := piece(w.args)
	if err != nil {
		return nil, err
	}
	f, info, err := w.open(w.name, w.path, os.O_RDONLY, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := w.fits(info.Size()); err != nil {
		return nil, err
	}
	left := max(info.Size()-offset, 0)
	if size < 0 {
		size = left
	}
	if size = min(size, left); size > PieceBytes {
		return nil, capabilities.Raise("ValueError", "%q has more than the %d bytes that one call reads: read it in pieces, with offset and size, or with open()", w.path, PieceBytes)
	}
	if err := w.spend(size); err != nil {
		return nil, err
	}
	data, err := readAt(ctx, f, offset, size)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, raise(err, w.path)
	case binary:
		return data, nil
	}
	if at := notUTF8(data); at >= 0 {
		return nil, capabilities.Raise("ValueError", "%q is not UTF-8 at byte %d: read it with binary=True, or with open(…, encoding=…)", w.path, offset+int64(at))
	}
	return string(data), nil
}

// readAt reads size bytes, fewer if the file ends before.
func readAt(ctx context.Context, f io.ReaderAt, offset, size int64) ([]byte, error) {
	data := make([]byte, size)
	for n := int64(0); n < size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, err := f.ReadAt(data[n:min(n+blockBytes, size)], offset+n)
		n += int64(got)
		if errors.Is(err, io.EOF) {
			return data[:n], nil // it has become shorter
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// notUTF8 gives the first byte that is not of UTF-8, -1 if there is none.
func notUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n < 2 {
			return i
		}
		i += n
	}
}

// piece reads the arguments offset and size; a size that is not given is -1.
func piece(args capabilities.Arguments) (offset, size int64, err error) {
	offset, ok := args.Get("offset").(int64)
	if !ok || offset < 0 {
		return 0, 0, notCount("offset", args.Get("offset"))
	}
	if args.Get("size") == nil {
		return offset, -1, nil
	}
	if size, ok = args.Get("size").(int64); !ok || size < 0 {
		return 0, 0, notCount("size", args.Get("size"))
	}
	return offset, size, nil
}

func notCount(name string, v any) error {
	if n, ok := v.(int64); ok {
		return capabilities.Raise("ValueError", "%s must not be negative, and is %d", name, n)
	}
	return capabilities.Raise("TypeError", "%s must be an int of at most 64 bits, not %s", name, values.TypeName(v))
}

func boolean(args capabilities.Arguments, name string) (bool, error) {
	v, ok := args.Get(name).(bool)
	if !ok {
		return false, capabilities.Raise("TypeError", "%s must be bool, not %s", name, values.TypeName(args.Get(name)))
	}
	return v, nil
}

func stat(_ context.Context, w *work) (any, error) {
	info, err := w.lookAt()
	if err != nil {
		return nil, err
	}
	d := values.NewDict(4)
	d.SetString("path", w.path)
	if info.IsDir() {
		d.SetString("type", "folder")
		d.SetString("size", int64(0))
	} else {
		d.SetString("type", "file")
		d.SetString("size", info.Size())
	}
	modified, err := values.NewDateTime(info.ModTime().UTC())
	if err != nil {
		d.SetString("modified", nil) // a year that Python has no date for
		return d, nil
	}
	d.SetString("modified", modified)
	return d, nil
}
