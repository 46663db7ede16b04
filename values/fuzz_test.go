package values_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
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

// FuzzDecodeJSON: what is plain JSON to Go is it here, but for limits and duplicate keys; and nothing comes out that is not JSON's.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"$bytes":"AA==","$dict":[[1,2.5e3]],"a":{"$int":"1"}}`))
	f.Add([]byte(`[null,true,"\ud800",-0,1e400]`))
	f.Fuzz(func(t *testing.T, src []byte) {
		v, err := values.DecodeJSON(src)
		if err != nil {
			return
		}
		if !json.Valid(src) {
			t.Fatalf("%q is not JSON and became %s", src, values.Format(v))
		}
		onlyJSON(t, v)
	})
}

func onlyJSON(t *testing.T, v any) {
	switch v := v.(type) {
	case nil, bool, int64, *big.Int, float64, string:
	case values.List:
		for _, item := range v {
			onlyJSON(t, item)
		}
	case *values.Dict:
		for k, item := range v.All() {
			onlyJSON(t, k)
			onlyJSON(t, item)
		}
	default:
		t.Fatalf("plain JSON became a %T", v)
	}
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
