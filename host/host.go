package host

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/packages"
	"github.com/postern-sandbox/postern/policies"
)

// Config says what a host runs. The zero Config runs CPython that may do nothing but compute, under the default limits.
type Config struct {
	// Policy says what code may do. Nil grants nothing and has the default limits.
	Policy *policies.Policy

	// Capabilities are what the policy can grant. Nil is the empty registry.
	Capabilities *capabilities.Registry

	// Guest is the interpreter. The zero Guest is the CPython of package guest.
	Guest Guest

	// Plugins reads the file of a plugin that the policy names, or of its description: path is that of the policy's folder joined with what the policy
	// says. Nil reads it from the disk. New alone calls it.
	Plugins func(path string) ([]byte, error)

	// Packages is the lock of the packages that the policy names, and its folder has their wheels. Empty means
	// packages/packages.lock beside the policy's file.
	Packages string

	// Linked, if not nil, is a module to run in place of the one that New would link from Guest. Its imports must
	// be the policy's grants, and it must be metered. That it counts its fuel honestly is taken from
	// whoever made it: link it yourself or compare its digest.
	Linked []byte

	// Cache is the folder of compiled code, linked modules and images of started guests. It may be deleted at any time. Empty means the folder "postern" in the user's cache folder, and
	// NoCache none. It is created for its owner only; one that cannot be used is reported to the
	// logger and done without. Whoever can write there can run code in this process.
	Cache string

	// Logger gets what an operator wants to know and an agent must not: details of faults, the guest's last words; and
	// at level Info each audit record. Nil means none. Nothing that it gets replaces the audit log.
	Logger hclog.Logger

	// Audit takes the records of all sessions, and stays open when the host is closed. Nil means the log that the policy
	// names; that one is closed with the host.
	Audit audit.Log

	// Sinks are told of each record once the log has it: for traces, counters and the like. They cannot refuse one.
	Sinks []audit.Sink

	// Labels are in the record of each session's beginning: whatever tells the embedder's sessions apart.
	Labels map[string]string

	// Replay, if not nil, answers all host calls: nothing is decided, and no capability is called. Package audit/replay runs
	// recorded sessions again with it.
	Replay Replay

	// Approver asks a human where the policy says approve. Nil means that there is nobody to ask: such calls are denied.
	Approver Approver

	// ApprovalTimeout is how long the approver may take for one question. It is not part of limits.wall_time. Zero means 5 minutes.
	ApprovalTimeout time.Duration

	// Spare is how many interpreters of closed sessions are put back to what a new one is and kept for new sessions, which
	// then begin in a fraction of the time. Each takes up to about two megabytes. 0 means one for each processor, [NoSpare] none.
	Spare int

	// Progress, if not nil, is called by New when a stage begins: "link", "check", "compile", "boot".
	Progress func(stage string)
}

// Replay gives the answer, in JSON as docs/abi.md has it, to a call of a capability in a session of this host, whose ID is given: exec and call are numbers from 1. arguments are
// those that a record would have, nil if the request was malformed. After an error the guest gets an exception.
type Replay func(session string, exec, call int, capability string, arguments []byte) (answer []byte, err error)

// Guest is a Python interpreter for the ABI of docs/abi.md, before linking.
type Guest struct {
	// Wasm returns the base module. It is not called when Config.Linked is given.
	Wasm func() ([]byte, error)

	// Digest identifies the guest in results and audit records, "sha256:…": the module and whatever else it consists of. If it is
	// empty, the digest of the base module stands for it.
	Digest string

	// Files returns the file system that the guest sees as "/", read-only, cut down to what the modules of
	// a policy need. It must be safe for concurrent use and must not lead out of memory. Nil means no files.
	Files func(imports []string) (fs.FS, error)

	// Modules returns the names of the modules that a policy could let code import, for hints. Nil means that nobody knows.
	Modules func() ([]string, error)
}

// A Host is one policy made ready to run. It is safe for concurrent use, and so are its sessions each on its own.
type Host struct {
	config    Config
	policy    *policies.Policy
	limits    policies.Limits
	bounds    bounds
	registry  *capabilities.Registry // of the capabilities that were given, and of the policy's tools
	functions []*granted             // in the order of their indices
	tools     []*tool
	tool      *tool // the one that this host runs, if it is the host of one
	rates     policies.Rates
	logger    hclog.Logger

	guestDigest, linkedDigest string
	baseDigest                string // of the guest without the policy's packages
	packages                  *packages.Set

	audit     audit.Log
	ownsAudit bool
	versions  audit.Versions

	configuration []byte
	cache         *cache // nil: none
	program       *program
	codec         func() (*codec, error)

	closing context.Context // done when Close begins
	stop    context.CancelFunc

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{}
	running  sync.WaitGroup // of calls into sessions
}

