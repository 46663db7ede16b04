package host

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tetratelabs/wazero"
)

// NoCache as [Config.Cache] keeps compiled code in memory only.
const NoCache = "none"

// cache is the folder that outlives the process: machine code, linked modules, images of started guests. A nil cache is none.
type cache struct {
	folder string
	code   wazero.CompilationCache
}

// openCache opens the folder. What is in there runs as machine code, without the sandbox, so a
// folder that others can write to is refused.
func openCache(folder string) (*cache, error) {
	if folder == "" {
		users, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("host: no cache folder: %w", err)
		}
		folder = filepath.Join(users, "postern")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("host: create cache folder: %w", err)
	}
	info, err := os.Stat(folder)
	if err != nil {
		return nil, fmt.Errorf("host: open cache folder: %w", err)
	}
	if writableByOthers(info.Mode()) {
		return nil, fmt.Errorf("host: cache folder %q is writable by others: mode %v", folder, info.Mode().Perm())
	}
	code, err := wazero.NewCompilationCacheWithDir(folder)
	if err != nil {
		return nil, fmt.Errorf("host: open cache folder: %w", err)
	}
	return &cache{folder, code}, nil
}

// writableByOthers knows Unix modes; Windows has none, and its users' folders are their own.
func writableByOthers(mode fs.FileMode) bool {
	return runtime.GOOS != "windows" && mode.Perm()&0o022 != 0
}

// cacheKey names a file of the cache by what it is made from.
func cacheKey(parts ...[]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		binary.Write(sum, binary.LittleEndian, uint64(len(part)))
		sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// writeAside writes a file under another name and renames it, so that whoever reads path finds the whole file or none.
func writeAside(path string, write func(*os.File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	err = write(file)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
