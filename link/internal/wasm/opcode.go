package wasm

// Op is an instruction's opcode; for the prefixes 0xfc and 0xfd the prefix is the high byte.
type Op uint16

// The instructions that link reads, writes or changes.
const (
	OpUnreachable Op = 0x00
	OpBlock       Op = 0x02
	OpLoop        Op = 0x03
	OpIf          Op = 0x04
	OpElse        Op = 0x05
	OpEnd         Op = 0x0b
	OpBr          Op = 0x0c
	OpBrIf        Op = 0x0d
	OpBrTable     Op = 0x0e
	OpReturn      Op = 0x0f
	OpCall        Op = 0x10
	OpDrop        Op = 0x1a
	OpSelect      Op = 0x1b
	OpLocalGet    Op = 0x20
	OpLocalSet    Op = 0x21
	OpLocalTee    Op = 0x22
	OpGlobalGet   Op = 0x23
	OpGlobalSet   Op = 0x24
	OpTableSet    Op = 0x26
	OpI32Load     Op = 0x28
	OpI64Load     Op = 0x29
	OpI32Load8U   Op = 0x2d
	OpI32Load16U  Op = 0x2f
	OpI32Store    Op = 0x36
	OpI64Store    Op = 0x37
	OpI32Store8   Op = 0x3a
	OpI64Store8   Op = 0x3c
	OpMemoryGrow  Op = 0x40
	OpI32Const    Op = 0x41
	OpI64Const    Op = 0x42
	OpF32Const    Op = 0x43
	OpF64Const    Op = 0x44
	OpI32Eqz      Op = 0x45
	OpI32Eq       Op = 0x46
	OpI32Ne       Op = 0x47
	OpI32LtS      Op = 0x48
	OpI32LtU      Op = 0x49
	OpI32GtU      Op = 0x4b
	OpI32GeU      Op = 0x4f
	OpI64Eqz      Op = 0x50
	OpI64LtS      Op = 0x53
	OpI64LtU      Op = 0x54
	OpI64GtS      Op = 0x55
	OpI64GtU      Op = 0x56
	OpI64LeU      Op = 0x58
	OpI32Add      Op = 0x6a
	OpI32Sub      Op = 0x6b
	OpI32Mul      Op = 0x6c
	OpI32And      Op = 0x71
	OpI32Or       Op = 0x72
	OpI32Shl      Op = 0x74
	OpI32ShrU     Op = 0x76
	OpI64Add      Op = 0x7c
	OpI64Sub      Op = 0x7d
	OpI64Mul      Op = 0x7e
	OpI64Xor      Op = 0x85
	OpI64Shl      Op = 0x86
	OpI64ShrU     Op = 0x88
	OpI32WrapI64  Op = 0xa7
	OpI64ExtendU  Op = 0xad
	OpRefNull     Op = 0xd0
	OpRefFunc     Op = 0xd2
	OpMemoryInit  Op = 0xfc08
	OpDataDrop    Op = 0xfc09
	OpMemoryCopy  Op = 0xfc0a
	OpMemoryFill  Op = 0xfc0b
	OpTableInit   Op = 0xfc0c
	OpElemDrop    Op = 0xfc0d
	OpTableCopy   Op = 0xfc0e
	OpTableGrow   Op = 0xfc0f
	OpTableFill   Op = 0xfc11
	OpV128Const   Op = 0xfd0c
)

// shape says what follows an opcode.
type shape uint8

const (
	unknown      shape = iota // not an instruction of WebAssembly 2.0
	nothing                   //
	blockType                 // a block's type
	index                     // an index that link does not change: local, element, table
	label                     // a label
	labels                    // br_table's labels
	function                  // a function
	global                    // a global
	indirect                  // call_indirect's type and table
	valueTypes                // select's types
	heapType                  // ref.null's type
	memory                    // a zero: memory 0
	memories                  // two zeros
	memoryData                // a data segment and a zero
	tables                    // two indices: tables, or element and table
	memoryAccess              // alignment and offset
	lane                      // one byte
	accessLane                // alignment, offset and one byte
	int32Value
	int64Value
	bytes4
	bytes8
	bytes16
)

// run gives one shape to the opcodes from first to last.
type run struct {
	first, last byte
	shape       shape
}

func table(runs ...run) (t [256]shape) {
	for _, r := range runs {
		for op := int(r.first); op <= int(r.last); op++ {
			t[op] = r.shape
		}
	}
	return t
}

// The three opcode tables of the WebAssembly 2.0 specification, section 5.4 "Instructions".
var (
	plainShapes = table(
		run{0x00, 0x01, nothing}, run{0x02, 0x04, blockType}, run{0x05, 0x05, nothing}, run{0x0b, 0x0b, nothing},
		run{0x0c, 0x0d, label}, run{0x0e, 0x0e, labels}, run{0x0f, 0x0f, nothing},
		run{0x10, 0x10, function}, run{0x11, 0x11, indirect},
		run{0x1a, 0x1b, nothing}, run{0x1c, 0x1c, valueTypes},
		run{0x20, 0x22, index}, run{0x23, 0x24, global}, run{0x25, 0x26, index},
		run{0x28, 0x3e, memoryAccess}, run{0x3f, 0x40, memory},
		run{0x41, 0x41, int32Value}, run{0x42, 0x42, int64Value}, run{0x43, 0x43, bytes4}, run{0x44, 0x44, bytes8},
		run{0x45, 0xc4, nothing},
		run{0xd0, 0xd0, heapType}, run{0xd1, 0xd1, nothing}, run{0xd2, 0xd2, function},
	)
	bulkShapes = table( // after 0xfc
		run{0x00, 0x07, nothing}, run{0x08, 0x08, memoryData}, run{0x09, 0x09, index}, run{0x0a, 0x0a, memories},
		run{0x0b, 0x0b, memory}, run{0x0c, 0x0c, tables}, run{0x0d, 0x0d, index}, run{0x0e, 0x0e, tables},
		run{0x0f, 0x11, index},
	)
	simdShapes = table( // after 0xfd
		run{0x00, 0x0b, memoryAccess}, run{0x0c, 0x0d, bytes16}, run{0x0e, 0x14, nothing}, run{0x15, 0x22, lane},
		run{0x23, 0x53, nothing}, run{0x54, 0x5b, accessLane}, run{0x5c, 0x5d, memoryAccess}, run{0x5e, 0xff, nothing},
		run{0x9a, 0x9a, unknown}, run{0xa2, 0xa2, unknown}, run{0xa5, 0xa6, unknown}, run{0xaf, 0xb0, unknown},
		run{0xb2, 0xb4, unknown}, run{0xbb, 0xbb, unknown}, run{0xc2, 0xc2, unknown}, run{0xc5, 0xc6, unknown},
		run{0xcf, 0xd0, unknown}, run{0xd2, 0xd4, unknown}, run{0xe2, 0xe2, unknown}, run{0xee, 0xee, unknown},
	)
)
