package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/policies"
)

// A journal writes one session's records: it knows what is the same in all of them.
type journal struct {
	log    audit.Log
	common audit.Record
	full   bool // keep contents, not digests alone
	words  bool // keep the messages of the code's exceptions
	room   int  // how many bytes of contents the records of this exec may still keep

	record audit.Record // the one that is being written: logs and sinks do not keep it
}

// What of contents is kept in full. Code decides how much there is; beyond this, digests have to do.
const (
	contentLimit = mib      // bytes of one content
	contentRoom  = 64 * mib // bytes of all contents of one exec
)

// textLimit is how many bytes of words a record keeps. Code chooses what is in an exception or in the reason of a denial. Without a limit it
// could fill the disk, or make a record that no log takes, so that its run seems not to have ended.
const textLimit = 16 * kib

func shortened(text string) string {
	if len(text) <= textLimit {
		return text
	}
	end := textLimit
	for end > textLimit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

func (h *Host) newJournal(session string) journal {
	full := h.policy.Audit.Arguments != policies.ArgumentsDigest
	return journal{
		log:   h.audit,
		full:  full,
		words: full && len(h.policy.Audit.Redact) == 0,
		common: audit.Record{
			Version: audit.Version, Session: session, Policy: h.policy.Digest, Guest: h.guestDigest, Linked: h.linkedDigest,
		},
	}
}

// describe says in a session's first record what holds for all of it.
func (h *Host) describe(r *audit.Record) {
	r.PolicyName, r.PolicyFile, r.Versions, r.Labels = h.policy.Name, h.policy.File, &h.versions, h.config.Labels
	r.Limits = &audit.Limits{
		WallTime: h.limits.WallTime, Fuel: h.limits.Fuel, Memory: h.limits.Memory,
		Output: h.limits.Output, Result: h.limits.Result, HostCalls: h.limits.HostCalls,
	}
	r.Tools = h.recordTools()
}

// versions are those of this program.
func versions() audit.Versions {
	v := audit.Versions{Postern: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	const self = "github.com/postern-sandbox/postern"
	if info.Main.Path == self && info.Main.Version != "" {
		v.Postern = info.Main.Version
	}
	for _, dep := range info.Deps {
		switch dep.Path {
		case self:
			v.Postern = dep.Version
		case "github.com/tetratelabs/wazero":
			v.Wazero = dep.Version
		case "github.com/extism/go-sdk":
			v.Extism = dep.Version
		}
	}
	return v
}

// write appends a record of the given kind after fill has set what is its own.
func (j *journal) write(kind audit.Kind, fill func(*audit.Record)) error {
	r := &j.record
	*r = j.common
	r.Kind, r.Time = kind, time.Now().UTC()
	fill(r)
	for _, text := range []*string{&r.Reason, &r.Error, &r.Detail} {
		*text = shortened(*text)
	}
	if err := j.log.Append(r); err != nil {
		return fmt.Errorf("%w: %w", ErrAudit, err)
	}
	return nil
}

// content is what a record keeps of bytes: always the digest, and the bytes, which must be JSON, if the policy says so.
func (j *journal) content(data []byte) (digest string, kept json.RawMessage) {
	return audit.Digest(data), j.keep(data)
}

// keep is content without the digest.
func (j *journal) keep(data []byte) json.RawMessage {
	if !j.full || len(data) > contentLimit || len(data) > j.room {
		return nil
	}
	j.room -= len(data)
	return data
}

// digestOf is the digest of what there is, and nothing of nothing.
func digestOf(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	return audit.Digest(data)
}

// openAudit opens the log that the policy names.
func (h *Host) openAudit() (audit.Log, error) {
	folder, err := AuditFolder(h.policy)
	switch {
	case err != nil:
		return nil, err
	case folder == "":
		return audit.Discard, nil
	}
	settings := h.policy.Audit
	log, err := audit.Open(folder, audit.Options{
		Durability: audit.Durability(settings.Durability), Rotate: settings.Rotate, Key: besidePolicy(h.policy, settings.Key),
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	if lost := log.Lost(); lost != nil {
		h.logger.Warn("the audit log had an end that was not finished", "folder", folder, "lost_bytes", lost.LostBytes, "lost_records", lost.LostRecords)
	}
	if err := errors.Join(keepPolicy(folder, h.policy), h.keepDescriptions(folder)); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// keepPolicy puts the policy's text beside the records that name its digest, and those of the policies that it extends, each with a file that
// says which is the next: without them, nobody could say later what it permitted.
func keepPolicy(folder string, policy *policies.Policy) error {
	for ; policy != nil; policy = policy.Base {
		hash, ok := strings.CutPrefix(policy.Digest, "sha256:")
		text := policy.Source()
		if !ok || text == nil {
			return nil
		}
		if policy.Base != nil {
			if err := keepText(folder, hash+".extends", []byte(policy.Base.Digest+"\n")); err != nil {
				return err
			}
		}
		if err := keepText(folder, hash+".toml", text); err != nil {
			return err
		}
	}
	return nil
}

func keepText(folder, name string, text []byte) error {
	path := filepath.Join(folder, "policies", name)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := writeAside(path, func(file *os.File) error {
		if _, err := file.Write(text); err != nil {
			return err
		}
		return file.Sync()
	})
	if err != nil {
		return fmt.Errorf("%w: keep the policy: %w", ErrAudit, err)
	}
	return nil
}

// AuditFolder is the folder of a policy's audit log, or empty if it keeps none. A nil policy is one that says nothing about it.
func AuditFolder(policy *policies.Policy) (string, error) {
	if policy == nil {
		policy = new(policies.Policy)
	}
	switch policy.Audit.Log {
	case policies.LogNone:
		return "", nil
	case "":
		state, err := stateFolder()
		if err != nil {
			return "", err
		}
		return filepath.Join(state, "postern", "audit"), nil
	}
	return besidePolicy(policy, policy.Audit.Log), nil
}

// besidePolicy is a path that a policy names, relative to its own folder.
func besidePolicy(policy *policies.Policy, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(policy.File), path)
}

// stateFolder is where a user's programs keep what should outlive them and is not configuration: XDG_STATE_HOME or its
// default on Unix, the configuration folder on systems that make no difference.
func stateFolder() (string, error) {
	if folder := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(folder) {
		return folder, nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		folder, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("host: no folder for the audit log: %w", err)
		}
		return folder, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("host: no folder for the audit log: %w", err)
	}
	return filepath.Join(home, ".local", "state"), nil
}
