package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"
)

// The streams that [Output] is called with.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// An Output is given what code prints while it runs: stream is [Stdout] or [Stderr], and text is some of what it has printed there, in UTF-8 and cut
// between characters. The calls come in the order in which it was printed, in the goroutine of the call that runs the code, and the code
// waits: before each host call, some 20 ms after the last time while the code computes, sooner if there is much, and at the end, also of code that
// was stopped by force. All texts of a stream are what the result has of it, if there is a result.
//
// The time that it takes is not the run's. It can neither use the session ([ErrBusy]) nor close the host, which would wait for it. After a panic
// it is not called again in that run.
//
// As all output, what it gets is the agent's and deserves no trust. There is no more of it than limits.output and a notice. Whoever shows it
// where an [Approver] asks must see to it that nobody takes it for a question, or an answer to it for one to the question.
type Output func(stream, text string)

// outputGlobal is an export of the guest that holds the address of where its output is: docs/abi.md, "Output". A guest need not have it.
const outputGlobal = "postern_output"

// An outputLog is where the guest keeps what the code that runs has printed: a list of pieces, in the guest's own memory and at
// addresses that it names. The host only reads it, and only while the guest stands still.
type outputLog struct {
	memory  api.Memory // nil: the guest has none
	address uint32
}

func outputLogOf(mod api.Module) outputLog {
	global := mod.ExportedGlobal(outputGlobal)
	if global == nil || global.Type() != api.ValueTypeI32 || mod.Memory() == nil {
		return outputLog{}
	}
	return outputLog{memory: mod.Memory(), address: uint32(global.Get())}
}

func (l outputLog) there() bool { return l.memory != nil }

// first is the address of the first piece: 0 if there is none.
func (l outputLog) first() (address uint32, ok bool) { return l.memory.ReadUint32Le(l.address) }

// pieceHeader is how long what stands before a piece's bytes is: the address of the next piece, 0 if there is none, and how many bytes there are.
const pieceHeader = 8

// from is what a piece has from an offset on, which is a view of the guest's memory, and where the next piece is.
func (l outputLog) from(piece, offset uint32, most int64) (text []byte, next uint32, ok bool) {
	header, ok := l.memory.Read(piece, pieceHeader)
	if !ok {
		return nil, 0, false
	}
	next = binary.LittleEndian.Uint32(header)
	length := binary.LittleEndian.Uint32(header[4:])
	begin := uint64(piece) + pieceHeader + uint64(offset)
	if length < offset || int64(length-offset) > most || begin > math.MaxUint32 {
		return nil, 0, false
	}
	text, ok = l.memory.Read(uint32(begin), length-offset)
	return text, next, ok
}

// The bytes of the log that are not text say whose text comes next: outputMark is stdout's, and the one after it stderr's. No UTF-8 has them.
const outputMark = 0xFE

const (
	outputPace   = 20 * time.Millisecond // between two looks while code computes
	outputMuch   = 16 * kib              // what is shown at once
	outputPieces = 64                    // of one run: each is at least twice as long as the one before it
)

// An outlet gives what is in the guest's log to an Output, from where it has read to. A guest that says what cannot be is not listened to
// any more.
type outlet struct {
	give   Output // nil: not any more
	failed func(panicked any)

	piece, offset uint32 // what was read last; piece is 0 before the first
	pieces        int    // how many there were
	bytes         int64  // how many may still be read, and
	text          int64  // how many may still be given

	stream int       // whose text comes next: 0 for stdout, 1 for stderr
	begun  [2][]byte // of each stream, the beginning of a character
	last   time.Time // when something was given
}

func newOutlet(give Output, limit int64, failed func(panicked any)) *outlet {
	if give == nil {
		return nil
	}
	// There is at most one mark for each byte of text.
	most := min(limit, math.MaxUint32) + noticeRoom
	return &outlet{give: give, failed: failed, bytes: 2 * most, text: most}
}

// pending is how many bytes there are to look at, as far as can be said quickly: 0 if there is nothing.
func (o *outlet) pending(log outputLog) int {
	piece := o.piece
	if piece == 0 {
		if piece, _ = log.first(); piece == 0 {
			return 0
		}
	}
	text, next, ok := log.from(piece, o.offset, o.bytes)
	if !ok || next != 0 {
		return max(len(text), 1)
	}
	return len(text)
}

// look gives all that is new. What it looks at stays as it is until the guest goes on.
func (o *outlet) look(log outputLog) {
	if o.piece == 0 {
		o.piece, _ = log.first()
	}
	for o.give != nil {
		text, next, ok := log.from(o.piece, o.offset, o.bytes)
		if !ok || o.pieces == outputPieces {
			o.give = nil
			return
		}
		o.bytes -= int64(len(text))
		o.offset += uint32(len(text))
		o.take(text)
		if next == 0 {
			return
		}
		o.piece, o.offset = next, 0
		o.pieces++
	}
}

