package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/values"
)

// Config says what a Service needs. Durations of zero are the defaults.
type Config struct {
	Folder string    // with policies/CUSTOMER.toml and data/CUSTOMER.csv
	Audit  audit.Log // of all customers; their records are told apart by a label
	Logger hclog.Logger

	Sessions int           // of one customer at once; 0 is one for each processor
	Wait     time.Duration // how long a request waits for its turn: 1 s
	Deadline time.Duration // how long a request may take altogether: 15 s
}

// A Service answers POST /customers/NAME/formula. It is safe for concurrent use.
type Service struct {
	config  Config
	handler http.Handler
	running context.Context
	stop    context.CancelFunc

	mu        sync.Mutex
	closed    bool
	customers map[string]*opening
}

// NewService makes a service. It has no hosts yet: each is made when its customer first asks.
func NewService(config Config) (*Service, error) {
	if config.Folder == "" || config.Audit == nil {
		return nil, errors.New("a service needs a folder and an audit log")
	}
	if config.Logger == nil {
		config.Logger = hclog.NewNullLogger()
	}
	if config.Sessions == 0 {
		config.Sessions = runtime.GOMAXPROCS(0)
	}
	if config.Wait == 0 {
		config.Wait = time.Second
	}
	if config.Deadline == 0 {
		config.Deadline = 15 * time.Second
	}
	s := &Service{config: config, customers: make(map[string]*opening)}
	s.running, s.stop = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /customers/{name}/formula", s.formula)
	s.handler = mux
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close stops what still runs and closes all hosts. The audit log stays open.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	var errs []error
	for _, o := range s.customers { // nobody adds any now
		if <-o.done; o.err == nil {
			errs = append(errs, o.customer.host.Close())
		}
	}
	return errors.Join(errs...)
}

// maxBody is how large a request may be, in bytes.
const maxBody = 256 << 10

// A request is a formula and the variables that it uses.
type request struct {
	Formula string          `json:"formula"`
	Values  json.RawMessage `json:"values"`
}

// An answer is what a customer gets. Value is encoded as in docs/abi.md.
type answer struct {
	Value json.RawMessage `json:"value,omitempty"`
	Repr  *string         `json:"repr,omitempty"`
	Error *problem        `json:"error,omitempty"`
}

type problem struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Line    *int   `json:"line,omitempty"`
	Limit   string `json:"limit,omitempty"`
}

func (s *Service) formula(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Deadline)
	defer cancel()
	var asked request
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	variables, err := readValues(asked.Values)
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	c, err := s.customer(ctx, r.PathValue("name"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	result, err := s.run(ctx, c.pool, asked.Formula, variables)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	reply(w, status(result), answerOf(result))
}

// readValues reads an object as package values does: integers stay integers, and its tags are understood.
func readValues(text json.RawMessage) (map[string]any, error) {
	if text == nil {
		return nil, nil
	}
	v, err := values.Decode(text)
	if err != nil {
		return nil, err
	}
	dict, ok := v.(*values.Dict)
	if !ok {
		return nil, errors.New("values is not an object")
	}
	variables, ok := dict.StringMap()
	if !ok {
		return nil, errors.New("values has names that are not strings")
	}
	return variables, nil
}

// errBusy says that a customer has as many formulas running as it may, and they took too long.
var errBusy = errors.New("too many formulas are running")

// run runs a formula in a clean session.
func (s *Service) run(ctx context.Context, pool *host.Pool, formula string, variables map[string]any) (*host.Result, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, s.config.Wait, errBusy)
	session, err := pool.Get(waiting)
	cancel()
	if err != nil {
		if ctx.Err() == nil && errors.Is(context.Cause(waiting), errBusy) {
			return nil, errBusy
		}
		return nil, err
	}
	defer pool.Put(session)
	if len(variables) > 0 {
		if result, err := session.Set(ctx, variables); err != nil || !result.OK {
			return result, err
		}
	}
	return session.Exec(ctx, formula, host.ExecOptions{Filename: "formula"})
}

// status says in HTTP's words what came of a formula.
func status(r *host.Result) int {
	switch {
	case r.OK:
		return http.StatusOK
	case r.Error.Denied:
		return http.StatusForbidden
	default: // it raised, or reached a limit: running it again would be no different
		return http.StatusUnprocessableEntity
	}
}

func answerOf(r *host.Result) answer {
	if r.OK {
		return answer{Value: r.Value, Repr: r.Repr}
	}
	return answer{Error: &problem{Type: r.Error.Type, Message: r.Error.Message, Line: r.Error.Line, Limit: r.Error.Limit}}
}

// fail answers when there is no result.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errNoCustomer):
		refuse(w, http.StatusNotFound, "NotFound", err.Error())
	case errors.Is(err, host.ErrTooLarge) || errors.Is(err, host.ErrNotUTF8):
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, "Busy", err.Error())
	case r.Context().Err() != nil: // nobody listens any more
	case errors.Is(err, errPreparing):
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "Preparing", errPreparing.Error())
	case errors.Is(err, host.ErrClosed) || s.running.Err() != nil:
		refuse(w, http.StatusServiceUnavailable, "Closing", "the service is being stopped")
	case errors.Is(err, context.DeadlineExceeded):
		refuse(w, http.StatusGatewayTimeout, "Deadline", "the request took too long")
	default:
		s.config.Logger.Error("a formula could not be run", "customer", r.PathValue("name"), "error", err)
		refuse(w, http.StatusInternalServerError, "Internal", "the service has failed")
	}
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	reply(w, status, answer{Error: &problem{Type: kind, Message: message}})
}

func reply(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(a) // an error means that nobody listens
}
