// The part of Extism's ABI that a plugin needs. Handles are offsets into the host's memory, which is reached eight bytes at a time.
#ifndef EXTISM_H
#define EXTISM_H

#include <stddef.h>
#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("extism:host/env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(input_length) uint64_t extism_input_length(void);
IMPORT(input_load_u8) uint32_t extism_input_load_u8(uint64_t offset);
IMPORT(input_load_u64) uint64_t extism_input_load_u64(uint64_t offset);
IMPORT(alloc) uint64_t extism_alloc(uint64_t length);
IMPORT(store_u8) void extism_store_u8(uint64_t handle, uint32_t byte);
IMPORT(store_u64) void extism_store_u64(uint64_t handle, uint64_t word);
IMPORT(output_set) void extism_output_set(uint64_t handle, uint64_t length);
IMPORT(error_set) void extism_error_set(uint64_t handle);

// input copies what the export was called with, which is extism_input_length() bytes long.
static inline void input(uint8_t *to) {
  uint64_t length = extism_input_length(), i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word = extism_input_load_u64(i);
    __builtin_memcpy(to + i, &word, 8);
  }
  for (; i < length; i++) to[i] = (uint8_t)extism_input_load_u8(i);
}

// share copies bytes to where the host sees them.
static inline uint64_t share(const uint8_t *bytes, size_t length) {
  uint64_t handle = extism_alloc(length), i = 0;
  for (; i + 8 <= length; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, bytes + i, 8);
    extism_store_u64(handle + i, word);
  }
  for (; i < length; i++) extism_store_u8(handle + i, bytes[i]);
  return handle;
}

// answer and fail end an export: `return answer(bytes, length);`
static inline int32_t answer(const uint8_t *bytes, size_t length) {
  extism_output_set(share(bytes, length), length);
  return 0;
}

static inline int32_t fail(const char *message) {
  size_t length = 0;
  while (message[length]) length++;
  extism_error_set(share((const uint8_t *)message, length));
  return 1;
}

#endif
