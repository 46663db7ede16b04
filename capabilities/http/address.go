package http

import (
	"net/netip"
	"slices"

	"github.com/postern-sandbox/postern/policies"
)

// denied says why an address may not be reached: what it is, "a loopback address". It is empty if it may be, because it is
// public or because the grant's key private names it.
func denied(address netip.Addr, private []netip.Prefix) string {
	address = address.WithZone("").Unmap()
	if slices.Contains(metadata, address) {
		// Whoever permits a network seldom means the machine's own credentials in it.
		if slices.Contains(private, netip.PrefixFrom(address, address.BitLen())) {
			return ""
		}
		return "the address of a metadata service"
	}
	if slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Contains(address) }) {
		return ""
	}
	return kind(address)
}

// kind says what an address is that is not on the public internet; it is empty for the others.
func kind(address netip.Addr) string {
	for _, n := range networks {
		if n.prefix.Contains(address) {
			return n.kind
		}
	}
	if nat64.Contains(address) {
		// A translator sends it to the IPv4 address in its last bytes.
		bytes := address.As16()
		inner := netip.AddrFrom4([4]byte(bytes[12:]))
		if slices.Contains(metadata, inner) {
			return "the address of a metadata service"
		}
		return kind(inner)
	}
	if address.Is6() && !global6.Contains(address) {
		return "not a public address"
	}
	if !address.IsValid() {
		return "no address"
	}
	return ""
}

var (
	global6 = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
)

// metadata are the addresses at which cloud providers give a machine its credentials: Amazon, Google, Azure and others;
// Amazon over IPv6; Alibaba; Oracle; Azure's second.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("169.254.170.2"), netip.MustParseAddr("169.254.170.23"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd00:ec2::23"), netip.MustParseAddr("fd20:ce::254"),
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"), netip.MustParseAddr("168.63.129.16"),
}

type network struct {
	prefix netip.Prefix
	kind   string
}

// networks are those of IANA's registries of special addresses (RFC 6890) that are not globally reachable, and those that
// lead to other addresses: 6to4 and Teredo.
var networks = []network{
	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified address"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a shared address of a provider"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a special address"},
	{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a special address"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	{netip.MustParsePrefix("::/128"), "an unspecified address"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("::/96"), "an IPv4 address in an obsolete form"},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), "a translated address"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a translated address"},
	{netip.MustParsePrefix("100::/64"), "a discarded address"},
	{netip.MustParsePrefix("2001::/23"), "a special address"},
	{netip.MustParsePrefix("2001:db8::/32"), "an address for documentation"},
	{netip.MustParsePrefix("2002::/16"), "a 6to4 address"},
	{netip.MustParsePrefix("3fff::/20"), "an address for documentation"},
	{netip.MustParsePrefix("5f00::/16"), "a special address"},
	{netip.MustParsePrefix("fc00::/7"), "a private address"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("fec0::/10"), "a private address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
}

// privateOf gives the addresses that a grant names.
func privateOf(scope policies.Scope) (list []netip.Prefix) {
	for _, text := range scope.List("private") {
		if prefix, ok := parsePrivate(text); ok {
			list = append(list, prefix)
		}
	}
	return list
}

// parsePrivate reads an entry of the key private: an address or a network.
func parsePrivate(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, prefix == prefix.Masked() && !prefix.Addr().Is4In6()
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" || address.Is4In6() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(address, address.BitLen()), true
}
