// A tool plugin that compares texts that are nearly the same. schema.yaml describes its exports. It needs no library: neither malloc nor memcpy.
#include "extism.h"
#include "json.h"
#include "memory.h"
#include "text.h"

enum {
  MAX_QUERY = 1000,      // characters
  MAX_DISTANCE = 10000,  // characters of each text
  MAX_CHOICES = 100000,
  MAX_LIMIT = 1000,
};

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// distance is the number of insertions, deletions, replacements and swaps of neighbours that make b of a (optimal string alignment).
// rows has room for 3 * (b.length + 1) numbers.
static uint32_t distance(struct text a, struct text b, uint32_t *rows) {
  uint32_t width = b.length + 1;
  uint32_t *before = rows, *last = rows + width, *row = rows + 2 * width;
  for (uint32_t j = 0; j < width; j++) last[j] = j;
  for (uint32_t i = 1; i <= a.length; i++) {
    row[0] = i;
    for (uint32_t j = 1; j < width; j++) {
      uint32_t replaced = last[j - 1] + (a.points[i - 1] != b.points[j - 1]);
      row[j] = least(replaced, least(last[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a.points[i - 1] == b.points[j - 2] && a.points[i - 2] == b.points[j - 1]) row[j] = least(row[j], before[j - 2] + 1);
    }
    uint32_t *oldest = before;
    before = last, last = row, row = oldest;
  }
  return last[b.length];
}

// within is the least distance of a from any part of b: the first row is free, and so is the end.
static uint32_t within(struct text a, struct text b, uint32_t *rows) {
  uint32_t width = b.length + 1;
  uint32_t *last = rows, *row = rows + width;
  for (uint32_t j = 0; j < width; j++) last[j] = 0;
  for (uint32_t i = 1; i <= a.length; i++) {
    row[0] = i;
    for (uint32_t j = 1; j < width; j++) {
      uint32_t replaced = last[j - 1] + (a.points[i - 1] != b.points[j - 1]);
      row[j] = least(replaced, least(last[j], row[j - 1]) + 1);
    }
    uint32_t *other = last;
    last = row, row = other;
  }
  uint32_t best = a.length;
  for (uint32_t j = 0; j < width; j++) best = least(best, last[j]);
  return best;
}

// score says in thousandths how alike a query and a choice are: as wholes, or, for a tenth less, the query and a part of the choice.
static uint32_t score(struct text query, struct text choice, uint32_t *rows) {
  uint32_t longer = query.length > choice.length ? query.length : choice.length;
  if (longer == 0) return 1000;
  if (query.length == 0) return 0;
  uint32_t whole = 1000 - 1000 * distance(query, choice, rows) / longer;
  uint32_t part = 900 - 900 * within(query, choice, rows) / query.length;
  return whole > part ? whole : part;
}

// A choice that has been scored; json is its string as it was written.
struct match {
  struct slice json;
  uint32_t index, score;
};

// insert puts a match into the list, which is sorted: the best first, and of equal ones the earlier.
static void insert(struct match *list, uint32_t *count, uint32_t limit, struct match m) {
  uint32_t at = *count;
  while (at > 0 && list[at - 1].score < m.score) at--;
  if (at == limit) return;
  if (*count < limit) ++*count;
  for (uint32_t i = *count - 1; i > at; i--) list[i] = list[i - 1];
  list[at] = m;
}

static void write(struct writer *w, const struct match *list, uint32_t count) {
  w->length = 0;
  puts(w, "[");
  for (uint32_t i = 0; i < count; i++) {
    puts(w, i ? ",{\"choice\":" : "{\"choice\":");
    put_slice(w, list[i].json);
    puts(w, ",\"index\":");
    put_number(w, list[i].index, 1);
    puts(w, ",\"score\":");
    put_number(w, list[i].score / 1000, 1);
    puts(w, ".");
    put_number(w, list[i].score % 1000, 3);
    puts(w, "}");
  }
  puts(w, "]");
}

// The arguments of match. Strings are kept as they are written.
struct request {
  struct slice query, choices;
  uint32_t limit;
};

static const char *read_request(struct reader *r, struct request *to) {
  to->limit = 5;
  to->query.length = to->choices.length = 0;
  for (struct slice key; next_member(r, &key);) {
    if (is(key, "query")) to->query = read_string(r);
    else if (is(key, "choices")) to->choices = skip(r);
    else if (is(key, "limit")) to->limit = read_number(r);
    else skip(r);
  }
  if (r->failed || !at_end(r)) return "the arguments are not JSON as schema.yaml says";
  if (!to->query.length || !to->choices.length) return "query and choices are needed";
  if (to->limit < 1 || to->limit > MAX_LIMIT) return "limit must be from 1 to 1000";
  return NULL;
}

static const char *rank(struct request request, struct match *list, uint32_t *count) {
  struct text query;
  const char *wrong = decode(request.query, MAX_QUERY, true, &query);
  if (wrong == too_long) return "query is longer than 1000 characters";
  if (wrong) return wrong;
  struct reader r = {request.choices.bytes, request.choices.bytes + request.choices.length, false, 0};
  for (uint32_t index = 0; next_item(&r); index++) {
    struct match m = {read_string(&r), index, 0};
    if (r.failed) break;
    if (index == MAX_CHOICES) return "there are more than 100000 choices";
    size_t mark = memory_mark();
    struct text choice;
    if ((wrong = decode(m.json, MAX_DISTANCE, true, &choice))) return wrong == too_long ? "a choice is longer than 10000 characters" : wrong;
    uint32_t *rows = allocate(3 * (choice.length + 1) * sizeof *rows);
    if (!rows) return out_of_memory;
    m.score = score(query, choice, rows);
    memory_release(mark);
    insert(list, count, request.limit, m);
  }
  return r.failed ? "choices must be a list of strings" : NULL;
}

static const char *open_input(struct reader *r) {
  memory_release(0);
  size_t length = extism_input_length();
  uint8_t *bytes = allocate(length);
  if (!bytes) return out_of_memory;
  input(bytes);
  *r = (struct reader){bytes, bytes + length, false, 0};
  return NULL;
}

EXPORT(match) int32_t match(void) {
  struct reader r;
  struct request request;
  const char *wrong = open_input(&r);
  if (!wrong) wrong = read_request(&r, &request);
  if (wrong) return fail(wrong);
  uint32_t count = 0;
  struct match *list = allocate(request.limit * sizeof *list);
  if (!list) return fail(out_of_memory);
  if ((wrong = rank(request, list, &count))) return fail(wrong);
  struct writer w = {NULL, 0};
  write(&w, list, count);
  if (!(w.bytes = allocate(w.length))) return fail(out_of_memory);
  write(&w, list, count);
  return answer(w.bytes, w.length);
}

EXPORT(distance) int32_t export_distance(void) {
  struct reader r;
  const char *wrong = open_input(&r);
  if (wrong) return fail(wrong);
  struct slice a = {NULL, 0}, b = {NULL, 0};
  for (struct slice key; next_member(&r, &key);) {
    if (is(key, "a")) a = read_string(&r);
    else if (is(key, "b")) b = read_string(&r);
    else skip(&r);
  }
  if (r.failed || !at_end(&r)) return fail("the arguments are not JSON as schema.yaml says");
  if (!a.length || !b.length) return fail("a and b are needed");
  struct text x, y;
  if (!(wrong = decode(a, MAX_DISTANCE, false, &x))) wrong = decode(b, MAX_DISTANCE, false, &y);
  if (wrong) return fail(wrong == too_long ? "a text is longer than 10000 characters" : wrong);
  uint32_t *rows = allocate(3 * (y.length + 1) * sizeof *rows);
  if (!rows) return fail(out_of_memory);
  uint8_t digits[10];
  struct writer w = {digits, 0};
  put_number(&w, distance(x, y, rows), 1);
  return answer(digits, w.length);
}
