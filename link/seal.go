package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// SealedGlobal is an export of sealed modules alone, an immutable i32: the version of what Seal makes, 1.
const SealedGlobal = reserved + "sealed"

// exchangeGlobal and configureFunction are exports of a base guest: docs/abi.md.
const (
	exchangeGlobal    = "postern_exchange"
	configureFunction = "configure"
	initializeExport  = "_initialize"
)

// Sealing says what Seal puts into a module. Nothing of it may change while Seal runs.
type Sealing struct {
	// Memory and State are those of an instance that has started and stands still between two calls: whole pages, and the values of its
	// mutable globals in the order of StateGlobal.
	Memory []byte
	State  []uint64

	// Files is what the module's code sees as "/"; it is read whole. Nil means no files. Mounts names folders of it that the
	// listing of the folder above leaves out.
	Files  fs.FS
	Mounts []string

	// Pages is how far the memory may grow, in pages of 64 KiB; Fuel, how much fuel each call of an export has; HostCalls, how many
	// granted functions each may call. TooManyCalls is the answer to a call beyond that, as docs/abi.md has it, of at most 1,000 bytes.
	Pages        uint32
	Fuel         int64
	HostCalls    int64
	TooManyCalls []byte
}

// Seal makes a module that needs nothing but its granted functions and Extism's kernel, so that any Extism host can run it: it has its memory as an
// instance had it that was configured already, its files, and the limits of a policy that a module can keep by itself. docs/linking.md says what
// becomes of what. The module is one that Detach made of a linked and metered guest that has an exchange (docs/abi.md): functions of the sealed
// module work in its room.
func Seal(module []byte, s Sealing) ([]byte, error) {
	m, err := decode(module)
	if err != nil {
		return nil, err
	}
	if err := checkSealing(m, s); err != nil {
		return nil, err
	}
	archive, err := newArchive(s.Files, s.Mounts)
	if err != nil {
		return nil, err
	}
	memory := slices.Clone(s.Memory)
	room, err := clearRoom(m, memory)
	if err != nil {
		return nil, err
	}
	openStandard(memory[room+roomDescriptors:], archive)
	if err := attach(m, memory, s.State, s.Pages); err != nil {
		return nil, err
	}
	texts := packTexts(archive, s)
	seal(m, s, files{segment: m.Data.Count, records: uint32(archive.records), room: room}, texts)
	setSegments(m, append(m.Segments(), wasm.Segment{Bytes: archive.bytes}))
	return m.Encode(), nil
}

// checkSealing checks that m is a detached guest, and what comes of the policy.
func checkSealing(m *wasm.Module, s Sealing) error {
	switch {
	case exportOf(m, InitializeFunction, wasm.KindFunction) == nil:
		return errors.New("link: seal: the module is not detached from its memory")
	case exportOf(m, FuelGlobal, wasm.KindGlobal) == nil:
		return errors.New("link: seal: the module is not metered")
	case m.Uses(hidesState):
		return errors.New("link: seal: the module's code can change state that is neither in its memory nor in its globals")
	case s.Fuel <= 0 || s.HostCalls < 0:
		return fmt.Errorf("link: seal: fuel %d and %d host calls are no limits", s.Fuel, s.HostCalls)
	case len(s.TooManyCalls) > textLimit:
		return fmt.Errorf("link: seal: an answer of %d bytes", len(s.TooManyCalls))
	}
	for _, name := range []string{"alloc", "store_u8", "error_set"} {
		if kernelImport(m, name) < 0 {
			return fmt.Errorf("link: seal: the module does not import %s::%s", kernelModule, name)
		}
	}
	var problems ImportError
	for _, i := range m.Imports {
		reason := refusal(m, i)
		switch {
		case i.Module == UserModule && signature(m, i) == grantType:
			reason = ""
		case i.Module == wasiModule && !wasiFunctions[i.Name].keep:
			reason = "a sealed module has no function for this"
		}
		problems.add(m, i, reason)
	}
	if len(problems.Extra) > 0 {
		return &problems
	}
	return nil
}

func exportOf(m *wasm.Module, name string, kind byte) *wasm.Export {
	for i, e := range m.Exports {
		if e.Name == name && e.Kind == kind {
			return &m.Exports[i]
		}
	}
	return nil
}

// kernelImport is the index of a function of Extism's kernel among the imports, or -1.
func kernelImport(m *wasm.Module, name string) int {
	return slices.IndexFunc(m.Imports, func(i wasm.Import) bool {
		return i.Module == kernelModule && i.Name == name && i.Kind == wasm.KindFunction
	})
}

