package main

import "fmt"

// byteSize is a number of bytes in words: "311 bytes", "14.1 KB", "7.4 MB". KB and MB are powers of 1000.
func byteSize(n int) string {
	switch {
	case n < 1_000:
		return plural(int64(n), "byte", "bytes")
	case n < 999_950: // what is not rounded to 1000.0 KB
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
