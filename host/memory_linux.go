package host

import "golang.org/x/sys/unix"

// mapNoReserve keeps the kernel from setting memory aside for addresses that may never be used.
const mapNoReserve = unix.MAP_NORESERVE
