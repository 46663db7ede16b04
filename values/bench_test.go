package values_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/postern-sandbox/postern/values"
)

// BenchmarkCall is what a host call costs here: a request of 64 bytes, and its answer.
func BenchmarkCall(b *testing.B) {
	request := []byte(`{"args": [2.5, "hello world", 17], "kwargs": {"base": 10.0}}    `)
	answer := make([]byte, 0, 64)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := values.DecodeCall(request); err != nil {
			b.Fatal(err)
		}
		if _, err := values.AppendOK(answer, 1.5811388300841898, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

// megabyte is a list of records, 1 MB as JSON.
func megabyte() []byte {
	record := []byte(`{"id":12345,"name":"Grüße an alle","score":0.8214,"tags":["a","b"],"point":{"$tuple":[1.5,2.5]}}`)
	n := 1 << 20 / (len(record) + 1)
	return append(append([]byte("["), bytes.Join(bytes.SplitN(bytes.Repeat(append(record, ' '), n), []byte(" {"), -1), []byte(",{"))...), ']')
}

func BenchmarkDecodeMegabyte(b *testing.B) {
	src := megabyte()
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := values.Decode(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMegabyte(b *testing.B) {
	v, err := values.Decode(megabyte())
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 2<<20)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := values.Append(dst, v, math.MaxInt); err != nil {
			b.Fatal(err)
		}
	}
}
