package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/host"
)

const batchUsage = "batch [--policy F] [--workers N] [IN.jsonl | -] > OUT.jsonl"

// lineLimit is the longest line of a batch in bytes: code of codeLimit, were each byte of it escaped.
const lineLimit = 6*codeLimit + 1024

func (c *cli) batch(args []string) int {
	f := c.newFlags(batchUsage, `Runs many programs, each in a session of its own. A line of input is {"id": …, "code": "…"}; for each there is a line of
output, in the order of the input: the object of postern run --json, with the id. The id is a string or a number and may be left out; other
members are ignored. Memory does not grow with the number of lines. Progress is reported on stderr.

Exit codes: 0 when every line was run, whatever came of its code; 2 when lines were skipped because they were not such objects: each
is named on stderr as FILE:LINE.`)
	policyPath := f.String("policy", "", "the policy `FILE`")
	workers := f.Int("workers", 0, "run `N` programs at once; 0 is one for each processor")
	logger := f.logLevel()
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	name, input, err := c.batchInput(rest)
	if err != nil {
		return c.fail(err)
	}
	defer input.Close()
	log, err := logger()
	switch {
	case err != nil:
		return c.fail(usageError("", "%v", err))
	case *workers < 0 || *workers > 10_000:
		return c.fail(usageError("", "--workers: %d is not between 0 and 10000", *workers))
	case *workers == 0:
		*workers = runtime.GOMAXPROCS(0)
	}
	h, err := c.newHost(*policyPath, "", nil, log)
	if err != nil {
		return c.fail(err)
	}
	b := &batch{cli: c, name: name, begun: time.Now()}
	err = b.run(h.Host, input, *workers)
	if err = errors.Join(err, h.Close()); err != nil {
		return c.fail(err)
	}
	if b.bad > 0 {
		return exitUsage
	}
	return exitOK
}

func (c *cli) batchInput(args []string) (name string, input io.ReadCloser, err error) {
	const hint = "usage: postern " + batchUsage
	switch {
	case len(args) == 0:
		return "", nil, usageError(hint, "no input")
	case len(args) > 1:
		return "", nil, usageError(hint, "more than one input")
	case args[0] == "-":
		return "<stdin>", io.NopCloser(c.stdin), nil
	}
	file, err := os.Open(args[0])
	if err != nil {
		return "", nil, usageError("", "%v", err)
	}
	return args[0], file, nil
}

// A batch reads lines, runs them at once, and writes what came of them in order.
type batch struct {
	cli   *cli
	name  string // of the input
	begun time.Time

	mu               sync.Mutex // of the counts, and of stderr
	ran, failed, bad int
	shown            time.Time
}

// A job is one line.
type job struct {
	id     json.RawMessage
	code   string
	done   chan struct{} // closed when result or err is there
	result *host.Result
	err    error
}

// batchResult is a line of output.
type batchResult struct {
	ID json.RawMessage `json:"id,omitempty"`
	*host.Result
}

func (b *batch) run(h *host.Host, input io.Reader, workers int) error {
	pool, err := h.NewPool(host.PoolConfig{Sessions: workers})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(b.cli.ctx)
	defer stop()

	// What waits to be written is bounded by the queue: a slow line holds up the reader, not the others that are under way.
	queue, work := make(chan *job, 2*workers), make(chan *job)
	var readErr error
	go func() {
		defer close(queue)
		defer close(work)
		readErr = b.read(ctx, input, queue, work)
	}()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for j := range work {
				j.err = pool.Do(ctx, func(s *host.Session) (err error) {
					j.result, err = s.Exec(ctx, j.code, host.ExecOptions{})
					return err
				})
				close(j.done)
			}
		})
	}
	err = b.write(ctx, queue)
	b.report(true)
	if err != nil {
		return err // the reader may still wait for input; what it would read, nobody asks for
	}
	running.Wait()
	return readErr
}

