package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// An image's file is the memory, a whole number of pages of 64 KiB, and after it the trailer: the values of the module's
// mutable globals, eight bytes each, little-endian, then the SHA-256 of all that, then the magic bytes. Its name is the digest of everything that the
// image depends on, so there is never a reason to change one: files are written aside and renamed into place.
const imageMagic = "postern image 2\n"

// loadImage opens the image at path, if it is one with that many globals.
func loadImage(path string, globals int) (*image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	trailer := make([]byte, 8*globals+sha256.Size+len(imageMagic))
	size := info.Size() - int64(len(trailer))
	if size <= 0 || size%pageSize != 0 {
		file.Close()
		return nil, fmt.Errorf("host: image %s is cut short", path)
	}
	if _, err := file.ReadAt(trailer, size); err != nil {
		file.Close()
		return nil, err
	}
	digest := trailer[8*globals:][:sha256.Size]
	if string(trailer[8*globals+sha256.Size:]) != imageMagic {
		file.Close()
		return nil, fmt.Errorf("host: %s is not an image", path)
	}
	state := make([]uint64, globals)
	for i := range state {
		state[i] = binary.LittleEndian.Uint64(trailer[8*i:])
	}
	return openImage(file, uint64(size), state, digestText(digest))
}

// saveImage writes an image and opens it.
func saveImage(path string, memory []byte, state []uint64) (*image, error) {
	err := writeAside(path, func(file *os.File) error { return writeImage(file, memory, state) })
	if err != nil {
		return nil, err
	}
	return loadImage(path, len(state))
}

// anonymousImage makes an image whose file has no name and is gone when the process ends.
func anonymousImage(memory []byte, state []uint64) (*image, error) {
	file, err := os.CreateTemp("", "postern-image-*")
	if err != nil {
		return nil, err
	}
	// Where an open file cannot be removed, it is not needed once it has been read.
	defer os.Remove(file.Name())
	if err := writeImage(file, memory, state); err != nil {
		file.Close()
		return nil, err
	}
	return openImage(file, uint64(len(memory)), state, digestText(imageDigest(memory, state)))
}

func writeImage(file *os.File, memory []byte, state []uint64) error {
	if err := writeSparse(file, memory); err != nil {
		return err
	}
	trailer := append(appendState(nil, state), imageDigest(memory, state)...)
	_, err := file.WriteAt(append(trailer, imageMagic...), int64(len(memory)))
	return err
}

func appendState(dst []byte, state []uint64) []byte {
	for _, value := range state {
		dst = binary.LittleEndian.AppendUint64(dst, value)
	}
	return dst
}

func imageDigest(memory []byte, state []uint64) []byte {
	sum := sha256.New()
	sum.Write(memory)
	sum.Write(appendState(nil, state))
	return sum.Sum(nil)
}

func digestText(digest []byte) string { return "sha256:" + hex.EncodeToString(digest) }

// writeSparse writes all but the pages that are zero.
func writeSparse(file io.WriterAt, memory []byte) error {
	const piece = 4096
	zero := make([]byte, piece)
	for begin := 0; begin < len(memory); {
		if bytes.Equal(memory[begin:min(begin+piece, len(memory))], zero) {
			begin += piece
			continue
		}
		end := begin
		for end < len(memory) && !bytes.Equal(memory[end:min(end+piece, len(memory))], zero) {
			end += piece
		}
		end = min(end, len(memory))
		if _, err := file.WriteAt(memory[begin:end], int64(begin)); err != nil {
			return err
		}
		begin = end
	}
	return nil
}
