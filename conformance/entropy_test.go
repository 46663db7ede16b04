package conformance_test

import (
	"bytes"
	"strings"
	"testing"
)

// draws are all the ways in which Python code comes by randomness. Each gives another value each time.
var draws = map[string]string{
	"os":             "import uuid; uuid.os.urandom(16)",
	"a lot":          "import uuid; d = uuid.os.urandom(2_500_000); (len(d), d[:16], d[-16:])",
	"nothing":        "import uuid; (uuid.os.urandom(0), uuid.os.urandom(8))",
	"uuid4":          "import uuid; str(uuid.uuid4())",
	"secrets":        "import secrets; secrets.token_hex(16)",
	"SystemRandom":   "import random; random.SystemRandom().random()",
	"module":         "import random; random.random()",
	"reseeded":       "import random; random.seed(); random.random()",
	"own generator":  "import random; random.Random().random()",
	"another module": "import statistics as s; s.random.random() if hasattr(s, 'random') else __import__('random').random()",
	"without import": "import re; import random as r; r.getrandbits(64)",
}

// seeded is what a program seeds itself; that repeats always.
const seeded = "import random; random.seed(7); random.Random(8); (random.random(), random.Random(8).random(), random.Random('x').randint(0, 10**9))"

const entropyPolicy = "policy = 1\nname = 'entropy'\n[python]\nimports = ['random', 'secrets', 'uuid', 'statistics', 're']\n"

func TestGrantedRandomnessDiffers(t *testing.T) {
	h, err := newHost(entropyPolicy + "[grant.random]\nfunctions = ['bytes']\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	for name, code := range draws {
		a, b := run(t, sessionOf(t, h), code), run(t, sessionOf(t, h), code)
		if a.Error != nil || says(a) == says(b) {
			t.Errorf("%s: %s in one session, %s in another", name, says(a), says(b))
		}
		if a.Usage.HostCalls == 0 {
			t.Errorf("%s: no host call", name)
		}
	}
	a, b := run(t, sessionOf(t, h), seeded), run(t, sessionOf(t, h), seeded)
	if a.Error != nil || says(a) != says(b) {
		t.Errorf("seeded: %s and %s", says(a), says(b))
	}
	if native := run(t, session(t), seeded); says(a) != says(native) {
		t.Errorf("seeded: %s with the grant, %s without", says(a), says(native))
	}
	// What a session was before it is reset is not what it is afterwards.
	s := sessionOf(t, h)
	before := says(run(t, s, draws["module"]))
	if err := s.Reset(background); err != nil {
		t.Fatal(err)
	}
	if after := says(run(t, s, draws["module"])); after == before {
		t.Errorf("%s before a reset and after it", after)
	}
}

func TestWithoutTheGrantEverythingRepeats(t *testing.T) {
	h, err := newHost(entropyPolicy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	for name, code := range draws {
		a, b := run(t, sessionOf(t, h), code), run(t, sessionOf(t, h), code)
		if a.Error != nil || says(a) != says(b) || a.Usage.Fuel != b.Usage.Fuel {
			t.Errorf("%s: %s and %s, fuel %d and %d", name, says(a), says(b), a.Usage.Fuel, b.Usage.Fuel)
		}
	}
}

// The order of sets and dicts of strings is the policy's hash_seed, also where randomness is granted: the same in all sessions.
func TestHashSeedIsThePolicys(t *testing.T) {
	const code = "list({str(i) for i in range(20)})"
	seen := make(map[string]string)
	for _, settings := range []string{"hash_seed = 1", "hash_seed = 2", "hash_seed = 1\n[grant.random]\nfunctions = ['bytes']"} {
		h, err := newHost(entropyPolicy + settings + "\n")
		if err != nil {
			t.Fatal(err)
		}
		a, b := says(run(t, sessionOf(t, h), code)), says(run(t, sessionOf(t, h), code))
		if a != b {
			t.Errorf("%s: %s and %s", settings, a, b)
		}
		seen[strings.Split(settings, "\n")[0]] += a + "\n"
		h.Close()
	}
	if one := strings.Split(seen["hash_seed = 1"], "\n"); one[0] != one[1] || one[0]+"\n" == seen["hash_seed = 2"] {
		t.Errorf("%q", seen)
	}
}

// A fork has its parent's generators, as they are; what comes from the host is its own.
func TestEntropyOfForks(t *testing.T) {
	h, err := newHost(entropyPolicy + "[grant.random]\nfunctions = ['bytes']\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	a := sessionOf(t, h)
	run(t, a, "import random, uuid")
	b, err := a.Fork(background)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if x, y := says(run(t, a, "uuid.uuid4()")), says(run(t, b, "uuid.uuid4()")); x == y {
		t.Errorf("uuid4 is %s in both", x)
	}
	var saved bytes.Buffer
	if err := a.Save(&saved); err != nil {
		t.Fatal(err)
	}
	restored, err := h.Restore(background, &saved)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { restored.Close() })
	if x, y := says(run(t, a, "random.random()")), says(run(t, restored, "random.random()")); x != y {
		t.Errorf("the generator goes on with %s in one, %s in the other", x, y)
	}
}
