package audit_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
)

func TestProofs(t *testing.T) {
	folder := t.TempDir()
	makeLog(t, folder, 100, 30)
	public, err := audit.ReadPublicKey(filepath.Join(folder, audit.PublicKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	last, err := audit.LastCheckpoint(folder)
	if err != nil || last.Size != 100 {
		t.Fatalf("%+v, %v", last, err)
	}
	all := lines(t, folder)
	for number := range int64(100) {
		proof, err := audit.Prove(folder, number, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, check := range map[string]func() (*audit.Proof, error){
			"key":        func() (*audit.Proof, error) { return audit.CheckProof(proof, public, nil) },
			"checkpoint": func() (*audit.Proof, error) { return audit.CheckProof(proof, "", last) },
		} {
			p, err := check()
			if err != nil || p.Number != number || !bytes.Equal(p.Line, all[number]) {
				t.Fatalf("record %d by %s: %v", number, name, err)
			}
		}
		if _, err := audit.CheckProof(proof, "", nil); err == nil {
			t.Fatal("a proof without key and checkpoint was taken")
		}
	}
	if _, err := audit.Prove(folder, 100, nil); err == nil {
		t.Error("what is not there was proved")
	}

	proof, _ := audit.Prove(folder, 42, nil)
	for i := range proof {
		changed := bytes.Clone(proof)
		changed[i] ^= 0x02
		if _, err := audit.CheckProof(changed, public, nil); err == nil {
			t.Errorf("byte %d of %q changed: it was taken", i, changed[max(0, i-10):min(len(proof), i+10)])
		}
	}
	forged := strings.Replace(string(proof), base64.StdEncoding.EncodeToString(all[42]), base64.StdEncoding.EncodeToString(all[43]), 1)
	if _, err := audit.CheckProof([]byte(forged), public, nil); !errors.Is(err, audit.ErrDamaged) {
		t.Errorf("another record: %v", err)
	}
}

func TestReaderFollows(t *testing.T) {
	folder := t.TempDir()
	if _, err := audit.OpenReader(folder); err == nil {
		t.Error("an empty folder was opened")
	}
	log := open(t, folder, audit.Options{Rotate: 1500})
	defer log.Close()
	reader, err := audit.OpenReader(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	number := int64(0)
	for call := range 20 {
		r := record("s", call)
		r.Kind = audit.ExecStarted
		add(t, log, r)
		found := false
		for {
			e, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || e.Err != nil || e.Number != number || e.Record.Number != number {
				t.Fatalf("%+v, %v", e, err)
			}
			number++
			found = found || e.Record.Kind == audit.ExecStarted && e.Record.Call == call
		}
		if !found {
			t.Fatalf("call %d was not read", call)
		}
	}
}

func FuzzProof(f *testing.F) {
	folder := f.TempDir()
	makeLog(f, folder, 10, 5)
	public, err := audit.ReadPublicKey(filepath.Join(folder, audit.PublicKeyFile))
	if err != nil {
		f.Fatal(err)
	}
	proof, err := audit.Prove(folder, 3, nil)
	if err != nil {
		f.Fatal(err)
	}
	all := lines(f, folder)
	f.Add(proof)
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := audit.CheckProof(data, public, nil); err == nil && !bytes.Equal(p.Line, all[p.Number]) {
			t.Fatalf("%q was proved", p.Line)
		}
	})
}
