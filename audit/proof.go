package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A proof shows that a record is in a log, without the log. Its form is that of c2sp.org/tlog-proof; the extra data is the record's line.

const proofHeader = "c2sp.org/tlog-proof@v1"

var errProof = errors.New("audit: malformed proof")

// A Proof is what a proof shows.
type Proof struct {
	Number     int64
	Line       []byte // the record, as in the log
	Checkpoint *Checkpoint
}

// Prove makes a proof that the record of a number is in the log that the checkpoint is of; nil is the log's own last checkpoint. The file says itself that it
// is right: it is checked before it is returned.
func Prove(folder string, number int64, checkpoint *Checkpoint) ([]byte, error) {
	if checkpoint == nil {
		var err error
		if checkpoint, err = LastCheckpoint(folder); err != nil {
			return nil, err
		}
	}
	if number < 0 || number >= checkpoint.Size {
		return nil, fmt.Errorf("audit: the checkpoint is of %d records, 0 to %d: there is no record %d in it", checkpoint.Size, checkpoint.Size-1, number)
	}
	line, err := findLine(folder, number)
	if err != nil {
		return nil, err
	}
	hashes, err := openRegular(filepath.Join(folder, hashesFile))
	if err != nil {
		return nil, err
	}
	defer hashes.Close()
	proof, err := tlog.ProveRecord(checkpoint.Size, number, hashFile{hashes})
	if err == nil {
		err = tlog.CheckRecord(proof, checkpoint.Size, checkpoint.Root, number, tlog.RecordHash(line))
	}
	if err != nil {
		return nil, damaged("record %d cannot be proved: %v", number, err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(line), number)
	for _, hash := range proof {
		fmt.Fprintln(&out, base64.StdEncoding.EncodeToString(hash[:]))
	}
	out.WriteByte('\n')
	out.Write(checkpoint.Note)
	return out.Bytes(), nil
}

// LastCheckpoint reads the last checkpoint of a log. It does not look whether the log agrees with it.
func LastCheckpoint(folder string) (*Checkpoint, error) {
	file, err := openRegular(filepath.Join(folder, checkpointsFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("audit: read checkpoints: %w", err)
	}
	list, _, err := lastCheckpoints(file, 0, info.Size())
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("audit: the log in %q has no checkpoint", folder)
	}
	return list[len(list)-1], nil
}

func findLine(folder string, number int64) ([]byte, error) {
	list, err := files(folder)
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] > number {
			continue
		}
		file, err := openRegular(path(folder, list[i]))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		reader := newLineReader(file)
		for at := list[i]; ; at++ {
			line, whole, err := reader.next()
			switch {
			case errors.Is(err, io.EOF), err == nil && !whole:
				return nil, damaged("record %d is missing", number)
			case err != nil:
				return nil, fmt.Errorf("audit: read log: %w", err)
			case at == number:
				return bytes.Clone(line), nil
			}
		}
	}
	return nil, damaged("record %d is missing", number)
}

// CheckProof checks a proof. Its checkpoint must be the given one or, if that is nil, be signed by the public key.
func CheckProof(data []byte, publicKey string, kept *Checkpoint) (*Proof, error) {
	if kept == nil && publicKey == "" {
		return nil, errors.New("audit: a proof is nothing without the public key, or a checkpoint that was kept elsewhere")
	}
	proof, hashes, err := parseProof(data)
	if err != nil {
		return nil, err
	}
	c := proof.Checkpoint
	if kept != nil && (kept.Log != c.Log || kept.Size != c.Size || kept.Root != c.Root) {
		return nil, fmt.Errorf("%w: its checkpoint, of %d records, is not the one given, of %d", ErrDamaged, c.Size, kept.Size)
	}
	if publicKey != "" {
		verifier, err := note.NewVerifier(publicKey)
		if err != nil {
			return nil, fmt.Errorf("audit: public key: %w", err)
		}
		if err := c.verify(verifier); err != nil {
			return nil, err
		}
	}
	if err := tlog.CheckRecord(hashes, c.Size, c.Root, proof.Number, tlog.RecordHash(proof.Line)); err != nil {
		return nil, fmt.Errorf("%w: the record is not in the log of the checkpoint", ErrDamaged)
	}
	if !bytes.HasPrefix(proof.Line, numberPrefix(proof.Number)) {
		return nil, fmt.Errorf("%w: the record does not say that it is number %d", ErrDamaged, proof.Number)
	}
	return proof, nil
}

func parseProof(data []byte) (*Proof, tlog.RecordProof, error) {
	if len(data) > 2*lineLimit {
		return nil, nil, fmt.Errorf("%w: too long", errProof)
	}
	head, rest, ok := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] != proofHeader {
		return nil, nil, fmt.Errorf("%w: it does not begin with %q, extra and index", errProof, proofHeader)
	}
	extra, ok := strings.CutPrefix(lines[1], "extra ")
	line, err := base64.StdEncoding.Strict().DecodeString(extra)
	if !ok || err != nil {
		return nil, nil, fmt.Errorf("%w: no record", errProof)
	}
	index, ok := strings.CutPrefix(lines[2], "index ")
	number, err := strconv.ParseInt(index, 10, 64)
	if !ok || err != nil || number < 0 || strconv.FormatInt(number, 10) != index {
		return nil, nil, fmt.Errorf("%w: index %.40q", errProof, index)
	}
	if len(lines) > 3+64 {
		return nil, nil, fmt.Errorf("%w: too many hashes", errProof)
	}
	var hashes tlog.RecordProof
	for _, text := range lines[3:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(hash) != tlog.HashSize {
			return nil, nil, fmt.Errorf("%w: hash %.60q", errProof, text)
		}
		hashes = append(hashes, tlog.Hash(hash))
	}
	c, err := ParseCheckpoint([]byte(rest))
	if err != nil {
		return nil, nil, err
	}
	if number >= c.Size {
		return nil, nil, fmt.Errorf("%w: index %d in a log of %d records", errProof, number, c.Size)
	}
	return &Proof{Number: number, Line: line, Checkpoint: c}, hashes, nil
}