// clearRoom finds the room of the guest's exchange, empties it, and makes the exchange one that no host uses. It returns the room's address.
func clearRoom(m *wasm.Module, memory []byte) (room uint32, err error) {
	none := errors.New("link: seal: the module has no exchange with a room that could be used")
	e := exportOf(m, exchangeGlobal, wasm.KindGlobal)
	imported := m.GlobalCount() - uint32(len(m.Globals))
	if e == nil || e.Index < imported || m.Globals[e.Index-imported].Mutable {
		return 0, none
	}
	address, ok := wasm.ConstI32(m.Globals[e.Index-imported].Init)
	if !ok || uint64(address)+24 > uint64(len(memory)) {
		return 0, none
	}
	exchange := memory[address : address+24]
	from, length := binary.LittleEndian.Uint32(exchange[12:]), binary.LittleEndian.Uint32(exchange[16:])
	room = (from + 7) &^ 7
	if uint64(from)+uint64(length) > uint64(len(memory)) || uint64(length) < roomSize+8 {
		return 0, none
	}
	clear(memory[from : from+length])
	clear(exchange[:12]) // on, out, out_length
	clear(exchange[20:]) // in_length
	return room, nil
}

// openStandard makes the descriptors that are there from the beginning: three that are no files, and the root.
func openStandard(descriptors []byte, a *archive) {
	set := func(fd int, state, record uint32) {
		binary.LittleEndian.PutUint32(descriptors[16*fd+descriptorState:], state)
		binary.LittleEndian.PutUint32(descriptors[16*fd+descriptorRecord:], record)
	}
	set(0, stateInput, uint32(a.records+recordInput))
	set(1, stateOutput, uint32(a.records+recordOutput))
	set(2, stateOutput, uint32(a.records+recordOutput))
	if a.records > 0 {
		set(3, stateRoot, 0) // its path is empty: the first
	}
}

// A text is a part of the archive that is said to the host.
type text struct{ at, length uint32 }

type texts struct{ tooManyCalls, outOfFuel, stopped text }

func packTexts(a *archive, s Sealing) texts {
	add := func(data string) text { return text{a.add([]byte(data)), uint32(len(data))} }
	const again = "; it cannot be used any more: make a new instance"
	return texts{
		tooManyCalls: add(string(s.TooManyCalls)),
		outOfFuel:    add(fmt.Sprintf("limits.fuel exceeded: an earlier call of this instance used up its %d", s.Fuel) + again),
		stopped:      add("an earlier call of this instance was stopped or crashed" + again),
	}
}

// seal replaces the module's imports of WASI by functions that read the archive, has its granted functions counted, and has each export
// begin with a policy's limits. The function index space becomes: kernel and granted functions, the guest's own functions, generated ones.
func seal(m *wasm.Module, s Sealing, f files, t texts) {
	old := m.Imports
	own := uint32(len(m.Functions))
	m.Imports = slices.DeleteFunc(slices.Clone(old), func(i wasm.Import) bool { return i.Module == wasiModule })
	g := &generator{m: m, first: uint32(len(m.Imports)) + own}
	b := boundary{
		fuel:    exportOf(m, FuelGlobal, wasm.KindGlobal).Index,
		calls:   addHidden(m),
		running: addHidden(m),
	}
	b.say = g.add([]byte{wasm.I32, wasm.I32}, []byte{wasm.I64}, b.sayFunction(m, f))
	f.generate(g)
	inside := f.functions()

	newIndex := make([]uint32, uint32(len(old))+own)
	kept := uint32(0)
	for n, i := range old {
		switch {
		case i.Module == wasiModule:
			newIndex[n] = g.addTyped(i.Type, inside[i.Name])
			continue
		case i.Module == UserModule:
			newIndex[n] = g.addTyped(i.Type, b.counted(kept, s.HostCalls, t.tooManyCalls))
		default:
			newIndex[n] = kept
		}
		kept++
	}
	for n := range own {
		newIndex[uint32(len(old))+n] = kept + n
	}
	renumber(m, newIndex)
	b.exports(m, g, s.Fuel, t)
	m.Functions = append(m.Functions, g.functions...)
}

// addHidden appends a mutable i64 global that nobody can name but the functions that are generated.
func addHidden(m *wasm.Module) uint32 {
	m.Globals = append(m.Globals, wasm.Global{Type: wasm.I64, Mutable: true, Init: wasm.Code{}.I64(0).End()})
	return m.GlobalCount() - 1
}

// A generator collects functions that come after all that a module has.
type generator struct {
	m         *wasm.Module
	first     uint32 // index of the first of them
	functions []wasm.Function
}

// add adds a function of a type and returns its index.
func (g *generator) add(params, results []byte, f function) uint32 {
	return g.addTyped(g.m.TypeIndex(wasm.FuncType{Params: string(params), Results: string(results)}), f)
}

func (g *generator) addTyped(index uint32, f function) uint32 {
	g.functions = append(g.functions, wasm.Function{Type: index, Locals: wasm.Locals(f.locals...), Code: f.code.End()})
	return g.first + uint32(len(g.functions)) - 1
}

// generate adds the functions that the file functions call.
func (f *files) generate(g *generator) {
	one, word := []byte{wasm.I32}, []byte{wasm.I32}
	f.record = g.add(one, nil, f.recordFunction())
	f.descriptor = g.add(one, word, f.descriptorFunction())
	f.find = g.add(one, word, f.findFunction())
	f.resolve = g.add([]byte{wasm.I32, wasm.I32, wasm.I32}, word, f.resolveFunction())
	f.filestat = g.add(one, nil, f.filestatFunction())
	f.readv = g.add([]byte{wasm.I32, wasm.I32, wasm.I64}, word, f.readvFunction())
}

