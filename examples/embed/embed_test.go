package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
)

// records keeps the audit records in memory.
type records struct {
	mu   sync.Mutex
	kept []audit.Record
}

func (r *records) Append(record *audit.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, *record)
	return nil
}

func (r *records) Close() error { return nil }

// serve starts the service on a folder.
func serve(t *testing.T, config Config) (url string, service *Service, log *records) {
	t.Helper()
	log = new(records)
	config.Audit = log
	service, err := NewService(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Close(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return server.URL, service, log
}

// patient is a configuration for a machine that has other things to do.
func patient(folder string) Config {
	return Config{Folder: folder, Sessions: 2, Wait: time.Minute, Deadline: 2 * time.Minute}
}

// post sends a body for a customer and gives "status body".
func post(t *testing.T, url, customer, body string) string {
	t.Helper()
	r, err := http.Post(url+"/customers/"+customer+"/formula", "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return ""
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(r.StatusCode, " ", strings.TrimSpace(string(text)))
}

// ask posts a formula.
func ask(t *testing.T, url, customer, formula string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"formula": formula})
	if err != nil {
		t.Fatal(err)
	}
	return post(t, url, customer, string(body))
}

func TestService(t *testing.T) {
	url, _, log := serve(t, patient("."))

	for _, c := range []struct{ customer, formula, want string }{
		{"bakery", "import orders\norders.total('2025-02')", `200 {"value":{"$decimal":"255.05"},"repr":"Decimal('255.05')"}`},
		{"bakery", "import orders, statistics\nstatistics.mean(o['amount'] for o in orders.list(region='south'))", `200 {"value":{"$decimal":"78.45"}`},
		{"bakery", "1/0", `422 {"error":{"type":"ZeroDivisionError","message":"division by zero","line":1}}`},
		{"bakery", "import orders\norders.list(2025)", `422 {"error":{"type":"TypeError","message":"month must be str, not int","line":2}}`},
		{"bakery", "import orders\norders.list(customer='harbour')", `got an unexpected keyword argument 'customer'`},
		{"harbour", "import orders\norders.total('2025-01')", `200 {"value":{"$decimal":"9450.40"}`},
		// Denied: a function that is not granted, a condition, a family.
		{"harbour", "import orders\norders.list('2025-01')", `403 {"error":{"type":"Denied","message":"orders.list is not granted`},
		{"harbour", "import orders\norders.total()", `403 {"error":{"type":"Denied","message":"orders.total is denied`},
		{"harbour", "import math", `403 {"error":{"type":"ImportError"`},
		// The scope of the policy, and limits.
		{"harbour", "import orders\norders.total('2025-02')", `422 {"error":{"type":"TooMany","message":"more than 4 orders: choose a month or a region","line":2}}`},
		{"harbour", "import orders\nfor _ in range(11): orders.total('2025-01')", `"limit":"host_calls"`},
		{"harbour", "'x' * 10_000", `"limit":"result"`},
		// Hostile ones.
		{"harbour", "while True:\n  try:\n    while True: pass\n  except BaseException: pass", `422 {"error":{"type":"LimitExceeded","message":"limits.fuel exceeded: 20000000 of 20000000","limit":"fuel"}}`},
		{"harbour", "open('/etc/passwd')", `403 {"error":{"type":"Denied"`},
		{"harbour", "import os", `403 {"error":{"type":"ImportError"`},
		{"nobody", "1", `404 `},
		{"..%2Fpolicies%2Fbakery", "1", `404 `},
	} {
		if got := ask(t, url, c.customer, c.formula); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\ngave %s\nwant %s", c.customer, c.formula, got, c.want)
		}
	}
	for _, c := range []struct{ body, want string }{
		{`{"formula": "n + 1", "values": {"n": 9007199254740993}}`, `200 {"value":{"$int":"9007199254740994"}`},
		{`{"formula": "n", "values": [1]}`, `400 `},
		{`{"formula": "n", "value": {}}`, `400 `},
		{`{"formula": `, `400 `},
		{`{"formula": "` + strings.Repeat("#", maxBody) + `"}`, `400 `},
		{`{"formula": "1", "values": {"not a name": 1}}`, `422 `},
	} {
		if got := post(t, url, "bakery", c.body); !strings.HasPrefix(got, c.want) {
			t.Errorf("%.60s\ngave %s\nwant %s", c.body, got, c.want)
		}
	}

	// What one formula leaves behind no other finds, and each gets its own customer's data, though many run at once.
	totals := map[string]string{"bakery": "200.75", "harbour": "9450.40"}
	var all sync.WaitGroup
	for i := range 24 {
		customer := []string{"bakery", "harbour"}[i%2]
		all.Go(func() {
			got := ask(t, url, customer, "import orders\nassert 'left' not in globals()\nleft = orders.total('2025-01')\nleft")
			if !strings.HasPrefix(got, `200 {"value":{"$decimal":"`+totals[customer]+`"}`) {
				t.Errorf("%s: %s", customer, got)
			}
		})
	}
	all.Wait()

	// The log has the customer of each session.
	log.mu.Lock()
	defer log.mu.Unlock()
	of := make(map[string]string)
	denied := 0
	for _, r := range log.kept {
		switch r.Kind {
		case audit.SessionOpened:
			of[r.Session] = r.Labels["customer"]
		case audit.Decision:
			if !*r.Allow {
				denied++
			}
			if of[r.Session] == "" {
				t.Errorf("a decision without a customer: %+v", r)
			}
		}
	}
	if denied != 2 { // the condition, and the eleventh call
		t.Errorf("the log has %d denials", denied)
	}
}