// take takes the next bytes of the log.
func (o *outlet) take(data []byte) {
	for len(data) > 0 {
		// Code that goes on in the same stream needs no mark. One is no text.
		mark := bytes.IndexByte(data, byte(outputMark+1-o.stream))
		if mark < 0 {
			o.add(data)
			return
		}
		o.add(data[:mark])
		o.stream = 1 - o.stream
		data = data[mark+1:]
	}
}

// add takes the next bytes of a stream.
func (o *outlet) add(data []byte) {
	data = append(o.begun[o.stream], data...)
	whole := wholeCharacters(data)
	o.begun[o.stream] = bytes.Clone(data[whole:])
	text := validText(data[:whole])
	over := int64(len(text)) > o.text
	if over {
		text = text[:wholeCharacters([]byte(text[:o.text]))]
	}
	o.text -= int64(len(text))
	o.say(text)
	if over {
		o.give = nil
	}
}

// say calls the embedder's function. What goes wrong there is none of the guest's business.
func (o *outlet) say(text string) {
	if text == "" || o.give == nil {
		return
	}
	defer func() {
		o.last = time.Now()
		if r := recover(); r != nil {
			o.give = nil
			o.failed(r)
		}
	}()
	o.give([2]string{Stdout, Stderr}[o.stream], text)
}

// wholeCharacters is how long text is without the beginning of a character at its end.
func wholeCharacters(text []byte) int {
	for i := len(text) - 1; i >= 0 && i >= len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if utf8.FullRune(text[i:]) {
				break
			}
			return i
		}
	}
	return len(text)
}

// validText replaces each byte that is not UTF-8.
func validText(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	var valid strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		valid.WriteRune(r)
		text = text[size:]
	}
	return valid.String()
}

// A stop by force takes away the result, which would have told what was printed, but not the log. rescue makes that the result's output.
//
// Nothing runs when it reads: a guest runs in the goroutine of the call, and that has come back from it. What lies there is what a guest in an unknown state has
// left, and is believed no more than at any other time.
func (x *execution) rescue(r *Result) {
	if !x.hasLog() {
		return
	}
	var printed [2]strings.Builder
	limit := x.session.host.limits.Output
	o := newOutlet(func(stream, text string) {
		if stream == Stdout {
			printed[0].WriteString(text)
		} else {
			printed[1].WriteString(text)
		}
	}, limit, nil)
	if o.pending(x.instance.printed) > 0 {
		o.look(x.instance.printed)
	}
	// The guest alone knows what it has dropped. It drops nothing while there is room for a character.
	kept := int64(printed[0].Len() + printed[1].Len())
	if kept <= limit && kept > limit-utf8.UTFMax {
		text := fmt.Sprintf("[output may be cut: %d bytes of the limit of %d]\n", kept, limit)
		if last := printed[o.stream].String(); last != "" && !strings.HasSuffix(last, "\n") {
			text = "\n" + text
		}
		printed[o.stream].WriteString(text)
		if x.outlet != nil {
			x.outlet.say(text)
		}
	}
	r.Stdout, r.Stderr = printed[0].String(), printed[1].String()
}

// hasLog reports whether there is a log, and it is that of the run.
func (x *execution) hasLog() bool {
	in := x.instance
	return in.started && in.printed.there() && !in.module.IsClosed()
}

// show gives what code has printed to whoever wants to see it. Not all, and only now and then, is for where the code has not come to a
// point that is worth more.
func (x *execution) show(all bool) {
	o, in := x.outlet, x.instance
	if o == nil || o.give == nil || !x.hasLog() {
		return
	}
	pending := o.pending(in.printed)
	if pending == 0 || !all && pending < outputMuch && time.Since(o.last) < outputPace {
		return
	}
	defer x.deadline.pause()()
	o.look(in.printed)
}

// showAndGoOn is show while the code runs. A guest that was asked to stop has little time for that, and the embedder may take long: they see the rest at
// the end.
func (x *execution) showAndGoOn(all bool) {
	if x.outlet != nil && !x.instance.interrupted() {
		x.show(all)
	}
}

// showResult shows what a guest without a log has printed, which its result alone tells.
func (x *execution) showResult(r *Result) {
	if o := x.outlet; o != nil && !x.instance.printed.there() {
		for stream, text := range []string{r.Stdout, r.Stderr} {
			o.stream = stream
			o.say(text)
		}
	}
}

// outputPanicked is for an [Output] that panics: it is not called again in this run.
func (x *execution) outputPanicked(panicked any) {
	x.session.host.logger.Error("panic in Output", "session", x.session.id, "panic", panicked, "stack", string(debug.Stack()))
}
