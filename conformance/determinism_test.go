package conformance_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// snippets are programs with a number in them, each of them another way to be led astray by time, entropy, addresses or order.
var snippets = []string{
	"import random\nrandom.seed(); print([random.randint(0, 99) for _ in range(%d)])",
	"import uuid\nprint(uuid.uuid4(), uuid.uuid1(), %d)",
	"import secrets\nsecrets.token_hex(%d)",
	"import time\nprint(time.time(), time.monotonic_ns(), time.perf_counter()); time.sleep(%d / 1000); print(time.time())",
	"import datetime\nprint(datetime.datetime.now(), datetime.date.today() + datetime.timedelta(days=%d))",
	"print({str(i) for i in range(%d)})",
	"print({object(): i for i in range(%d)})",
	"print([id(object()) for _ in range(%d)])",
	"class C: pass\nprint([C() for _ in range(%d)])",
	"print(hash('x%d'), hash(1.5), hash((1, 'a')), hash(frozenset('abc')))",
	"import asyncio\nasync def f(n):\n    await asyncio.sleep(n / 100)\n    print(n)\nasync def main(): await asyncio.gather(*(f(n) for n in range(%d, 0, -1)))\nasyncio.run(main())",
	"import gc\nx = []\nfor i in range(%d * 100):\n    y = [i]; y.append(y); x.append(y)\nprint(gc.collect() >= 0)",
	"import weakref\nclass C: pass\nd = weakref.WeakValueDictionary()\nkept = [C() for _ in range(%d)]\nfor c in kept: d[id(c)] = c\nprint(len(d), list(d)[:3])",
	"raise ValueError(object(), %d)",
	"import logging\nlogging.basicConfig(level=0)\nlogging.info('n is %%s', %d)",
	"import warnings\nwarnings.warn('n is %d')",
	"import json, re, collections\ntext = json.dumps(dict(collections.Counter('abc' * %d)))\nprint(re.findall(r'[0-9]+', text), text)",
	"def f(n): return n if n < 2 else f(n - 1) + f(n - 2)\nf(10 + %d %% 5)",
	"import decimal, fractions\nprint(decimal.Decimal(%d) / 7, fractions.Fraction(1, 3) ** 5)",
	"import tools\nx = %d",
	"n = %d\n[x for x in range(1000) if x %% (n + 1) == 0][-1] / 3",
	"exec('x = 1\\n' * %d); x",
	"import threading\nthreading.Thread(target=print).start()\nprint(%d)",
	"try:\n    eval('(' * %d + '1')\nexcept Exception as e: print(type(e), e)",
}

// deterministicPrograms are more than two hundred programs: those of testdata, and the snippets with several numbers.
func deterministicPrograms(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/programs/*.py")
	if err != nil {
		t.Fatal(err)
	}
	var programs []string
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, string(code))
	}
	for _, n := range []int{1, 2, 3, 5, 8, 13, 21, 34} {
		for _, snippet := range snippets {
			programs = append(programs, fmt.Sprintf(snippet, n))
		}
	}
	if len(programs) < 200 {
		t.Fatalf("%d programs", len(programs))
	}
	return programs
}

// everything is all that came of a run, except how long it took.
func everything(t *testing.T, s *host.Session, code string) string {
	t.Helper()
	r := run(t, s, code)
	r.Usage.WallMS = 0
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// childVariable makes the test of that name print what came of each program, for the process that started it.
const childVariable = "POSTERN_TEST_DETERMINISM_CHILD"

// The same code, policy and inputs give the same output, value, error, fuel and memory: twice in a row, and in another process.
func TestDeterminism(t *testing.T) {
	programs := deterministicPrograms(t)
	child := os.Getenv(childVariable) != ""
	digests := make([]string, len(programs))
	for i, code := range programs {
		// Reset gives back the session that NewSession gave, so each program is seen in an old instance and in a newer one.
		s := session(t)
		first := everything(t, s, code)
		sum := sha256.Sum256([]byte(first))
		digests[i] = hex.EncodeToString(sum[:])
		if child {
			fmt.Printf("digest %s\n", digests[i])
		} else {
			if err := s.Reset(background); err != nil {
				t.Fatal(err)
			}
			if second := everything(t, s, code); second != first {
				t.Errorf("%s\nfirst  %s\nsecond %s", code, first, second)
			}
		}
		s.Close()
	}
	if child || t.Failed() {
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^TestDeterminism$", "-test.count=1")
	command.Env = append(os.Environ(), childVariable+"=1")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(output); lines.Scan(); {
		digest, ok := strings.CutPrefix(lines.Text(), "digest ")
		if !ok {
			continue
		}
		if n < len(programs) && digest != digests[n] {
			t.Errorf("another process: %s", programs[n])
		}
		n++
	}
	if err := command.Wait(); err != nil || n != len(programs) {
		t.Errorf("another process: %d programs, %v", n, err)
	}
}
