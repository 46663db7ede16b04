package plugins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/postern-sandbox/postern/capabilities/schema"
)

// Embedded gives the document that is in a module, which must be one of WebAssembly; found is false when it has none. Only the sections' headers
// are read, so that nothing else of the module need be well-formed. The text is a part of module.
func Embedded(module []byte) (text []byte, found bool, err error) {
	err = sections(module, func(s section) error {
		if s.name != Section {
			return nil
		}
		if found {
			return errors.New("plugins: the module has two sections " + Section)
		}
		if len(s.contents) > schema.MaxText {
			return fmt.Errorf("plugins: the section %s is longer than %d KiB", Section, schema.MaxText>>10)
		}
		text, found = s.contents, true
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return text, found, nil
}

// Embed gives the module with the document in it, as its last section, in place of any that it had. Whether the document is right Parse says.
func Embed(module, text []byte) ([]byte, error) {
	if len(text) > schema.MaxText {
		return nil, fmt.Errorf("plugins: the schema is longer than %d KiB", schema.MaxText>>10)
	}
	made := make([]byte, 0, len(module)+len(text)+len(Section)+16)
	made = append(made, preamble...)
	if err := sections(module, func(s section) error {
		if s.name != Section {
			made = append(made, s.whole...)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	contents := binary.AppendUvarint(nil, uint64(len(Section)))
	contents = append(append(contents, Section...), text...)
	made = binary.AppendUvarint(append(made, 0), uint64(len(contents)))
	return append(made, contents...), nil
}

// preamble is what a module begins with: the magic number and version 1.
var preamble = []byte("\x00asm\x01\x00\x00\x00")

// A section is a part of a module.
type section struct {
	id       byte
	name     string // of a custom section
	contents []byte // of a custom section, what follows the name
	whole    []byte // with the header
}

// sections calls visit for each section of a module.
func sections(module []byte, visit func(section) error) error {
	rest, ok := bytes.CutPrefix(module, preamble)
	switch {
	case !ok && bytes.HasPrefix(module, []byte("\x00asm\x0d\x00\x01\x00")):
		return errors.New("plugins: this is a WebAssembly component; Extism takes modules")
	case !ok:
		return errors.New("plugins: this is not a WebAssembly module")
	}
	for len(rest) > 0 {
		at := len(module) - len(rest)
		size, n := u32(rest[1:])
		if n == 0 || size > uint32(len(rest)-1-n) {
			return fmt.Errorf("plugins: the module's section at offset 0x%x is cut off", at)
		}
		end := 1 + n + int(size)
		s := section{id: rest[0], whole: rest[:end:end], contents: rest[1+n : end : end]}
		if s.id == 0 {
			length, n := u32(s.contents)
			if n == 0 || length > uint32(len(s.contents)-n) {
				return fmt.Errorf("plugins: the module's section at offset 0x%x has no name", at)
			}
			s.name, s.contents = string(s.contents[n:n+int(length)]), s.contents[n+int(length):]
		}
		if err := visit(s); err != nil {
			return err
		}
		rest = rest[end:]
	}
	return nil
}

// u32 reads an unsigned LEB128 number of at most 32 bits; n is 0 when there is none.
func u32(b []byte) (v uint32, n int) {
	long, n := binary.Uvarint(b[:min(len(b), 5)])
	if n <= 0 || long > 1<<32-1 {
		return 0, 0
	}
	return uint32(long), n
}
