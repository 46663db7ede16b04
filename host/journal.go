package host

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/policies"
)

// A journal writes one session's records: it knows what is the same in all of them.
type journal struct {
	log    audit.Log
	common audit.Record
	full   bool // keep contents, not digests alone
	room   int  // how many bytes of contents the records of this exec may still keep
}

// What of contents is kept in full. Code decides how much there is; beyond this, digests have to do.
const (
	contentLimit = mib      // bytes of one content
	contentRoom  = 64 * mib // bytes of all contents of one exec
)

func (h *Host) newJournal(session string) journal {
	return journal{
		log:  h.audit,
		full: h.policy.Audit.Arguments != policies.ArgumentsDigest,
		common: audit.Record{
			Session: session, Policy: h.policy.Digest, Guest: h.guestDigest, Linked: h.linkedDigest,
		},
	}
}

// write appends a record of the given kind after fill has set what is its own.
func (j *journal) write(kind audit.Kind, fill func(*audit.Record)) error {
	r := j.common
	r.Kind, r.Time = kind, time.Now().UTC()
	fill(&r)
	if err := j.log.Append(&r); err != nil {
		return fmt.Errorf("%w: %w", ErrAudit, err)
	}
	return nil
}

// content is what a record keeps of bytes: always the digest, and the bytes, which must be JSON, if the policy says so.
func (j *journal) content(data []byte) (digest string, kept json.RawMessage) {
	if j.full && len(data) <= contentLimit && len(data) <= j.room {
		j.room -= len(data)
		kept = data
	}
	return audit.Digest(data), kept
}

// openAudit opens the log that a policy names.
func openAudit(policy *policies.Policy) (audit.Log, error) {
	folder := policy.Audit.Log
	switch {
	case folder == policies.LogNone:
		return audit.Discard, nil
	case folder == "":
		state, err := stateFolder()
		if err != nil {
			return nil, err
		}
		folder = filepath.Join(state, "postern", "audit")
	case !filepath.IsAbs(folder):
		folder = filepath.Join(filepath.Dir(policy.File), folder)
	}
	log, err := audit.NewFolder(folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	return log, nil
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
