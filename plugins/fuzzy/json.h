// As much of JSON as the arguments need. A reader that has failed gives nothing more.
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
  const uint8_t *bytes;
  size_t length;
};

struct reader {
  const uint8_t *at, *end;
  bool failed;
  uint32_t depth;
};

static inline uint8_t peek(struct reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
  return r->failed || r->at == r->end ? 0 : *r->at;
}

static inline bool accept(struct reader *r, uint8_t c) {
  if (peek(r) != c) return false;
  r->at++;
  return true;
}

static inline bool expect(struct reader *r, uint8_t c) {
  if (!accept(r, c)) r->failed = true;
  return !r->failed;
}

static inline bool at_end(struct reader *r) { return !r->failed && peek(r) == 0 && r->at == r->end; }

// read_string gives a string as it is written, with its quotes.
static inline struct slice read_string(struct reader *r) {
  peek(r);
  const uint8_t *start = r->at;
  if (!expect(r, '"')) return (struct slice){NULL, 0};
  while (r->at < r->end && *r->at != '"') {
    if (*r->at == '\\' && r->end - r->at > 1) r->at++;
    r->at++;
  }
  if (r->at >= r->end) r->failed = true;
  else r->at++;
  return r->failed ? (struct slice){NULL, 0} : (struct slice){start, (size_t)(r->at - start)};
}

// read_number gives a whole number; one that is too large is the largest.
static inline uint32_t read_number(struct reader *r) {
  uint64_t n = 0;
  uint8_t c = peek(r);
  if (c < '0' || c > '9') r->failed = true;
  for (; !r->failed && r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
    if (n <= UINT32_MAX) n = 10 * n + (*r->at - '0');
  return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

// next_item goes to the next item of a list, and is false at its end: depth is 1 within it.
static inline bool next_item(struct reader *r) {
  if (r->depth == 0) {
    if (!expect(r, '[')) return false;
    r->depth = 1;
    if (accept(r, ']')) return false;
    return !r->failed;
  }
  if (accept(r, ']')) return false;
  return expect(r, ',');
}

// next_member is the same for an object.
static inline bool next_member(struct reader *r, struct slice *key) {
  if (r->depth == 0) {
    if (!expect(r, '{')) return false;
    r->depth = 1;
    if (accept(r, '}')) return false;
  } else {
    if (accept(r, '}')) return false;
    if (!expect(r, ',')) return false;
  }
  *key = read_string(r);
  return expect(r, ':');
}

// skip passes a value, whatever it is, and gives it as it is written.
static inline struct slice skip(struct reader *r) {
  peek(r);
  const uint8_t *start = r->at;
  uint32_t depth = 0;
  do {
    switch (peek(r)) {
      case '[':
      case '{': depth++; r->at++; break;
      case ']':
      case '}':
        if (depth == 0) r->failed = true;
        else depth--, r->at++;
        break;
      case '"': read_string(r); break;
      case 0: r->failed = true; break;
      default: r->at++;
    }
    if (depth == 0 && (peek(r) == ',' || peek(r) == '}' || peek(r) == ']')) break;
  } while (!r->failed);
  return r->failed ? (struct slice){NULL, 0} : (struct slice){start, (size_t)(r->at - start)};
}

// is compares a key with a name that needs no escapes.
static inline bool is(struct slice key, const char *name) {
  size_t i = 0;
  for (; name[i]; i++)
    if (i + 2 >= key.length || key.bytes[i + 1] != (uint8_t)name[i]) return false;
  return key.length == i + 2;
}

// A writer counts what is written while it has no bytes to write to.
struct writer {
  uint8_t *bytes;
  size_t length;
};

static inline void put(struct writer *w, uint8_t c) {
  if (w->bytes) w->bytes[w->length] = c;
  w->length++;
}

static inline void puts(struct writer *w, const char *s) {
  while (*s) put(w, (uint8_t)*s++);
}

static inline void put_slice(struct writer *w, struct slice s) {
  for (size_t i = 0; i < s.length; i++) put(w, s.bytes[i]);
}

// put_number writes a number with at least so many digits.
static inline void put_number(struct writer *w, uint32_t n, uint32_t width) {
  uint8_t digits[10];
  uint32_t count = 0;
  do digits[count++] = (uint8_t)('0' + n % 10);
  while ((n /= 10) || count < width);
  while (count) put(w, digits[--count]);
}

#endif
