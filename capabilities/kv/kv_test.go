package kv_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/capabilities/kv"
	"github.com/postern-sandbox/postern/values"
)

const grant = "path = \"store.db\"\n"

func open(t testing.TB, folder, keys string) *familytest.Session {
	t.Helper()
	return familytest.New(t, kv.Family(), folder, grant+keys)
}

func TestMain(m *testing.M) {
	if folder := os.Getenv("KV_TEST_FOLDER"); folder != "" {
		other(folder, os.Getenv("KV_TEST_COUNT"))
		return
	}
	os.Exit(m.Run())
}

// other is another process: it counts to a number, or for ever, and says after each step where it is.
func other(folder, count string) {
	var t panicking
	s := familytest.New(&t, kv.Family(), folder, grant)
	n, _ := strconv.Atoi(count)
	for i := 0; n == 0 || i < n; i++ {
		v, err := s.Call(context.Background(), "kv.incr", "shared")
		if err != nil {
			panic(err)
		}
		fmt.Println(v)
	}
}

type panicking struct{ testing.TB }

func (panicking) Helper()           {}
func (panicking) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func start(t *testing.T, folder string, count int) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "KV_TEST_FOLDER="+folder, "KV_TEST_COUNT="+strconv.Itoa(count))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

func TestEveryValueComesBack(t *testing.T) {
	s := open(t, t.TempDir(), "")
	dict := values.NewDict(1)
	dict.SetString("a", values.List{int64(1), nil, `{"$repr": 1}`})
	lookalike := values.NewDict(1)
	lookalike.SetString("$repr", "text")
	for i, v := range []any{
		nil, true, false, int64(0), int64(-1), new(big.Int).Lsh(big.NewInt(1), 200), 0.1, "", "é\x00\n", values.Bytes("\x00\xff"), values.List{}, values.Tuple{int64(1), "x"},
		values.Set{int64(1)}, values.FrozenSet{}, dict, lookalike, values.Decimal("1.50"), complex(1, -2), values.Date("2025-01-31"), values.TimeDelta{Days: -1, Seconds: 2, Microseconds: 3},
	} {
		key := fmt.Sprint("key ", i)
		s.Must(t, "kv.put", key, v)
		if got := s.Must(t, "kv.get", key); !values.Equal(got, v) || values.TypeName(got) != values.TypeName(v) {
			t.Errorf("%s is %s", values.Format(v), values.Format(got))
		}
	}
	if got := s.Must(t, "kv.get", "none"); got != nil {
		t.Errorf("%v", got)
	}
	if got := s.Must(t, "kv.get", "none", "otherwise"); got != "otherwise" {
		t.Errorf("%v", got)
	}
}

