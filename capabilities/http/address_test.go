package http_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	family "github.com/postern-sandbox/postern/capabilities/http"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
)

// notPublic are addresses that are not reached unless they are named.
var notPublic = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.0.1",
	"169.254.169.254", "169.254.170.2", "168.63.129.16", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255",
	"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::2", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b::a83f:8110", "64:ff9b:1::1",
	"100::1", "2001::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2002:808:808::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1",
	"fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "8000::1",
}

// As the name's only address: by the resolver, so nothing of it is in the URL.
func TestAddressesOfNames(t *testing.T) {
	for _, address := range notPublic {
		c := caller{family.Config{Resolver: names{"api.example.com": addresses(address)}}, `urls = ["**"]`}
		_, err := c.call(t.Context(), t, "get", "http://api.example.com/")
		familytest.IsDenied(t, err, "private", `"api.example.com" leads to`)
		if err != nil && strings.Contains(err.Error(), address) {
			t.Errorf("%s: the message has the address: %v", address, err)
		}
	}
}

// As the URL's host: decided before anything is done.
func TestAddressesInURLs(t *testing.T) {
	for _, address := range notPublic {
		host := address
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		got, verdict := decided(t, `urls = ["**"]`, "http://"+host+"/")
		if got != "" || verdict.Key != "private" {
			t.Errorf("%s: requests %q (%s)", address, got, verdict.Reason)
		}
	}
	for _, host := range []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.0.1.1", "198.20.0.1", "[2606:4700::1111]", "[2a00:1450::1]", "[64:ff9b::808:808]", "[::ffff:8.8.8.8]"} {
		if got, verdict := decided(t, `urls = ["**"]`, "http://"+host+"/"); got == "" {
			t.Errorf("%s: denied (%s)", host, verdict.Reason)
		}
	}
}

func TestNamedAddresses(t *testing.T) {
	for _, test := range []struct {
		private, address string
		permits          bool
	}{
		{"10.0.0.0/8", "10.1.2.3", true}, {"10.1.2.3", "10.1.2.3", true}, {"10.1.2.3", "10.1.2.4", false}, {"10.0.0.0/8", "172.16.0.1", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true}, {"10.0.0.0/8", "64:ff9b::a01:203", false}, {"10.0.0.0/8", "2002:a01:203::", false},
		{"fd00::/8", "fd12::1", true}, {"::1", "::1", true}, {"::1", "127.0.0.1", false}, {"127.0.0.1", "::1", false},
		{"0.0.0.0/0", "127.0.0.1", true},
		// A network does not name the metadata service in it.
		{"0.0.0.0/0", "169.254.169.254", false}, {"169.254.0.0/16", "169.254.169.254", false}, {"169.254.169.254/32", "169.254.169.254", true},
		{"169.254.169.254", "::ffff:169.254.169.254", true}, {"fd00::/8", "fd00:ec2::254", false},
	} {
		host := test.address
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		got, verdict := decided(t, `urls = ["**"]`+"\nprivate = [\""+test.private+"\"]", "http://"+host+"/")
		if (got != "") != test.permits {
			t.Errorf("%s with private %s: requests %q (%s)", test.address, test.private, got, verdict.Reason)
		}
	}
}

// rebinding answers first with one address and then with others.
type rebinding struct {
	asked   atomic.Int32
	answers []string
}

func (r *rebinding) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n := int(r.asked.Add(1)) - 1
	return addresses(r.answers[min(n, len(r.answers)-1)]), nil
}

func TestRebinding(t *testing.T) {
	var secret atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { secret.Add(1) }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	// The server is at 127.0.0.1; the grant names 127.0.0.2 alone, where nothing listens.
	resolver := &rebinding{answers: []string{"127.0.0.2", "127.0.0.1"}}
	c := caller{family.Config{Resolver: resolver}, `urls = ["http://api.example.com:*/**"]` + "\nprivate = [\"127.0.0.2\"]"}
	_, err := c.call(t.Context(), t, "get", "http://api.example.com:"+port+"/")
	familytest.FailsWith(t, err, "ConnectionError", "")
	if resolver.asked.Load() != 1 {
		t.Errorf("the name was looked up %d times, want once", resolver.asked.Load())
	}
	_, err = c.call(t.Context(), t, "get", "http://api.example.com:"+port+"/")
	familytest.IsDenied(t, err, "private", "leads to a loopback address")
	if secret.Load() != 0 {
		t.Error("the server was reached")
	}
}

func TestSomeAddressesArePublic(t *testing.T) {
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	// 127.0.0.1 is not named, and comes first.
	c := caller{family.Config{Resolver: names{"api.example.com": addresses("127.0.0.1", "10.0.0.1", "127.0.0.3")}},
		`urls = ["http://api.example.com:*/**"]` + "\nprivate = [\"127.0.0.3\"]"}
	_, err := c.call(t.Context(), t, "get", "http://api.example.com:"+port+"/")
	familytest.FailsWith(t, err, "ConnectionError", "refused")
	c.scope = strings.Replace(c.scope, "127.0.0.3", "127.0.0.1", 1)
	if c.get(t, "http://api.example.com:"+port+"/"); reached.Load() != 1 {
		t.Errorf("reached %d times", reached.Load())
	}
	_, err = c.call(t.Context(), t, "get", "http://unknown.example.com:"+port+"/")
	familytest.IsDenied(t, err, "urls", "")
	c.scope = `urls = ["**"]`
	_, err = c.call(t.Context(), t, "get", "http://unknown.example.com/")
	familytest.FailsWith(t, err, "ConnectionError", "there is no host of that name")
	c.config.Resolver = names{"none.example": nil}
	_, err = c.call(t.Context(), t, "get", "http://none.example/")
	familytest.FailsWith(t, err, "ConnectionError", "no address")
}
