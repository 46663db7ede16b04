package mcpserver

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/host"
)

const (
	progressPace = 100 * time.Millisecond // between two notifications, at least
	progressTick = time.Second            // and at most
	progressLine = 500                    // bytes of a message
)

// A progress tells the client how far its call is: how many seconds it has run, of those that it may run, and the last line that the code has
// printed. What comes while the client is told of something else is told later, and of several lines the last.
type progress struct {
	session *mcp.ServerSession
	token   any
	total   time.Duration
	begun   time.Time
	news    chan struct{}

	mu     sync.Mutex
	latest string // what was printed last
}

// follow tells the client of the progress of a call, until done is called, if it has asked for that. Otherwise output is nil.
func (s *Server) follow(ctx context.Context, request *mcp.CallToolRequest) (output host.Output, done func()) {
	token := request.Params.GetProgressToken()
	if token == nil {
		return nil, func() {}
	}
	p := &progress{
		session: request.Session, token: token, total: s.config.Policy.Limits.WithDefaults().WallTime, begun: time.Now(), news: make(chan struct{}, 1),
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.tell(ctx)
	}()
	return p.output, func() {
		cancel()
		<-ended // none may come behind the result
	}
}

// output is a host.Output.
func (p *progress) output(_, text string) {
	p.mu.Lock()
	p.latest += text
	if over := len(p.latest) - progressLine; over > 0 {
		p.latest = strings.ToValidUTF8(p.latest[over:], "")
	}
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *progress) tell(ctx context.Context) {
	for {
		tick := time.NewTimer(progressTick)
		select {
		case <-p.news:
		case <-tick.C:
		case <-ctx.Done():
		}
		tick.Stop()
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		line := lastLine(p.latest)
		p.mu.Unlock()
		err := p.session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: p.token, Progress: seconds(time.Since(p.begun)), Total: seconds(p.total), Message: line,
		})
		if err != nil {
			return // the client is gone, or the call is over
		}
		pace := time.NewTimer(progressPace)
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
		pace.Stop()
	}
}

func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// lastLine is the last line of a text that has something in it, fit for being shown as one.
func lastLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.Map(func(r rune) rune {
			switch {
			case r == '\t':
				return ' '
			case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
				return -1
			}
			return r
		}, lines[i])
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}