// read makes a job of each line, and puts it into the queue before it is worked on, so that the queue has the order of the lines.
func (b *batch) read(ctx context.Context, input io.Reader, queue, work chan<- *job) error {
	lines := bufio.NewReaderSize(input, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(lines)
		if err != nil && !errors.Is(err, errLongLine) {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		j := &job{done: make(chan struct{})}
		if err == nil {
			j.id, j.code, err = parseLine(line)
		}
		if err != nil {
			b.skip(err, number)
			continue
		}
		for _, to := range []chan<- *job{queue, work} {
			select {
			case to <- j:
			case <-ctx.Done():
				j.err = context.Cause(ctx)
				close(j.done)
				return j.err
			}
		}
	}
}

// write writes the results in the order of the queue, up to the first that could not be had.
func (b *batch) write(ctx context.Context, queue <-chan *job) error {
	out := bufio.NewWriter(b.cli.stdout)
	for {
		if len(queue) == 0 {
			out.Flush() // whoever reads should see what there is
		}
		var j *job
		select {
		case j = <-queue:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), out.Flush())
		}
		if j == nil {
			return out.Flush()
		}
		<-j.done
		if j.err != nil {
			return errors.Join(j.err, out.Flush())
		}
		if err := writeJSON(out, batchResult{j.id, j.result}); err != nil {
			return err
		}
		b.mu.Lock()
		b.ran++
		if !j.result.OK {
			b.failed++
		}
		b.mu.Unlock()
		b.report(false)
	}
}

var errLongLine = fmt.Errorf("longer than %d MiB", lineLimit>>20)

// readLine returns the next line without its end. One that is too long is read to its end and is an error; at the end of
// the input the error is io.EOF.
func readLine(r *bufio.Reader) (line []byte, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > lineLimit; !long {
			line = append(line, part...)
		} else {
			line = nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)) && !long:
			return nil, err
		case long:
			return nil, errLongLine
		}
		return line, nil
	}
}

// parseLine reads one line of the input.
func parseLine(line []byte) (id json.RawMessage, code string, err error) {
	var fields struct {
		ID   json.RawMessage `json:"id"`
		Code any             `json:"code"`
	}
	if !utf8.Valid(line) {
		return nil, "", errors.New("not UTF-8")
	}
	if err := json.Unmarshal(line, &fields); err != nil {
		return nil, "", fmt.Errorf(`not a JSON object with "code": %w`, err)
	}
	code, ok := fields.Code.(string)
	if !ok {
		return nil, "", errors.New(`there is no "code" that is a string`)
	}
	if len(code) > codeLimit {
		return nil, "", fmt.Errorf("the code is larger than %d MiB", codeLimit>>20)
	}
	if len(fields.ID) > 0 && (bytes.IndexByte([]byte(`{[tf`), fields.ID[0]) >= 0 || len(fields.ID) > 1000) {
		return nil, "", errors.New("the id is not a string or a number of at most 1000 bytes")
	}
	if string(fields.ID) == "null" {
		fields.ID = nil
	}
	return fields.ID, code, nil
}

// skip says what is wrong with a line.
func (b *batch) skip(err error, number int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad++
	b.clear()
	fmt.Fprintln(b.cli.stderr, visible(fmt.Sprintf("%s:%d: skipped: %v", b.name, number, err)))
}

// How often progress is shown: on a terminal in one line that changes, elsewhere in a line now and then.
const (
	terminalProgress = 200 * time.Millisecond
	plainProgress    = 10 * time.Second
)

// report shows progress when it is time to, and at the end.
func (b *batch) report(end bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	every := plainProgress
	if b.live() {
		every = terminalProgress
	}
	if b.shown.IsZero() {
		b.shown = b.begun
	}
	if !end && now.Sub(b.shown) < every {
		return
	}
	b.shown = now
	elapsed := now.Sub(b.begun)
	lines := "lines"
	if b.bad == 1 {
		lines = "line"
	}
	text := fmt.Sprintf("postern: %d run, %d of them failed, %d %s skipped; %.1f s, %.0f a second",
		b.ran, b.failed, b.bad, lines, elapsed.Seconds(), float64(b.ran)/max(elapsed.Seconds(), 1e-3))
	b.clear()
	if b.live() && !end {
		fmt.Fprint(b.cli.stderr, text)
		return
	}
	fmt.Fprintln(b.cli.stderr, text)
}

func (b *batch) live() bool {
	file, ok := b.cli.stderr.(*os.File)
	return ok && isTerminal(file)
}

// clear empties the line that progress is shown in.
func (b *batch) clear() {
	if b.live() {
		fmt.Fprint(b.cli.stderr, "\r\x1b[K")
	}
}
