package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/host"
)

// stages are what New reported of its progress.
func stages(t *testing.T, cache string) (*host.Host, []string) {
	t.Helper()
	c := config(t)
	c.Cache = cache
	var seen []string
	c.Progress = func(stage string) { seen = append(seen, stage) }
	return open(t, c), seen
}

func TestTheGuestStartsOncePerCache(t *testing.T) {
	cache := t.TempDir()
	if err := os.Chmod(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, seen := stages(t, cache); !slices.Contains(seen, "boot") {
		t.Errorf("first host: %v", seen)
	}
	h, seen := stages(t, cache)
	if slices.Contains(seen, "boot") {
		t.Errorf("second host: %v", seen)
	}
	if r := exec(t, session(t, h), "value 7"); string(r.Value) != "7" {
		t.Errorf("value %s", r.Value)
	}
}

func TestDamagedImage(t *testing.T) {
	for name, damage := range map[string]func(data []byte) []byte{
		"empty":       func(data []byte) []byte { return nil },
		"cut short":   func(data []byte) []byte { return data[:len(data)-1] },
		"not a page":  func(data []byte) []byte { return data[1:] },
		"other magic": func(data []byte) []byte { data[len(data)-2] ^= 1; return data },
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			if err := os.Chmod(cache, 0o700); err != nil {
				t.Fatal(err)
			}
			stages(t, cache)
			images, err := filepath.Glob(filepath.Join(cache, "images", "*"))
			if err != nil || len(images) != 1 {
				t.Fatalf("images %v, %v", images, err)
			}
			data, err := os.ReadFile(images[0])
			if err != nil {
				t.Fatal(err)
			}
			// A new file: sessions of the first host still have the old one mapped.
			if err := os.Remove(images[0]); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(images[0], damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			h, seen := stages(t, cache)
			if !slices.Contains(seen, "boot") {
				t.Errorf("stages %v", seen)
			}
			if r := exec(t, session(t, h), "value 7"); string(r.Value) != "7" {
				t.Errorf("value %s", r.Value)
			}
		})
	}
}

func TestSessionsBeginAlikeAndShareNothing(t *testing.T) {
	h := open(t, config(t))
	a, b := session(t, h), session(t, h)
	for _, command := range []string{"random 16", "clock"} {
		if x, y := exec(t, a, command), exec(t, b, command); string(x.Value) != string(y.Value) {
			t.Errorf("%s: %s and %s", command, x.Value, y.Value)
		}
	}
	if _, err := a.Set(t.Context(), map[string]any{"x": 1}); err != nil {
		t.Fatal(err)
	}
	if r := exec(t, a, "get x"); string(r.Value) != "1" {
		t.Errorf("in a: %+v", r)
	}
	if r := exec(t, b, "get x"); string(r.Value) == "1" {
		t.Errorf("in b: %+v", r)
	}
	if r := exec(t, session(t, h), "get x"); string(r.Value) == "1" {
		t.Errorf("in a later one: %+v", r)
	}
}

func TestOldImagesAreRemoved(t *testing.T) {
	cache := t.TempDir()
	if err := os.Chmod(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	images := filepath.Join(cache, "images")
	if err := os.Mkdir(images, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		name := filepath.Join(images, fmt.Sprint(i))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(-time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(name, used, used); err != nil {
			t.Fatal(err)
		}
	}
	stages(t, cache)
	entries, err := os.ReadDir(images)
	if err != nil || len(entries) != 32 {
		t.Fatalf("%d images, %v", len(entries), err)
	}
	if _, err := os.Stat(filepath.Join(images, "0")); err != nil {
		t.Errorf("the newest: %v", err)
	}
	if _, err := os.Stat(filepath.Join(images, "39")); err == nil {
		t.Error("the oldest is still there")
	}
}
