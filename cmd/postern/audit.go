package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

func auditVerbs() []verb {
	return []verb{
		{"show", "print the log as a timeline", (*cli).auditShow},
		{"verify", "say whether the log is what was written", (*cli).auditVerify},
		{"checkpoint", "print the last checkpoint, to keep elsewhere", (*cli).auditCheckpoint},
		{"prove", "make a proof that a record is in the log", (*cli).auditProve},
		{"replay", "run recorded sessions again and compare", (*cli).auditReplay},
		{"keygen", "make the key that signs a log", (*cli).auditKeygen},
	}
}

func (c *cli) audit(args []string) int {
	return c.group("audit COMMAND [DIR]", "Works on the audit log in a folder; without DIR, on the log of policies that name none.", auditVerbs(), args)
}

// exitDiffers is for what is not as it should be: a log, a replay, the form of a policy, a test.
const exitDiffers = 1

// logFolder is the folder that a verb works on: the one that is named, or the default one.
func logFolder(args []string) (string, error) {
	switch {
	case len(args) > 1:
		return "", usageError("", "more than one folder: %s", strings.Join(args, " "))
	case len(args) == 0:
		return host.AuditFolder(nil)
	}
	info, err := os.Stat(args[0])
	switch {
	case err != nil:
		return "", usageError("", "%v", err)
	case !info.IsDir():
		return "", usageError("name the folder that the file is in", "%s is not a folder", args[0])
	}
	return args[0], nil
}

// failLog reports what is wrong with a log.
func (c *cli) failLog(err error) int {
	if errors.Is(err, audit.ErrDamaged) || errors.Is(err, audit.ErrSignature) {
		c.errorf("%s", strings.TrimPrefix(err.Error(), "audit: "))
		return exitDiffers
	}
	return c.fail(usageError("", "%s", strings.TrimPrefix(err.Error(), "audit: ")))
}

// publicKey reads what --key gives: a file, or the key itself.
func publicKey(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := os.Stat(text); err != nil && strings.Count(text, "+") >= 2 {
		return text, nil
	}
	key, err := audit.ReadPublicKey(text)
	if err != nil {
		return "", usageError("", "%s", strings.TrimPrefix(err.Error(), "audit: "))
	}
	return key, nil
}

// keptCheckpoint reads what --checkpoint gives.
func keptCheckpoint(path string) (*audit.Checkpoint, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readFile(path, 1<<20)
	if err != nil {
		return nil, err
	}
	kept, err := audit.ParseCheckpoint(text)
	if err != nil {
		return nil, usageError("it is what `postern audit checkpoint` prints", "%s: %s", path, strings.TrimPrefix(err.Error(), "audit: "))
	}
	return kept, nil
}

func (c *cli) auditVerify(args []string) int {
	f := c.newFlags("audit verify [--key F] [--checkpoint F] [DIR | --proof F]", `Reads the whole log and holds it to its signed checkpoints. Prints nothing and exits 0 when each record is the one that was written;
otherwise names the first that is not, and exits 1. Whoever can write the folder and has the key, or finds the log without one, can make a log that
agrees with itself: what was kept elsewhere, --key and above all --checkpoint, is what tells. With --proof, checks a proof that audit prove has made and prints the record that it proves; no log is needed.`)
	keyText := f.String("key", "", "the public `KEY` that must have signed, or its file; without it, key.pub in the folder")
	checkpointPath := f.String("checkpoint", "", "the `FILE` of a checkpoint that was kept elsewhere: the log must be the same up to there")
	proofPath := f.String("proof", "", "check the proof in `FILE`")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	key, err := publicKey(*keyText)
	if err != nil {
		return c.fail(err)
	}
	kept, err := keptCheckpoint(*checkpointPath)
	if err != nil {
		return c.fail(err)
	}
	if *proofPath != "" {
		return c.verifyProof(*proofPath, key, kept, rest)
	}
	folder, err := logFolder(rest)
	if err != nil {
		return c.fail(err)
	}
	v, err := audit.Verify(folder, audit.VerifyOptions{PublicKey: key, Checkpoint: kept})
	if err != nil {
		return c.failLog(err)
	}
	switch {
	case v.Signed || kept != nil:
	case v.Last != nil && v.Last.Signed():
		fmt.Fprintln(c.stderr, "note: the signatures were not checked: there is no public key in the folder, and none is given with --key")
	default:
		fmt.Fprintln(c.stderr, "note: the log is not signed: this finds accidents, and not whoever can write the folder")
		c.hintf("keep what `postern audit checkpoint` prints elsewhere, and give it to --checkpoint; `postern audit keygen` makes a key")
	}
	if left := v.Records - v.Covered; left > 0 {
		fmt.Fprintf(c.stderr, "note: the last %s after the last checkpoint, and not covered by it\n", plural(left, "record is", "records are"))
	}
	return exitOK
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

func (c *cli) verifyProof(path, key string, kept *audit.Checkpoint, rest []string) int {
	if key == "" && kept == nil && len(rest) == 1 {
		var err error
		if key, err = audit.ReadPublicKey(filepath.Join(rest[0], audit.PublicKeyFile)); err != nil {
			return c.failLog(err)
		}
	} else if len(rest) > 0 {
		return c.fail(usageError("", "unexpected argument %q", rest[0]))
	}
	if key == "" && kept == nil {
		return c.fail(usageError("give the public key with --key, or a checkpoint that you trust with --checkpoint", "by what the proof is to be checked is not given"))
	}
	data, err := readFile(path, 64<<20)
	if err != nil {
		return c.fail(err)
	}
	proof, err := audit.CheckProof(data, key, kept)
	if err != nil {
		c.errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "audit: "))
		return exitDiffers
	}
	if err := writeUntrusted(c.stdout, string(proof.Line)+"\n"); err != nil {
		return c.fail(err)
	}
	return exitOK
}

