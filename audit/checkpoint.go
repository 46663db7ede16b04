package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint says what a log was at a size: whoever has one can tell whether a log is the same, or the same and longer. Its text is a
// checkpoint as c2sp.org/tlog-checkpoint defines it, a signed note whose text is
//
//	postern-audit/4be1c2f5f0a4d1a3        the log's name
//	1234                                  how many records
//	sFodV/vSp5O8n9a8QpW6PRY97tfOSW5b…     the tree's hash, base64
//
// and which has a signature if the log has a key.
type Checkpoint struct {
	Log  string
	Size int64
	Root [32]byte
	Note []byte // as it stands in the file; without a signature it ends with the empty line
}

// Signed reports whether there is a signature, right or wrong.
func (c *Checkpoint) Signed() bool { return !bytes.HasSuffix(c.Note, []byte("\n\n")) }

var (
	// ErrSignature says that a checkpoint's signature is missing or wrong.
	ErrSignature = errors.New("audit: no valid signature")

	errCheckpoint = errors.New("audit: malformed checkpoint")
)

const (
	signatureMark   = "— "
	checkpointLimit = 16 << 10 // bytes of one, with signatures
	maxSize         = 1 << 48  // records that a log can have
)

// ParseCheckpoint reads one checkpoint. It does not look at signatures: [Checkpoint.Verify] does.
func ParseCheckpoint(text []byte) (*Checkpoint, error) {
	if len(text) > checkpointLimit {
		return nil, fmt.Errorf("%w: too long", errCheckpoint)
	}
	head, signatures, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] == "" {
		return nil, fmt.Errorf("%w: not three lines and an empty one", errCheckpoint)
	}
	for line := range strings.Lines(signatures) {
		// Package note takes base64 whose last bits are not zero; here, each byte counts.
		text, ok := strings.CutPrefix(line, signatureMark)
		_, encoded, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
		_, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !ok || !strings.HasSuffix(line, "\n") || err != nil || strings.Contains(encoded, "\r") {
			return nil, fmt.Errorf("%w: not a signature: %.40q", errCheckpoint, line)
		}
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 1 || size > maxSize || strconv.FormatInt(size, 10) != lines[1] {
		return nil, fmt.Errorf("%w: size %.40q", errCheckpoint, lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return nil, fmt.Errorf("%w: hash %.60q", errCheckpoint, lines[2])
	}
	return &Checkpoint{Log: lines[0], Size: size, Root: [32]byte(root), Note: text}, nil
}

// Verify checks the signature by a public key, one line as `postern audit keygen` prints it. The error is an [ErrSignature] if there is none by that key.
func (c *Checkpoint) Verify(publicKey string) error {
	verifier, err := note.NewVerifier(publicKey)
	if err != nil {
		return fmt.Errorf("audit: public key: %w", err)
	}
	return c.verify(verifier)
}

func (c *Checkpoint) verify(verifier note.Verifier) error {
	if !c.Signed() {
		return fmt.Errorf("%w: the checkpoint of %d records is not signed", ErrSignature, c.Size)
	}
	opened, err := note.Open(c.Note, note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("%w: the checkpoint of %d records: %w", ErrSignature, c.Size, err)
	}
	if opened.Text != string(c.Note[:len(opened.Text)]) {
		return fmt.Errorf("%w: %w", ErrSignature, errCheckpoint)
	}
	return nil
}

// newCheckpoint makes the checkpoint of a tree, signed if there is a signer.
func newCheckpoint(log string, t *tree, signer *signer) (*Checkpoint, error) {
	root := t.root()
	text := log + "\n" + strconv.FormatInt(t.size, 10) + "\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"
	c := &Checkpoint{Log: log, Size: t.size, Root: root, Note: []byte(text + "\n")}
	if signer != nil {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return nil, fmt.Errorf("audit: sign checkpoint: %w", err)
		}
		c.Note = signed
	}
	return c, nil
}

// In the file, an empty line stands behind each checkpoint. One that is not signed ends with an empty line itself, so there are two.

func (c *Checkpoint) entry() []byte { return append(bytes.Clone(c.Note), '\n') }

// nextCheckpoint takes the first checkpoint off data. ok is false when data ends before it does: the file was cut short there.
func nextCheckpoint(data []byte) (c *Checkpoint, rest []byte, ok bool, err error) {
	i := bytes.Index(data, []byte("\n\n"))
	if i < 0 {
		if len(data) > checkpointLimit {
			err = fmt.Errorf("%w: too long", errCheckpoint)
		}
		return nil, data, false, err
	}
	end := i + 2
	for bytes.HasPrefix(data[end:], []byte(signatureMark)) {
		line := bytes.IndexByte(data[end:], '\n')
		if line < 0 {
			return nil, data, false, nil
		}
		end += line + 1
	}
	if end == len(data) {
		return nil, data, false, nil
	}
	if data[end] != '\n' {
		if bytes.HasPrefix([]byte(signatureMark), data[end:]) {
			return nil, data, false, nil // cut within the mark
		}
		return nil, data, false, fmt.Errorf("%w: no empty line behind it", errCheckpoint)
	}
	if c, err = ParseCheckpoint(data[:end:end]); err != nil {
		return nil, data, false, err
	}
	return c, data[end+1:], true, nil
}

// parseCheckpoints reads the file of checkpoints. torn is what stands behind the last whole one.
func parseCheckpoints(data []byte) (list []*Checkpoint, torn []byte, err error) {
	for len(data) > 0 {
		c, rest, ok, err := nextCheckpoint(data)
		if err != nil {
			return nil, nil, fmt.Errorf("checkpoint %d: %w", len(list)+1, err)
		}
		if !ok {
			return list, data, nil
		}
		list, data = append(list, c), rest
	}
	return list, nil, nil
}
