package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// earlierFile is what a log of records alone, which builds before the first version of this format wrote, is called once it is set aside.
const earlierFile = "earlier.jsonl"

// setEarlierAside makes room in a folder that has such a log and nothing of this format: there, a new log begins. Its records are kept as they are,
// and nothing vouches for them. Anything else that is not of this format is damage, and is left to be found.
func setEarlierAside(folder string) error {
	for _, name := range []string{checkpointsFile, hashesFile, earlierFile} {
		if _, err := os.Lstat(filepath.Join(folder, name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	file, err := openRegular(path(folder, 0))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	begin := make([]byte, 64)
	n, err := io.ReadFull(file, begin)
	file.Close()
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("audit: open log: %w", err)
	}
	// Their records began with the time, which is later in those of this format.
	if !bytes.HasPrefix(begin[:n], []byte(`{"time":"`)) {
		return nil
	}
	if err := os.Rename(path(folder, 0), filepath.Join(folder, earlierFile)); err != nil {
		return fmt.Errorf("audit: set an earlier log aside: %w", err)
	}
	return nil
}
