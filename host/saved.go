package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/klauspost/compress/zstd"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/policies"
)

// A saved session is a line of magic, a line of JSON that says what it belongs to, the compressed delta, and the SHA-256 of all before it:
//
//	postern session 1
//	{"guest":"sha256:…","linked":"sha256:…","policy":"sha256:…","image":"sha256:…","session":"…","execs":3,"bytes":…,"usage":{…}}
//	zstd of: memory size (u64), number of globals (u32), globals (u64 each), number of pages (u32), page numbers (u32 each), pages
//
// Numbers are little-endian. The digest finds damage, not malice: whoever can write the file can write any digest. What a file
// holds is as little to be trusted as any guest, and restored it is in the same sandbox under the same policy.
const savedMagic = "postern session 1\n"

// savedHeader says what a saved session belongs to.
type savedHeader struct {
	Guest   string `json:"guest"`
	Linked  string `json:"linked"`
	Policy  string `json:"policy"`
	Image   string `json:"image"`   // what the interpreter was after its start
	Session string `json:"session"` // the id of the one that was saved
	Execs   int    `json:"execs"`
	Bytes   int64  `json:"bytes"` // of the compressed delta

	Usage policies.Usage `json:"usage"` // of the policy's quotas
}

// withoutConsent leaves out what a human has approved: a file does not prove that anybody did, so they are asked again.
func withoutConsent(u policies.Usage) policies.Usage {
	u = u.Clone()
	approved := func(_ string, yes bool) bool { return yes }
	maps.DeleteFunc(u.Answers, approved)
	for _, tool := range u.Tools {
		maps.DeleteFunc(tool.Answers, approved)
	}
	return u
}

const (
	savedHeaderSize = 64 * kib // the longest header
	savedExecs      = 1 << 40
)

var (
	// ErrNotSaved says that a file is not a whole saved session: it is something else, or cut short, or changed.
	ErrNotSaved = errors.New("host: not a saved session")

	// ErrOtherSession says that a saved session belongs to another policy or another guest.
	ErrOtherSession = errors.New("host: the session was saved under another policy or by another guest")
)

// Save writes the session, so that [Host.Restore] of a host with the same policy and guest can go on with it, in this process or in another
// one. What is written is what the session has changed since it began. Save is a [Session.Checkpoint], with the same errors.
func (s *Session) Save(w io.Writer) error {
	release, err := s.acquire()
	if err != nil {
		return err
	}
	defer release()
	if err := s.keep(); err != nil {
		return err
	}
	if err := s.journal.write(audit.SessionSaved, func(*audit.Record) {}); err != nil {
		return err
	}
	h := s.host
	body := s.kept
	if body == nil {
		body = &delta{size: h.program.image.size, globals: h.program.image.state}
	}
	codec, err := h.codec()
	if err != nil {
		return err
	}
	compressed := codec.encoder.EncodeAll(body.plain(), nil)
	header, err := encodeJSON(savedHeader{
		Guest: h.guestDigest, Linked: h.linkedDigest, Policy: h.policy.Digest, Image: h.program.image.digest,
		Session: s.id, Execs: s.number, Bytes: int64(len(compressed)), Usage: withoutConsent(s.usage),
	})
	if err != nil {
		return err
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	for _, part := range [][]byte{[]byte(savedMagic), header, {'\n'}, compressed} {
		if _, err := out.Write(part); err != nil {
			return fmt.Errorf("host: save: %w", err)
		}
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("host: save: %w", err)
	}
	return nil
}

// Restore makes a session that goes on where the one that was saved had stopped. It reads r to the end of the saved session. The error
// wraps [ErrNotSaved] or [ErrOtherSession] if that is what is wrong.
func (h *Host) Restore(ctx context.Context, r io.Reader) (*Session, error) {
	if err := h.begin(); err != nil {
		return nil, err
	}
	defer h.end()
	header, d, err := h.readSaved(r)
	if err != nil {
		return nil, err
	}
	return h.openSession(ctx, d, origin{header.Session, header.Execs, withoutConsent(header.Usage)})
}

// readSaved reads a saved session. Nothing of it is believed before its digest was compared.
func (h *Host) readSaved(r io.Reader) (*savedHeader, *delta, error) {
	sum := sha256.New()
	r = io.TeeReader(r, sum)
	header, err := readSavedHeader(r)
	if err != nil {
		return nil, nil, err
	}
	if err := h.owns(header); err != nil {
		return nil, nil, err
	}
	// Compression may add a little to what cannot be compressed.
	most := h.savedBytes()
	if header.Bytes < 0 || header.Bytes > most+most/64+kib || header.Execs < 0 || header.Execs > savedExecs || !isSessionID(header.Session) {
		return nil, nil, fmt.Errorf("%w: its header is out of bounds", ErrNotSaved)
	}
	var compressed bytes.Buffer
	if n, err := io.CopyN(&compressed, r, header.Bytes); err != nil {
		return nil, nil, fmt.Errorf("%w: cut short after %d bytes of its memory: %w", ErrNotSaved, n, err)
	}
	want := sum.Sum(nil)
	var got [sha256.Size]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return nil, nil, fmt.Errorf("%w: cut short before its digest: %w", ErrNotSaved, err)
	}
	if !bytes.Equal(got[:], want) {
		return nil, nil, fmt.Errorf("%w: it was changed: its digest is another", ErrNotSaved)
	}
	codec, err := h.codec()
	if err != nil {
		return nil, nil, err
	}
	plain, err := codec.decode(compressed.Bytes(), uint64(most))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotSaved, err)
	}
	d, err := readDelta(plain)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotSaved, err)
	}
	if err := d.check(h.program.image, uint64(h.bounds.pages)*pageSize); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotSaved, err)
	}
	return header, d, nil
}