func TestReadingMakesNoFile(t *testing.T) {
	s := open(t, t.TempDir(), "")
	s.Must(t, "kv.get", "a")
	if got := s.Must(t, "kv.list"); !reflect.DeepEqual(got, []string{}) {
		t.Errorf("%v", got)
	}
	if _, err := os.Stat(filepath.Join(s.Folder(), "store.db")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestListAndDelete(t *testing.T) {
	s := open(t, t.TempDir(), "")
	for _, key := range []string{"b/2", "a", "b/1", "b", "é", "b/10", "c"} {
		s.Must(t, "kv.put", key, int64(1))
	}
	for _, test := range []struct {
		prefix, after string
		limit         int64
		want          []string
	}{
		{"", "", 100, []string{"a", "b", "b/1", "b/10", "b/2", "c", "é"}},
		{"b/", "", 100, []string{"b/1", "b/10", "b/2"}},
		{"", "", 2, []string{"a", "b"}},
		{"", "b", 2, []string{"b/1", "b/10"}},
		{"b/", "a", 1, []string{"b/1"}},
		{"b/", "b/1", 100, []string{"b/10", "b/2"}},
		{"b/", "c", 100, []string{}},
		{"b", "b/15", 100, []string{"b/2"}},
		{"z", "", 100, []string{}},
		{"é", "", 100, []string{"é"}},
	} {
		got, err := s.CallWith(t.Context(), "kv.list", []any{test.prefix}, map[string]any{"after": test.after, "limit": test.limit})
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
	for _, want := range []bool{true, false} {
		if got := s.Must(t, "kv.delete", "b/1"); got != want {
			t.Errorf("%v", got)
		}
	}
	if got := s.Must(t, "kv.list", "b/"); !reflect.DeepEqual(got, []string{"b/10", "b/2"}) {
		t.Errorf("%q", got)
	}
}

func TestIncrAndCompareAndSwap(t *testing.T) {
	s := open(t, t.TempDir(), "")
	for i, by := range []int64{1, 5, -7} {
		if got := s.Must(t, "kv.incr", "n", by); got != []int64{1, 6, -1}[i] {
			t.Errorf("%v", got)
		}
	}
	s.Must(t, "kv.put", "text", "1")
	_, err := s.Call(t.Context(), "kv.incr", "text")
	familytest.Raises(t, "TypeError", err)
	s.Must(t, "kv.put", "large", int64(1<<63-1))
	_, err = s.Call(t.Context(), "kv.incr", "large")
	familytest.Raises(t, "OverflowError", err)
	_, err = s.Call(t.Context(), "kv.incr", "n", int64(-1<<63))
	familytest.Raises(t, "OverflowError", err)
	for _, test := range []struct {
		expected, value any
		want            bool
	}{{int64(1), "a", false}, {nil, "a", true}, {nil, "b", false}, {"a", values.List{int64(1)}, true}, {values.List{1.0}, "c", true}, {"a", "d", false}} {
		if got := s.Must(t, "kv.cas", "c", test.expected, test.value); got != test.want {
			t.Errorf("%v: %v", test, got)
		}
	}
	if got := s.Must(t, "kv.get", "c"); got != "c" {
		t.Errorf("%v", got)
	}
}

func TestNamespaces(t *testing.T) {
	folder := t.TempDir()
	own, other, same := open(t, folder, ""), open(t, folder, "namespace = \"other\"\n"), open(t, folder, "namespace = \"test\"\n")
	own.Must(t, "kv.put", "k", "own")
	other.Must(t, "kv.put", "k", "other")
	other.Must(t, "kv.put", "more", "other")
	if got := same.Must(t, "kv.get", "k"); got != "own" {
		t.Errorf("%v", got)
	}
	if got := own.Must(t, "kv.list"); !reflect.DeepEqual(got, []string{"k"}) {
		t.Errorf("%v", got)
	}
	own.Must(t, "kv.delete", "more")
	if got := other.Must(t, "kv.list"); !reflect.DeepEqual(got, []string{"k", "more"}) {
		t.Errorf("%v", got)
	}
}

func TestQuotas(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, "max_keys = 3\nmax_value = \"10B\"\nmax_bytes = \"20B\"\n")
	_, err := s.Call(t.Context(), "kv.put", "k", strings.Repeat("x", 9)) // 11 in JSON
	familytest.Raises(t, "kv.QuotaError", err)
	s.Must(t, "kv.put", "k", strings.Repeat("x", 8)) // 11 bytes
	s.Must(t, "kv.put", "l", "123456")               // 20
	for _, call := range []string{"kv.put", "kv.incr", "kv.cas"} {
		_, err = s.Call(t.Context(), call, map[string][]any{"kv.put": {"m", ""}, "kv.incr": {"m"}, "kv.cas": {"m", nil, int64(1)}}[call]...)
		familytest.Raises(t, "kv.QuotaError", err)
	}
	s.Must(t, "kv.put", "l", "1234")
	s.Must(t, "kv.put", "m", int64(1)) // 20
	_, err = s.Call(t.Context(), "kv.put", "k", strings.Repeat("é", 8))
	familytest.Raises(t, "kv.QuotaError", err)
	s.Must(t, "kv.delete", "k")
	s.Must(t, "kv.put", "k", int64(1))
	_, err = s.Call(t.Context(), "kv.put", "n", int64(1))
	familytest.Raises(t, "kv.QuotaError", err) // the number of keys
	s.Must(t, "kv.incr", "k")
	// Another policy with less can still read, and make it less.
	less := open(t, folder, "max_keys = 1\nmax_bytes = \"1B\"\n")
	less.Must(t, "kv.put", "l", "1")
	less.Must(t, "kv.get", "l")
	_, err = less.Call(t.Context(), "kv.put", "l", "123")
	familytest.Raises(t, "kv.QuotaError", err)
	less.Must(t, "kv.delete", "l")
}

func TestSessionsAndProcesses(t *testing.T) {
	folder := t.TempDir()
	processes := []*exec.Cmd{}
	for range 2 {
		cmd, _ := start(t, folder, 40)
		processes = append(processes, cmd)
	}
	family := kv.Family()
	var sessions sync.WaitGroup
	for range 4 {
		s := familytest.New(t, family, folder, grant)
		sessions.Go(func() {
			for range 10 {
				if _, err := s.Call(t.Context(), "kv.incr", "shared"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sessions.Wait()
	for _, cmd := range processes {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if got := open(t, folder, "").Must(t, "kv.get", "shared"); got != int64(120) {
		t.Errorf("counted to %v, want 120", got)
	}
}

// A process that is killed loses nothing that it has been told is kept.
func TestKilled(t *testing.T) {
	folder := t.TempDir()
	for round := range 3 {
		cmd, out := start(t, folder, 0)
		s := open(t, folder, "")
		goal := int64(10 * (round + 1))
		for {
			if n, _ := s.Must(t, "kv.get", "shared").(int64); n >= goal {
				break
			}
			time.Sleep(time.Millisecond)
		}
		cmd.Process.Kill()
		cmd.Wait()
		lines := strings.Fields(out.String())
		if len(lines) == 0 {
			continue // what an earlier round has left was as much as the goal
		}
		said, _ := strconv.ParseInt(lines[len(lines)-1], 10, 64)
		if kept := s.Must(t, "kv.get", "shared").(int64); kept < said || kept > said+1 {
			t.Errorf("kept %d, said %d", kept, said)
		}
	}
}

func TestBusy(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, "")
	s.Must(t, "kv.put", "a", int64(1))
	db, err := bbolt.Open(filepath.Join(folder, "store.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Call(ctx, "kv.get", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	_, err = s.Call(t.Context(), "kv.put", "a", int64(2))
	familytest.Raises(t, "kv.BusyError", err)
	db.Close()
	if got := s.Must(t, "kv.get", "a"); got != int64(1) {
		t.Errorf("%v", got)
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir(), "")
	s.Must(b, "kv.put", "k", "value")
	for b.Loop() {
		s.Must(b, "kv.get", "k")
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir(), "")
	for b.Loop() {
		s.Must(b, "kv.put", "k", "value")
	}
}
