package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// The names of the keys in a log's folder. The public key is a line of the form that [note.NewVerifier] takes.
const (
	KeyFile       = "key"
	PublicKeyFile = "key.pub"
)

// keyLimit is how long the file of a key may be, in bytes.
const keyLimit = 1 << 10

// GenerateKey writes a new private key to the file at path, for its owner only, and the public one to path + ".pub". It does not replace
// files that are there: who has lost the key of a log cannot sign it again as it was. The name stands in each signature; it has no spaces and no plus.
func GenerateKey(path, name string) (publicKey string, err error) {
	if name == "" || strings.ContainsAny(name, " \t\r\n+") {
		return "", fmt.Errorf("audit: a key's name cannot be %q: no spaces, no plus, not empty", name)
	}
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", fmt.Errorf("audit: make key: %w", err)
	}
	if err := writeNew(path, private+"\n", 0o600); err != nil {
		return "", err
	}
	if err := writeNew(path+".pub", public+"\n", 0o644); err != nil {
		os.Remove(path)
		return "", err
	}
	return public, nil
}

func writeNew(path, text string, mode fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("audit: make key: %w", err)
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		os.Remove(path)
		return fmt.Errorf("audit: make key: %w", err)
	}
	return nil
}

// A signer signs, and knows its own signatures.
type signer struct {
	note.Signer
	verifier note.Verifier
	public   string
}

// newSigner reads a private key, PRIVATE+KEY+name+hash+base64(1 || seed), and makes its public one as well.
func newSigner(key string) (*signer, error) {
	private, err := note.NewSigner(key)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(key, "+", 5)
	data, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(data) != 1+ed25519.SeedSize {
		return nil, errors.New("not an Ed25519 key")
	}
	public, err := note.NewEd25519VerifierKey(private.Name(), ed25519.NewKeyFromSeed(data[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	return &signer{private, verifier, public}, nil
}

// readSigner reads a private key. One that others can read is refused: it would prove nothing.
func readSigner(path string) (*signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("audit: open key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("audit: key %q can be read or written by others: its mode is %v, and must be -rw-------", path, info.Mode().Perm())
	}
	if !info.Mode().IsRegular() || info.Size() > keyLimit {
		return nil, fmt.Errorf("audit: %q is not a key", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("audit: open key: %w", err)
	}
	signer, err := newSigner(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("audit: %q is not a private key", path) // without the text, which may be one nearly
	}
	return signer, nil
}

// ReadPublicKey reads a public key from a file and checks its form.
func ReadPublicKey(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("audit: open public key: %w", err)
	}
	defer file.Close()
	text := make([]byte, keyLimit)
	n, _ := file.Read(text)
	key := strings.TrimSpace(string(text[:n]))
	if strings.HasPrefix(key, "PRIVATE") {
		return "", fmt.Errorf("audit: %q is a private key: keep it to yourself and name the public one", path)
	}
	if _, err := note.NewVerifier(key); err != nil {
		return "", fmt.Errorf("audit: %q is not a public key: %w", path, err)
	}
	return key, nil
}
