// Strings of JSON as characters.
#ifndef TEXT_H
#define TEXT_H

#include "json.h"
#include "memory.h"

struct text {
  uint32_t *points;  // Unicode code points
  uint32_t length;
};

static const char too_long[] = "a text is too long";
static const char not_text[] = "a text is not Unicode";

// fold makes small letters of capital ones, in Latin, Greek and Cyrillic, and one sigma of two.
static inline uint32_t fold(uint32_t c) {
  if (c - 'A' < 26) return c + 32;
  if (c < 0xC0) return c;
  if (c <= 0xDE) return c == 0xD7 ? c : c + 32;
  if (c >= 0x100 && c <= 0x17E) {
    if (c == 0x130) return 'i';
    if (c == 0x178) return 0xFF;
    bool odd = (c >= 0x139 && c <= 0x148) || c >= 0x179;  // the capital letters are the odd ones
    bool alone = c == 0x131 || c == 0x138 || c == 0x149;
    return alone || (c & 1) != odd ? c : c + 1;
  }
  if (c == 0x386) return 0x3AC;
  if (c >= 0x388 && c <= 0x38A) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (c >= 0x391 && c <= 0x3AB && c != 0x3A2) return c + 32;
  if (c == 0x3C2) return 0x3C3;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  return c;
}

static inline bool hex(const uint8_t *at, const uint8_t *end, uint32_t *unit) {
  if (end - at < 4) return false;
  *unit = 0;
  for (int i = 0; i < 4; i++) {
    uint8_t c = at[i], small = c | 0x20;
    if (c >= '0' && c <= '9') *unit = *unit << 4 | (uint32_t)(c - '0');
    else if (small >= 'a' && small <= 'f') *unit = *unit << 4 | (uint32_t)(small - 'a' + 10);
    else return false;
  }
  return true;
}

// escaped reads what follows a backslash.
static inline bool escaped(const uint8_t **at, const uint8_t *end, uint32_t *point) {
  if (*at == end) return false;
  switch (*(*at)++) {
    case '"': *point = '"'; return true;
    case '\\': *point = '\\'; return true;
    case '/': *point = '/'; return true;
    case 'b': *point = '\b'; return true;
    case 'f': *point = '\f'; return true;
    case 'n': *point = '\n'; return true;
    case 'r': *point = '\r'; return true;
    case 't': *point = '\t'; return true;
    case 'u': break;
    default: return false;
  }
  if (!hex(*at, end, point)) return false;
  *at += 4;
  if (*point < 0xD800 || *point > 0xDFFF) return true;
  uint32_t low;
  if (*point > 0xDBFF || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u' || !hex(*at + 2, end, &low) || low < 0xDC00 || low > 0xDFFF) return false;
  *at += 6;
  *point = 0x10000 + ((*point - 0xD800) << 10) + (low - 0xDC00);
  return true;
}

// character reads one character of UTF-8.
static inline bool character(const uint8_t **at, const uint8_t *end, uint32_t *point) {
  uint8_t first = *(*at)++;
  if (first < 0x80) {
    *point = first;
    return first >= 0x20;
  }
  int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
  if (first < 0xC2 || first > 0xF4 || end - *at < more) return false;
  *point = first & (0x3Fu >> more);
  for (int i = 0; i < more; i++) {
    uint8_t next = *(*at)++;
    if ((next & 0xC0) != 0x80) return false;
    *point = *point << 6 | (next & 0x3F);
  }
  return *point >= smallest[more] && *point <= 0x10FFFF && (*point < 0xD800 || *point > 0xDFFF);
}

// decode makes characters of a string as it is written, and folds them when asked. It gives what is wrong, or NULL.
static inline const char *decode(struct slice json, uint32_t most, bool folded, struct text *to) {
  const uint8_t *at = json.bytes + 1, *end = json.bytes + json.length - 1;
  size_t room = (size_t)(end - at) < most ? (size_t)(end - at) : most;
  to->length = 0;
  to->points = allocate((room + 1) * sizeof *to->points);
  if (!to->points) return out_of_memory;
  while (at < end) {
    uint32_t point;
    bool ok;
    if (*at == '\\') {
      at++;
      ok = escaped(&at, end, &point);
    } else {
      ok = character(&at, end, &point);
    }
    if (!ok) return not_text;
    if (to->length == most) return too_long;
    to->points[to->length++] = folded ? fold(point) : point;
  }
  return NULL;
}

#endif
