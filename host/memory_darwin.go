package host

// mapNoReserve is nothing here: addresses are not counted as memory.
const mapNoReserve = 0
