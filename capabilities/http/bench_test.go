package http_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A response of the greatest size, with and without a secret to look for in it.
func BenchmarkGet7MiB(b *testing.B) {
	body := strings.Repeat("The gate is opened an hour before high water. ", 7<<20/46)
	for name, secrets := range map[string]string{"plain": "", "secret": "secrets = { Authorization = \"env:TOKEN\" }\n"} {
		b.Run(name, func(b *testing.B) {
			c, url := serve(b, everything+"\nmax_response = \"7MiB\"\n"+secrets, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				c.get(b, url+"/")
			}
		})
	}
}
