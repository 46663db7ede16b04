// Memory that is taken and given back in order, and is bounded.
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_MEMORY = 24 << 20 };

static const char out_of_memory[] = "the arguments need more than 24 MiB of memory";

extern uint8_t __heap_base;  // where the linker's own data ends

static size_t memory_used;

static inline size_t memory_mark(void) { return memory_used; }
static inline void memory_release(size_t mark) { memory_used = mark; }

// allocate gives memory of any contents, or NULL.
static inline void *allocate(size_t size) {
  if (size > MAX_MEMORY || MAX_MEMORY - memory_used < size) return NULL;
  uint8_t *block = &__heap_base + memory_used;
  size_t end = (size_t)block + size, have = __builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (size_t)-1) return NULL;
  memory_used = (memory_used + size + 15) & ~(size_t)15;
  return block;
}

#endif