func (c *cli) auditCheckpoint(args []string) int {
	f := c.newFlags("audit checkpoint [DIR]", `Prints the log's last checkpoint: its name, how many records, the hash of them all, and the signature if there is a key. Kept where those
who can write the log cannot write, it shows later that nothing up to there was changed: postern audit verify --checkpoint FILE.`)
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	folder, err := logFolder(rest)
	if err != nil {
		return c.fail(err)
	}
	checkpoint, err := audit.LastCheckpoint(folder)
	if err != nil {
		return c.failLog(err)
	}
	if err := writeUntrusted(c.stdout, string(checkpoint.Note)); err != nil {
		return c.fail(err)
	}
	return exitOK
}

func (c *cli) auditProve(args []string) int {
	const usage = "audit prove [--checkpoint F] [-o FILE] N [DIR]"
	f := c.newFlags(usage, `Makes a proof that record number N is in the log, for somebody who does not have the log: postern audit verify --proof FILE --key KEY checks it.
The proof holds the record as it is; it shows nothing else of the log.`)
	checkpointPath := f.String("checkpoint", "", "prove against the checkpoint in `FILE`; without it, the log's last")
	out := f.String("o", "-", "the `FILE` to write, N.tlog-proof for example; - is stdout")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(rest) == 0 {
		return c.fail(usageError("usage: postern "+usage, "which record is not given"))
	}
	number, err := strconv.ParseInt(rest[0], 10, 64)
	if err != nil {
		return c.fail(usageError("usage: postern "+usage, "%q is not the number of a record", rest[0]))
	}
	folder, err := logFolder(rest[1:])
	if err != nil {
		return c.fail(err)
	}
	kept, err := keptCheckpoint(*checkpointPath)
	if err != nil {
		return c.fail(err)
	}
	proof, err := audit.Prove(folder, number, kept)
	if err != nil {
		return c.failLog(err)
	}
	if *out == "-" {
		_, err = c.stdout.Write(proof)
	} else {
		err = os.WriteFile(*out, proof, 0o644)
	}
	if err != nil {
		return c.fail(usageError("", "%v", err))
	}
	return exitOK
}

func (c *cli) auditKeygen(args []string) int {
	f := c.newFlags("audit keygen [--name NAME] [-o FILE] [DIR]", `Makes the key that signs a log's checkpoints: the private one in DIR/key, for its owner only, the public one in DIR/key.pub and on stdout. A log that is in DIR
already is signed as it is now, so look at it first; from then on it needs its key. With -o, the keys are FILE and FILE.pub, for a policy that names
FILE as key in [audit]; the log in DIR, if that is given, is signed with it. Keep the public key elsewhere too: it is what audit verify --key holds the log to.`)
	name := f.String("name", "postern-audit", "the `NAME` in each signature: no spaces, no plus")
	out := f.String("o", "", "the `FILE` of the private key")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	path, folder := *out, ""
	if path == "" || len(rest) > 0 {
		var err error
		if folder, err = keyFolder(rest); err != nil {
			return c.fail(err)
		}
	}
	if path == "" {
		path = filepath.Join(folder, audit.KeyFile)
	}
	public, err := audit.GenerateKey(path, *name)
	switch {
	case errors.Is(err, os.ErrExist):
		return c.fail(usageError("a log has one key; remove it yourself if it never signed anything", "there is a key already: %s", path))
	case err != nil:
		return c.failLog(err)
	}
	fmt.Fprintln(c.stdout, public)
	if folder == "" {
		return exitOK
	}
	if reader, err := audit.OpenReader(folder); err == nil {
		reader.Close()
		signed, err := audit.Adopt(folder, audit.Options{Key: path})
		if err != nil {
			os.Remove(path)
			os.Remove(path + ".pub")
			return c.failLog(err)
		}
		fmt.Fprintf(c.stderr, "the log in %s is signed, with the %s in it\n", folder, plural(signed.Size, "record", "records"))
	}
	return exitOK
}

// keyFolder is logFolder for a folder that may not be there yet.
func keyFolder(args []string) (string, error) {
	if len(args) == 0 {
		folder, err := host.AuditFolder(nil)
		if err != nil {
			return "", err
		}
		args = []string{folder}
	}
	if len(args) == 1 {
		if err := os.MkdirAll(args[0], 0o700); err != nil {
			return "", usageError("", "%v", err)
		}
	}
	return logFolder(args)
}
