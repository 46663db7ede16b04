// The part of Extism's plugin ABI that the guest uses. Handles are offsets into the host's kernel memory, which the
// guest reaches only through these imports. See https://extism.org/docs/concepts/memory.
#ifndef POSTERN_EXTISM_H
#define POSTERN_EXTISM_H

#include <stdint.h>

#define EXTISM(name) __attribute__((import_module("extism:host/env"), import_name(#name)))

EXTISM(alloc) uint64_t extism_alloc(uint64_t length);
EXTISM(free) void extism_free(uint64_t handle);
EXTISM(length) uint64_t extism_length(uint64_t handle);
EXTISM(load_u8) uint32_t extism_load_u8(uint64_t handle);
EXTISM(load_u64) uint64_t extism_load_u64(uint64_t handle);
EXTISM(store_u8) void extism_store_u8(uint64_t handle, uint32_t value);
EXTISM(store_u64) void extism_store_u64(uint64_t handle, uint64_t value);
EXTISM(input_length) uint64_t extism_input_length(void);
EXTISM(input_load_u8) uint32_t extism_input_load_u8(uint64_t offset);
EXTISM(input_load_u64) uint64_t extism_input_load_u64(uint64_t offset);
EXTISM(output_set) void extism_output_set(uint64_t handle, uint64_t length);
EXTISM(error_set) void extism_error_set(uint64_t handle);

// The placeholder that the linker replaces: it calls the granted function number index (see docs/abi.md).
__attribute__((import_module("postern:link"), import_name("call")))
uint64_t postern_link_call(uint32_t index, uint64_t handle);

#endif
