package link

import (
	"fmt"
	"math"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// StartFuel is the initial fuel of a module that has a start function. That function runs before the host can set the
// fuel, so this much is all that it gets.
const StartFuel = 1_000_000_000

// Meter adds fuel metering to a WebAssembly module. The only other change that its code can observe is that tables do not
// grow beyond a million elements, for they take the host's memory and no limit of memory counts them. The fuel is a mutable i64 global, exported as FuelGlobal; its initial value is math.MaxInt64, or StartFuel when the module has a start function. Each
// function call and each loop iteration takes 1 from it, and instructions that work on a whole range
// take more: docs/linking.md has the formulas. When it becomes negative, the module traps (unreachable) before it does
// what was to be paid for, and the global stays negative.
//
// It fails when the module is malformed or metered already. A linked guest may be metered: the result is what Link with
// Options.Meter gives.
func Meter(module []byte) ([]byte, error) {
	m, err := decode(module)
	if err != nil {
		return nil, err
	}
	for _, e := range m.Exports {
		if e.Name == FuelGlobal {
			return nil, fmt.Errorf("link: the module is metered already: it exports %q", e.Name)
		}
	}
	m.Customs = stable(m.Customs)
	m.CapTables()
	addFuel(m)
	return m.Encode(), nil
}

// LongestFunction returns how many bytes the longest function of a module has. What code can do between two charges is bounded by it.
func LongestFunction(module []byte) (int, error) {
	longest, err := wasm.LongestBody(module)
	if err != nil {
		return 0, fmt.Errorf("link: %w", err)
	}
	return longest, nil
}

// cost says what an instruction that works on a range takes: its last operand shifted right, or left when negative. So one
// unit pays for 64 bytes.
type cost int

const (
	costBytes    cost = 6
	costElements cost = 3   // eight bytes each
	costPages    cost = -10 // 64 KiB each
)

// rangeCost is what an instruction takes that works on a range; 0 for all others.
func rangeCost(op wasm.Op) cost {
	switch op {
	case wasm.OpMemoryGrow:
		return costPages
	case wasm.OpMemoryInit, wasm.OpMemoryCopy, wasm.OpMemoryFill:
		return costBytes
	case wasm.OpTableInit, wasm.OpTableCopy, wasm.OpTableFill, wasm.OpTableGrow:
		return costElements
	}
	return 0
}

// meter adds charges to code.
type meter struct {
	m       *wasm.Module
	fuel    uint32          // the global
	refuel  uint32          // the function
	charges map[cost]uint32 // the functions that charge for ranges, made when first needed
	helpers []wasm.Function
}

// addFuel meters all functions that m has.
func addFuel(m *wasm.Module) {
	initial := int64(math.MaxInt64)
	if m.Start != nil {
		initial = StartFuel
	}
	t := &meter{m: m, fuel: addState(m, FuelGlobal, initial), charges: make(map[cost]uint32)}
	t.addRefuel()
	first := m.FunctionCount() - uint32(len(m.Functions))
	for i := range m.Functions {
		f := &m.Functions[i]
		f.Code = t.function(f, first+uint32(i))
	}
	m.Functions = append(m.Functions, t.helpers...)
}

// charge takes one unit and leaves on the stack whether the fuel has become negative.
func (t *meter) charge(c wasm.Code) wasm.Code {
	return t.negative(c.Index(wasm.OpGlobalGet, t.fuel).I64(1).Do(wasm.OpI64Sub).Index(wasm.OpGlobalSet, t.fuel))
}

// negative leaves on the stack whether the fuel is negative.
func (t *meter) negative(c wasm.Code) wasm.Code {
	return c.Index(wasm.OpGlobalGet, t.fuel).I64(0).Do(wasm.OpI64LtS)
}

// ifRefuel takes from the stack whether the fuel is negative, and gets more if it is.
func (t *meter) ifRefuel(c wasm.Code) wasm.Code {
	return c.Block(wasm.OpIf).Index(wasm.OpCall, t.refuel).End()
}

// refuelAndGiveBack gets more fuel after a charge of one that is going to be made again.
func (t *meter) refuelAndGiveBack(c wasm.Code) wasm.Code {
	return c.Index(wasm.OpCall, t.refuel).Index(wasm.OpGlobalGet, t.fuel).I64(1).Do(wasm.OpI64Add).Index(wasm.OpGlobalSet, t.fuel)
}

// addRefuel adds the function that is called when the fuel has become negative, and traps unless that has changed when it
// begins. A host that listens to it can give more there: so it can hand out fuel in slices and gets a turn between
// them, without an import.
func (t *meter) addRefuel() {
	t.refuel = t.m.FunctionCount()
	t.helpers = append(t.helpers, wasm.Function{
		Type:   t.m.TypeIndex(wasm.FuncType{}),
		Locals: wasm.Locals(),
		Code:   t.negative(wasm.Code{}).Block(wasm.OpIf).Do(wasm.OpUnreachable).End().End(),
	})
	t.m.Exports = append(t.m.Exports, wasm.Export{Name: RefuelFunction, Kind: wasm.KindFunction, Index: t.refuel})
}

// rangeCharge is the index of the function (length) -> length that takes the cost of a range. The length is on top of the
// stack before the instruction, and must be again after the charge: a function does both and needs no locals
// of its caller.
func (t *meter) rangeCharge(per cost) uint32 {
	if index, ok := t.charges[per]; ok {
		return index
	}
	c := wasm.Code{}.Index(wasm.OpGlobalGet, t.fuel).Get(0).Do(wasm.OpI64ExtendU)
	if per > 0 {
		c = c.I64(int64(per)).Do(wasm.OpI64ShrU)
	} else {
		c = c.I64(int64(-per)).Do(wasm.OpI64Shl)
	}
	c = t.ifRefuel(t.negative(c.Do(wasm.OpI64Sub).Index(wasm.OpGlobalSet, t.fuel))).Get(0).End()
	index := t.m.FunctionCount() + uint32(len(t.helpers))
	t.helpers = append(t.helpers, wasm.Function{
		Type:   t.m.TypeIndex(wasm.FuncType{Params: string([]byte{wasm.I32}), Results: string([]byte{wasm.I32})}),
		Locals: wasm.Locals(),
		Code:   c,
	})
	t.charges[per] = index
	return index
}
