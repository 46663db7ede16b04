//go:build unix

package audit

import (
	"errors"
	"fmt"
	"os"
)

// syncFolder has the names of a folder's files on the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("audit: sync folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("audit: sync folder: %w", err)
	}
	return nil
}
