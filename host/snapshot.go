package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/link"
)

// Between two calls, the whole state of a guest is its memory and its globals: nothing of it is on a stack. So it is
// started once, and what it is then, its image, is what every session begins with: in a file that is mapped copy-on-write, a new
// session takes memory only for what it changes. The image depends on the module, its files and its configuration, all of
// which are in its name, and lies in the cache folder for the next process.

// Starting the interpreter has limits of its own: what it takes is the guest's business, not the policy's.
const (
	bootTime = 60 * time.Second
	bootFuel = 100_000_000_000

	packagesTime = 5 * time.Minute // with packages, whose sources are compiled then
)

func (h *Host) imagePath(linkedDigest string) string {
	return filepath.Join(h.cache.folder, "images", cacheKey([]byte(imageMagic), []byte(linkedDigest), []byte(h.guestDigest), h.configuration))
}

// fromCache finds the module and its image as an earlier host has left them.
func (h *Host) fromCache(symbols []string) (*module, *image) {
	if h.cache == nil || h.config.Linked != nil {
		return nil, nil
	}
	m, err := loadModule(h.modulePath(h.cache.folder, symbols), symbols)
	if err == nil {
		var i *image
		path := h.imagePath(m.linked)
		if i, err = loadImage(path, m.state); err == nil {
			now := time.Now()
			os.Chtimes(path, now, now) // for pruneImages; if it fails, the image is made again some day
			return m, i
		}
	}
	if !errors.Is(err, os.ErrNotExist) {
		h.logger.Warn("linking and starting the guest anew", "error", err)
	}
	return nil, nil
}

// makeImage starts the guest and keeps what it has become, for this host and for later ones.
func (h *Host) makeImage(ctx context.Context, m *module, symbols []string) (*image, error) {
	h.progress("boot")
	memory, state, err := h.boot(ctx, m)
	if err != nil {
		return nil, err
	}
	if h.cache != nil {
		pruneImages(filepath.Dir(h.imagePath(m.linked)))
		i, err := saveImage(h.imagePath(m.linked), memory, state)
		if err == nil && h.config.Linked == nil {
			err = m.save(h.modulePath(h.cache.folder, symbols))
		}
		if err != nil {
			h.logger.Warn("not keeping the started guest", "error", err)
		}
		if i != nil {
			return i, nil
		}
	}
	i, err := anonymousImage(memory, state)
	if err != nil {
		return nil, fmt.Errorf("host: the guest's image: %w", err)
	}
	return i, nil
}

// How many images stay in the cache, one for each policy with its name, path and settings: the last that were used, and more of them if
// they were used just now, since removing what somebody is about to use helps nobody.
const (
	imagesKept   = 32
	imagesRecent = 10 * time.Minute
	imagesMost   = 200
)

// pruneImages makes room for one more image by removing those that were not used for longest. Sessions that have one mapped
// keep it. What cannot be removed stays.
func pruneImages(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	var images []fs.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			images = append(images, info)
		}
	}
	slices.SortFunc(images, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for i, image := range images {
		if i >= imagesMost-1 || i >= imagesKept-1 && time.Since(image.ModTime()) > imagesRecent {
			os.Remove(filepath.Join(folder, image.Name()))
		}
	}
}

// boot starts the guest and returns its memory and globals.
func (h *Host) boot(ctx context.Context, m *module) (memory []byte, state []uint64, err error) {
	in, err := h.program.instantiate(ctx, h.program.files, &guestMemory{initial: m.memory})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, in.close(context.WithoutCancel(ctx))) }()

	limit := bootTime
	if h.packages != nil {
		limit = packagesTime
	}
	ctx, deadline := h.deadline(ctx, limit)
	defer deadline.stop()
	x := &execution{session: &Session{host: h}, instance: in, journal: journal{log: audit.Discard}, deadline: deadline, starting: true}
	for _, step := range []struct {
		export string
		input  []byte
		check  func(output []byte) error
	}{
		{link.InitializeFunction, nil, func([]byte) error { return nil }},
		{"configure", h.configuration, checkConfigured},
	} {
		output, _, err := in.run(x.context(ctx), step.export, step.input, bootFuel, h.bounds.output)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, nil, fmt.Errorf("host: start guest: %w", context.Cause(ctx))
		case err != nil:
			h.logger.Error("guest did not start", "error", err, "stdio", in.stdio.take())
			return nil, nil, fmt.Errorf("host: start guest: %s", crashText(err))
		}
		if err := step.check(output); err != nil {
			return nil, nil, err
		}
	}
	globals, err := stateGlobals(in.module, m.state)
	if err != nil {
		return nil, nil, err
	}
	for _, global := range globals {
		state = append(state, global.Get())
	}
	return append([]byte(nil), in.memory.bytes()...), state, nil
}

// stateGlobals returns a module's mutable globals, which are numbers. A reference would be an address of this process, and an image may come from another.
func stateGlobals(mod api.Module, count int) ([]api.MutableGlobal, error) {
	globals := make([]api.MutableGlobal, count)
	for i := range globals {
		global, ok := mod.ExportedGlobal(link.StateGlobal(i)).(api.MutableGlobal)
		if !ok {
			return nil, errors.New("host: the module lacks its global " + strconv.Itoa(i))
		}
		switch global.Type() {
		case api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeF32, api.ValueTypeF64:
		default:
			return nil, errors.New("host: the module's global " + strconv.Itoa(i) + " is no number")
		}
		globals[i] = global
	}
	return globals, nil
}
