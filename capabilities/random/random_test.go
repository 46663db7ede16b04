package random_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/random"
)

func draw(t *testing.T, n any) ([]byte, error) {
	t.Helper()
	family := random.Family()
	if _, err := capabilities.NewRegistry(family); err != nil {
		t.Fatal(err)
	}
	drawn, err := family.Capabilities[0].Call(t.Context(), &capabilities.Call{Args: []any{n}})
	if err != nil {
		return nil, err
	}
	return drawn.([]byte), nil
}

func TestBytes(t *testing.T) {
	for _, n := range []int64{0, 1, 16, random.MaxBytes} {
		a, err := draw(t, n)
		if err != nil || int64(len(a)) != n {
			t.Fatalf("%d: %d bytes, %v", n, len(a), err)
		}
		if b, _ := draw(t, n); n >= 16 && bytes.Equal(a, b) {
			t.Errorf("%d: twice the same", n)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, test := range []struct {
		n     any
		class string
	}{
		{int64(-1), "ValueError"}, {int64(random.MaxBytes + 1), "ValueError"},
		{new(big.Int).Lsh(big.NewInt(1), 80), "TypeError"}, {1.5, "TypeError"}, {"1", "TypeError"}, {nil, "TypeError"}, {true, "TypeError"},
	} {
		_, err := draw(t, test.n)
		var raised *capabilities.PythonError
		if !errors.As(err, &raised) || raised.Type != test.class {
			t.Errorf("%v: %v, want %s", test.n, err, test.class)
		}
	}
}