// A boundary is what a sealed module keeps of a policy where calls come in and go out: its fields are the indices of globals and of a function.
type boundary struct {
	fuel, calls, running uint32
	say                  uint32
}

// sayFunction is (place in the archive, length) -> handle of a block of Extism's with that text, or 0.
func (b *boundary) sayFunction(m *wasm.Module, f files) function {
	const at, length, handle, i = 0, 1, 2, 3
	alloc, store := uint32(kernelImport(m, "alloc")), uint32(kernelImport(m, "store_u8"))
	c := wasm.Code{}.I32(f.at(roomText)).Get(at).Get(length).InitMemory(f.segment)
	c = c.Get(length).Do(wasm.OpI64ExtendU).Index(wasm.OpCall, alloc).Index(wasm.OpLocalTee, handle).Do(wasm.OpI64Eqz)
	c = c.Block(wasm.OpIf).I64(0).Do(wasm.OpReturn).End()
	c = c.Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(i).Get(length).Do(wasm.OpI32GeU).Index(wasm.OpBrIf, 1)
	c = c.Get(handle).Get(i).Do(wasm.OpI64ExtendU, wasm.OpI64Add)
	c = c.I32(f.at(roomText)).Get(i).Do(wasm.OpI32Add).Access(wasm.OpI32Load8U, 0).Index(wasm.OpCall, store)
	c = advanceBy(c, i, 1).Index(wasm.OpBr, 0).End().End().Get(handle)
	return function{locals: []byte{wasm.I64, wasm.I32}, code: c}
}

func (b *boundary) saying(c wasm.Code, t text) wasm.Code {
	return c.I32(int32(t.at)).I32(int32(t.length)).Index(wasm.OpCall, b.say)
}

// counted is (handle) -> handle: calls the import of that index, unless there were too many calls in this call of an export.
func (b *boundary) counted(index uint32, limit int64, tooMany text) function {
	c := wasm.Code{}.Index(wasm.OpGlobalGet, b.calls).I64(1).Do(wasm.OpI64Add).Index(wasm.OpGlobalSet, b.calls)
	c = c.Index(wasm.OpGlobalGet, b.calls).I64(limit).Do(wasm.OpI64GtU)
	c = b.saying(c.Block(wasm.OpIf), tooMany).Do(wasm.OpReturn).End()
	return function{code: c.Get(0).Index(wasm.OpCall, index)}
}

// exports replaces those of a module: its entries, which are its functions without parameters that give an i32, begin with the limits; it is configured
// and has started already. What only Postern's host has a use for goes.
func (b *boundary) exports(m *wasm.Module, g *generator, fuel int64, t texts) {
	entry := wasm.FuncType{Results: string([]byte{wasm.I32})}
	imported := uint32(len(m.Imports))
	exports := []wasm.Export{}
	for _, e := range m.Exports {
		switch {
		case e.Name == configureFunction, e.Name == exchangeGlobal, strings.HasPrefix(e.Name, statePrefix):
			continue
		case e.Name == InitializeFunction:
			e.Name, e.Index = initializeExport, g.add(nil, nil, function{})
		case e.Kind == wasm.KindFunction && e.Index >= imported && m.Types[m.Functions[e.Index-imported].Type] == entry:
			e.Index = g.add(nil, []byte{wasm.I32}, b.entry(m, e.Index, fuel, t))
		}
		exports = append(exports, e)
	}
	m.Globals = append(m.Globals, wasm.Global{Type: wasm.I32, Init: wasm.Code{}.I32(1).End()})
	m.Exports = append(exports, wasm.Export{Name: SealedGlobal, Kind: wasm.KindGlobal, Index: m.GlobalCount() - 1})
}

// entry is () -> i32: calls the guest's own function with the limits of a call. An instance in which a call has not come to its end is never entered again:
// its interpreter is in the middle of something.
func (b *boundary) entry(m *wasm.Module, index uint32, fuel int64, t texts) function {
	setError := uint32(kernelImport(m, "error_set"))
	c := wasm.Code{}.Index(wasm.OpGlobalGet, b.running).Do(wasm.OpI64Eqz, wasm.OpI32Eqz).Block(wasm.OpIf)
	c = c.Index(wasm.OpGlobalGet, b.fuel).I64(0).Do(wasm.OpI64LtS).Block(wasm.OpIf)
	c = b.saying(c, t.outOfFuel).Index(wasm.OpCall, setError).Do(wasm.OpElse)
	c = b.saying(c, t.stopped).Index(wasm.OpCall, setError).End()
	c = answer(c, 1).End()
	for _, set := range []struct {
		global uint32
		to     int64
	}{{b.running, 1}, {b.calls, 0}, {b.fuel, fuel}} {
		c = c.I64(set.to).Index(wasm.OpGlobalSet, set.global)
	}
	c = c.Index(wasm.OpCall, index).I64(0).Index(wasm.OpGlobalSet, b.running)
	return function{code: c}
}