// savedBytes bounds a delta under the policy's limits.
func (h *Host) savedBytes() int64 {
	memory := int64(h.bounds.pages) * pageSize
	return memory + memory/pieceSize*4 + int64(8*len(h.program.image.state)) + kib
}

func readSavedHeader(r io.Reader) (*savedHeader, error) {
	magic := make([]byte, len(savedMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSaved, err)
	}
	if string(magic) != savedMagic {
		return nil, fmt.Errorf("%w: it does not begin with %q", ErrNotSaved, savedMagic[:len(savedMagic)-1])
	}
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("%w: cut short in its header: %w", ErrNotSaved, err)
		}
		if b[0] == '\n' {
			break
		}
		if len(line) == savedHeaderSize {
			return nil, fmt.Errorf("%w: its header has no end", ErrNotSaved)
		}
	}
	header := new(savedHeader)
	if err := json.Unmarshal(line, header); err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrNotSaved, err)
	}
	return header, nil
}

// owns says whether a saved session is one of this host's policy and guest.
func (h *Host) owns(header *savedHeader) error {
	for _, part := range []struct{ name, saved, own string }{
		{"policy", header.Policy, h.policy.Digest},
		{"guest", header.Guest, h.guestDigest},
		{"linked guest", header.Linked, h.linkedDigest},
		{"interpreter's first state", header.Image, h.program.image.digest},
	} {
		if part.saved != part.own {
			return fmt.Errorf("%w: its %s is %.80q, this one %q", ErrOtherSession, part.name, part.saved, part.own)
		}
	}
	return nil
}

func isSessionID(id string) bool {
	if len(id) != 32 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// A codec compresses what is saved, for many sessions at once.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// newCodec makes a codec that does not decompress more than a delta can be.
func (h *Host) newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithSingleSegment(true)) // so that it says how long it is, however short
	if err != nil {
		return nil, fmt.Errorf("host: compress sessions: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(uint64(h.savedBytes())),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("host: decompress sessions: %w", err)
	}
	return &codec{encoder, decoder}, nil
}

// decode decompresses what the encoder has made: one frame that says how long it is. Frames that do not, of which there can be many, would
// take several times most until they are found to be too long.
func (c *codec) decode(compressed []byte, most uint64) ([]byte, error) {
	var frame zstd.Header
	if err := frame.Decode(compressed); err != nil {
		return nil, err
	}
	if frame.Skippable || !frame.HasFCS || frame.FrameContentSize > most {
		return nil, errDelta
	}
	return c.decoder.DecodeAll(compressed, make([]byte, 0, frame.FrameContentSize))
}

// plain encodes the delta for a file, uncompressed.
func (d *delta) plain() []byte {
	plain := binary.LittleEndian.AppendUint64(make([]byte, 0, len(d.data)+4*len(d.pages)+8*len(d.globals)+16), d.size)
	plain = binary.LittleEndian.AppendUint32(plain, uint32(len(d.globals)))
	for _, g := range d.globals {
		plain = binary.LittleEndian.AppendUint64(plain, g)
	}
	plain = binary.LittleEndian.AppendUint32(plain, uint32(len(d.pages)))
	for _, p := range d.pages {
		plain = binary.LittleEndian.AppendUint32(plain, p)
	}
	return append(plain, d.data...)
}

var errDelta = errors.New("its memory is not what it should be")

// readDelta reads what plain wrote. The delta's parts have yet to be checked.
func readDelta(plain []byte) (d *delta, err error) {
	take := func(n uint64) []byte {
		if err != nil || n > uint64(len(plain)) {
			err = errDelta
			return make([]byte, 8)
		}
		taken := plain[:n]
		plain = plain[n:]
		return taken
	}
	number := func() uint64 { return uint64(binary.LittleEndian.Uint32(take(4))) }
	d = &delta{size: binary.LittleEndian.Uint64(take(8))}
	globals := take(8 * number())
	pages := take(4 * number())
	if err != nil {
		return nil, err
	}
	for ; len(globals) > 0; globals = globals[8:] {
		d.globals = append(d.globals, binary.LittleEndian.Uint64(globals))
	}
	for ; len(pages) > 0; pages = pages[4:] {
		d.pages = append(d.pages, binary.LittleEndian.Uint32(pages))
	}
	d.data = plain
	return d, nil
}
