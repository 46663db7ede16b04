package serve

import (
	"context"
	"encoding/json"
	"sync"
	"unicode/utf8"
)

// Bounds of what waits for a client that reads slowly, of one request, and of the text of one notification, in bytes. When more would have
// to wait, the code waits.
const (
	maxWaiting      = 256 << 10
	maxWaitingTexts = 256
	maxText         = 64 << 10
)

// A printing sends what the code of one request prints, while it runs. The code does not wait for the client, unless that is far behind.
type printing struct {
	connection *connection
	ctx        context.Context // of the run
	session    string
	request    json.RawMessage // its id

	mu      sync.Mutex
	waiting []printed // two in a row are of different streams
	bytes   int
	sending bool          // a goroutine sends what waits
	changed chan struct{} // closed, and another one made, when less waits
}

type printed struct {
	stream string
	text   []byte
}

type outputParams struct {
	Session string          `json:"session"`
	Request json.RawMessage `json:"request"`
	Stream  string          `json:"stream"`
	Text    string          `json:"text"`
}

func (c *connection) printing(ctx context.Context, s *session, r *request) *printing {
	return &printing{connection: c, ctx: ctx, session: s.name, request: json.RawMessage(r.id), changed: make(chan struct{})}
}

// output is a host.Output. When the run is given up, what the client does not take is left out.
func (p *printing) output(stream, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.bytes >= maxWaiting || len(p.waiting) >= maxWaitingTexts {
		if !p.await(p.ctx) {
			return
		}
	}
	if n := len(p.waiting); n > 0 && p.waiting[n-1].stream == stream {
		p.waiting[n-1].text = append(p.waiting[n-1].text, text...)
	} else {
		p.waiting = append(p.waiting, printed{stream, []byte(text)})
	}
	p.bytes += len(text)
	if !p.sending {
		p.sending = true
		go p.send()
	}
}

// await waits, with p.mu free, until less waits. It is false if ctx has ended.
func (p *printing) await(ctx context.Context) bool {
	changed := p.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-changed:
		return true
	case <-ctx.Done():
		return false
	}
}

// flush waits until all is sent. What the client gets after it comes behind what was printed.
func (p *printing) flush(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.sending && p.await(ctx) {
	}
}

func (p *printing) send() {
	for {
		p.mu.Lock()
		texts := p.waiting
		p.waiting, p.bytes = nil, 0
		p.sending = len(texts) > 0
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		if len(texts) == 0 {
			return
		}
		for _, t := range texts {
			for len(t.text) > 0 {
				n := cut(t.text, maxText)
				p.connection.notify("session.output", outputParams{p.session, p.request, t.stream, string(t.text[:n])})
				t.text = t.text[n:]
			}
		}
	}
}

// cut is how much of text, which is UTF-8, fits into so many bytes.
func cut(text []byte, most int) int {
	if len(text) <= most {
		return len(text)
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return most
}
