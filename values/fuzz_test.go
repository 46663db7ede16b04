package values_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/postern-sandbox/postern/values"
)

// FuzzDecode feeds what the guest could send. Whatever is accepted must come back the same, twice.
func FuzzDecode(f *testing.F) {
	for _, form := range forms {
		f.Add([]byte(form.json))
	}
	f.Add([]byte(`{"$dict":[[{"$float":"nan"},1],[{"$float":"nan"},2]]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		v, err := values.Decode(src)
		if err != nil {
			return
		}
		first, err := values.Append(nil, v, math.MaxInt)
		if err != nil {
			t.Fatalf("%q was decoded, but: %v", src, err)
		}
		again, err := values.Decode(first)
		if err != nil || !values.Equal(v, again) {
			t.Fatalf("%q became %q and then %v, %v", src, first, again, err)
		}
		if second, err := values.Append(nil, again, len(first)); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%q and then %q, %v", first, second, err)
		}
		values.Format(v)
	})
}

func FuzzDecodeCall(f *testing.F) {
	f.Add([]byte(`{"args":[1,{"$tuple":[]}],"kwargs":{"b":null,"$a":2}}   `))
	f.Fuzz(func(t *testing.T, src []byte) {
		args, kwargs, err := values.DecodeCall(src)
		if err != nil {
			return
		}
		for _, v := range args {
			if _, err := values.Append(nil, v, math.MaxInt); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range kwargs {
			if _, err := values.Append(nil, k.Value, math.MaxInt); err != nil {
				t.Fatal(err)
			}
		}
	})
}