// While a customer's only session is busy others wait, not for ever; a request's deadline ends its formula; the service then goes on.
func TestBusyAndDeadline(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "data/slow.csv", "2025-01,north,1\n")
	write(t, folder, "policies/slow.toml", "policy = 1\nname = \"slow\"\nlimits.wall_time = \"60s\"\nlimits.fuel = 1_000_000_000_000\n[grant.math]\nfunctions = [\"sqrt\"]\n")
	config := patient(folder)
	config.Sessions, config.Wait = 1, time.Millisecond
	url, service, _ := serve(t, config)
	if got := ask(t, url, "slow", "2"); !strings.HasPrefix(got, "200 ") {
		t.Fatal(got)
	}
	// The one session is taken here, so that nothing depends on time.
	c, err := service.customer(t.Context(), "slow")
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.pool.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, url, "slow", "2"); !strings.HasPrefix(got, `429 {"error":{"type":"Busy"`) {
		t.Errorf("busy: %s", got)
	}
	if err := c.pool.Put(session); err != nil {
		t.Fatal(err)
	}

	config.Wait, config.Deadline = time.Minute, 300*time.Millisecond
	hasty, other, _ := serve(t, config)
	if _, err := other.customer(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, hasty, "slow", "while True: pass"); !strings.HasPrefix(got, `504 {"error":{"type":"Deadline"`) {
		t.Errorf("deadline: %s", got)
	}
	if c, err = other.customer(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	if result, err := other.run(t.Context(), c.pool, "3", nil); err != nil || string(result.Value) != "3" {
		t.Errorf("afterwards: %+v, %v", result, err)
	}
	if err := service.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, url, "slow", "4"); !strings.HasPrefix(got, `503 `) {
		t.Errorf("closed: %s", got)
	}
}

// A policy that is wrong runs nothing; once it is corrected, the customer is served.
func TestBrokenPolicy(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "data/new.csv", "2025-01,north,1\n")
	write(t, folder, "policies/new.toml", "policy = 1\nname = \"new\"\n[grant.orders]\nfunctions = [\"totel\"]\n")
	url, _, _ := serve(t, patient(folder))
	if got := ask(t, url, "new", "1"); got != `500 {"error":{"type":"Internal","message":"the service has failed"}}` {
		t.Errorf("broken: %s", got)
	}
	write(t, folder, "policies/new.toml", "policy = 1\nname = \"new\"\n[grant.math]\nfunctions = [\"sqrt\"]\n")
	if got := ask(t, url, "new", "1"); !strings.HasPrefix(got, `200 `) {
		t.Errorf("corrected: %s", got)
	}
}

// The whole program: it listens, answers, stops when it is told to, and leaves a log that can be verified.
func TestRun(t *testing.T) {
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it is told before it begins: what it opens it closes
	if err := run(ctx, "127.0.0.1:0", folder); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Verify(filepath.Join(folder, "audit"), audit.VerifyOptions{}); err != nil {
		t.Error(err)
	}
}

// The README shows what the service answers.
func TestTranscript(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	url, _, _ := serve(t, patient("."))
	shown := regexp.MustCompile(`(?m)^    \$ ask (\w+) '(.*)'\n    (.*)\n    (\d+)$`).FindAllStringSubmatch(string(text), -1)
	if len(shown) < 6 {
		t.Fatalf("%d requests are shown", len(shown))
	}
	for _, m := range shown {
		if got := post(t, url, m[1], m[2]); got != m[4]+" "+m[3] {
			t.Errorf("%s %s\ngave %s\nwant %s %s", m[1], m[2], got, m[4], m[3])
		}
	}
}

func TestReadOrders(t *testing.T) {
	for _, text := range []string{"a,b\n", "a,b,c\n", "a,b,1e999999999\n", "a,b,1/3\n", "a,b,1,2\n", "a,b,NaN\n"} {
		if _, err := readOrders(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
