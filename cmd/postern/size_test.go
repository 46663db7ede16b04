package main

import "testing"

func TestByteSize(t *testing.T) {
	for n, want := range map[int]string{
		0: "0 bytes", 1: "1 byte", 41: "41 bytes", 999: "999 bytes", 1_000: "1.0 KB", 14_090: "14.1 KB", 999_949: "999.9 KB",
		999_950: "1.0 MB", 7_400_000: "7.4 MB", 64 << 20: "67.1 MB",
	} {
		if got := byteSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
