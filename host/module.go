package host

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/link"
)

// module is what a host compiles: the linked guest, detached from its initial memory.
type module struct {
	wasm    []byte
	memory  []byte // nil when the module comes out of the cache: then its image does, too
	state   int    // how many mutable globals it has
	hidden  bool   // it has state besides: see link.Detached
	foreign bool   // a plugin
	linked  string // digest of the guest as it was linked, before it was detached
}

// linkModule makes the module that a policy's grants call for, or takes the one that the caller has linked. Whoever linked it, its
// imports are compared with the grants before it is compiled: this is where "imports equal grants" is enforced.
func (h *Host) linkModule(symbols []string) (*module, error) {
	linked := h.config.Linked
	if linked == nil {
		base, err := h.config.Guest.Wasm()
		if err != nil {
			return nil, fmt.Errorf("host: read guest: %w", err)
		}
		h.progress("link")
		if linked, err = link.Link(base, link.Options{Functions: symbols, Meter: true}); err != nil {
			return nil, fmt.Errorf("host: link: %w", err)
		}
	}
	h.progress("check")
	if h.config.Linked != nil {
		if form, err := link.FormOf(linked); err == nil && form == link.FormSealed {
			return nil, ErrSealed
		}
	}
	if err := link.Check(linked, symbols); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImports, err)
	}
	detached, err := link.Detach(linked)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return &module{
		wasm: detached.Module, memory: detached.Memory, state: detached.State, hidden: detached.Hidden, linked: audit.Digest(linked),
	}, nil
}

// identifyGuest sets the digest that results and records call the guest by: that of the interpreter and, where the policy names
// packages, of these.
func (h *Host) identifyGuest() error {
	guest := h.config.Guest
	switch {
	case guest.Wasm == nil:
		return errors.New("host: no guest")
	case h.config.Linked != nil:
		// Where it comes from is not known: it is called by what it is.
		h.baseDigest = audit.Digest(h.config.Linked)
	case guest.Digest != "":
		h.baseDigest = guest.Digest
	default:
		base, err := guest.Wasm()
		if err != nil {
			return fmt.Errorf("host: read guest: %w", err)
		}
		h.baseDigest = audit.Digest(base)
	}
	h.guestDigest = h.baseDigest
	if h.packages != nil {
		h.guestDigest = audit.Digest([]byte(h.baseDigest + "\n" + h.packages.Manifest()))
	}
	return nil
}

// A module in the cache is the wasm and a trailer: the digest of the linked guest, the number of globals (four bytes,
// little-endian), a byte that is 1 if it has hidden state, and the magic bytes. Its name is the digest of all that it was made from.
const moduleMagic = "postern module 2\n"

const moduleTrailer = 32 + 4 + 1 + len(moduleMagic)

func (h *Host) modulePath(folder string, symbols []string) string {
	version := fmt.Appendf(nil, "%d", link.Version)
	return filepath.Join(folder, "modules", cacheKey([]byte(moduleMagic), version, []byte(h.baseDigest), []byte(strings.Join(symbols, "\n"))))
}

// loadModule returns the module that an earlier host has linked for the same grants. Its imports are compared with them again.
func loadModule(path string, symbols []string) (*module, error) {
	m, err := readModule(path)
	if err != nil {
		return nil, err
	}
	if err := link.CheckImports(m.wasm, symbols); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImports, err)
	}
	return m, nil
}

func readModule(path string) (*module, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(data) < moduleTrailer || !bytes.HasSuffix(data, []byte(moduleMagic)) {
		return nil, fmt.Errorf("host: %s is not a module of this version", path)
	}
	wasm, trailer := data[:len(data)-moduleTrailer], data[len(data)-moduleTrailer:]
	return &module{
		wasm:   wasm,
		state:  int(binary.LittleEndian.Uint32(trailer[32:])),
		hidden: trailer[36] != 0,
		linked: "sha256:" + hex.EncodeToString(trailer[:32]),
	}, nil
}

// save keeps the module for later hosts.
func (m *module) save(path string) error {
	digest, err := hex.DecodeString(strings.TrimPrefix(m.linked, "sha256:"))
	if err != nil {
		return err
	}
	hidden := byte(0)
	if m.hidden {
		hidden = 1
	}
	trailer := append(append(binary.LittleEndian.AppendUint32(digest, uint32(m.state)), hidden), moduleMagic...)
	return writeAside(path, func(file *os.File) error {
		if _, err := file.Write(m.wasm); err != nil {
			return err
		}
		_, err := file.Write(trailer)
		return err
	})
}
