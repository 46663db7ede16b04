package link_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/link"
)

func TestAnswers(t *testing.T) {
	answers := []link.Answer{
		{"math_sqrt", []byte(`{"ok":11.18}`)}, {"a_b", []byte(`{"ok":1}`)}, {"z_long", []byte(`{"ok":"` + strings.Repeat("x", 200_000) + `"}`)},
	}
	module, err := link.Answers(answers)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := link.Answers([]link.Answer{answers[2], answers[0], answers[1]}); err != nil || !bytes.Equal(again, module) {
		t.Errorf("in another order it is another module (%v)", err)
	}
	r := newRuntime(t)
	var block []byte
	kernel := r.NewHostModuleBuilder("extism:host/env")
	kernel.NewFunctionBuilder().WithFunc(func(length uint64) uint64 { block = make([]byte, length); return 5000 }).Export("alloc")
	kernel.NewFunctionBuilder().WithFunc(func(at, word uint64) {
		for i := range 8 {
			block[at-5000+uint64(i)] = byte(word >> (8 * i))
		}
	}).Export("store_u64")
	if _, err := kernel.Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := r.Instantiate(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		for range 2 {
			if got := mustCall(t, m, a.Function, 12345); got != 5000 || string(bytes.TrimRight(block, " ")) != string(a.JSON) {
				t.Errorf("%s answered %d, %.40q", a.Function, got, block)
			}
		}
		// Extism's Go SDK links by the names of the name section.
		if name := m.ExportedFunction(a.Function).Definition().Name(); name != a.Function {
			t.Errorf("%s is called %q", a.Function, name)
		}
	}
	if len(m.ExportedFunctionDefinitions()) != len(answers) || len(m.ExportedMemoryDefinitions()) != 0 {
		t.Error("it exports more than the functions")
	}
}

func TestAnswersRefuse(t *testing.T) {
	for want, answers := range map[string][]link.Answer{
		"not a symbol": {{"sqrt", []byte("{}")}},
		"twice":        {{"a_b", []byte("{}")}, {"a_b", []byte("{}")}},
		"is empty":     {{"a_b", nil}},
		"64 MiB":       {{"a_b", make([]byte, 64<<20+1)}},
	} {
		if _, err := link.Answers(answers); err == nil || !strings.HasPrefix(err.Error(), "link: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