// New links, checks and compiles the guest for a policy: seconds the first time, a tenth of one when the compiled code
// is in the cache. The context ends New early; it does not concern the host that is returned.
func New(ctx context.Context, config Config) (*Host, error) {
	h := &Host{
		config:   config,
		policy:   config.Policy,
		logger:   config.Logger,
		sessions: make(map[*Session]struct{}),
		program:  &program{spareLimit: config.spareInstances()},
	}
	if h.policy == nil {
		h.policy = new(policies.Policy)
	}
	if h.logger == nil {
		h.logger = hclog.NewNullLogger()
	}
	if h.config.Guest.Wasm == nil && h.config.Guest.Files == nil {
		h.config.Guest = Guest{Wasm: guest.Wasm, Digest: guest.Digest(), Files: guest.Files, Modules: guest.Modules}
	}
	h.limits = h.policy.Limits.WithDefaults()
	h.bounds = boundsOf(h.limits)
	h.codec = sync.OnceValues(h.newCodec)
	h.closing, h.stop = context.WithCancel(context.Background())

	if err := h.prepare(ctx); err != nil {
		h.stop()
		return nil, errors.Join(err, h.release())
	}
	return h, nil
}

// prepare does what New does. What it has opened when it fails, the caller releases.
func (h *Host) prepare(ctx context.Context) error {
	var err error
	if h.config.Cache != NoCache && h.cache == nil {
		if h.cache, err = openCache(h.config.Cache); err != nil {
			h.logger.Warn("working without a cache", "error", err)
		}
	}
	if err := h.openTools(ctx); err != nil {
		return err
	}
	if h.registry, err = h.withTools(); err != nil {
		return err
	}
	if h.functions, err = grantedFunctions(h.policy, h.registry); err != nil {
		return err
	}
	if err := redactions(h.policy, h.registry, h.functions); err != nil {
		return err
	}
	if err := h.loadPackages(); err != nil {
		return err
	}
	if err := h.identifyGuest(); err != nil {
		return err
	}
	if h.configuration, err = h.configure(); err != nil {
		return err
	}
	if err := h.openFiles(); err != nil {
		return err
	}
	symbols := h.symbols()
	module, image := h.fromCache(symbols)
	h.program.image = image
	if module == nil {
		if module, err = h.linkModule(symbols); err != nil {
			return err
		}
	}
	h.linkedDigest = module.linked
	h.progress("compile")
	if h.program.compiled, err = h.compile(ctx, module); err != nil {
		return err
	}
	if h.program.image == nil {
		if h.program.image, err = h.makeImage(ctx, module, symbols); err != nil {
			return err
		}
	}
	if h.audit = h.config.Audit; h.audit == nil {
		if h.audit, err = h.openAudit(); err != nil {
			return err
		}
		h.ownsAudit = true
	}
	h.versions = versions()
	h.audit = audit.WithSinks(h.audit, append([]audit.Sink{audit.NewLogger(h.logger)}, h.config.Sinks...)...)
	return nil
}

// release frees what prepare has opened.
func (h *Host) release() error {
	errs := []error{h.program.close()}
	for _, t := range h.tools {
		errs = append(errs, t.close())
	}
	if h.cache != nil {
		// The machine code belongs to the cache: not before the runtime is gone.
		errs = append(errs, h.cache.code.Close(context.Background()))
	}
	if h.ownsAudit {
		errs = append(errs, h.audit.Close())
	}
	return errors.Join(errs...)
}

func (h *Host) progress(stage string) {
	if h.config.Progress != nil {
		h.config.Progress(stage)
	}
}

// Close stops what runs, waits for it, and closes all sessions. Calls that it stops return [ErrClosed]. A capability that
// does not heed its context delays it. Closing again does nothing.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.stop()
	h.mu.Unlock()
	h.running.Wait()

	var errs []error
	for s := range h.sessions {
		errs = append(errs, s.end())
	}
	errs = append(errs, h.program.closeSpare())
	return errors.Join(append(errs, h.release())...)
}

// begin keeps the host open until end.
func (h *Host) begin() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	h.running.Add(1)
	return nil
}

func (h *Host) end() { h.running.Done() }

func (h *Host) enlist(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = struct{}{}
}

func (h *Host) dismiss(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
}
