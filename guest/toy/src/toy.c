// A guest without Python: it speaks the protocol of docs/abi.md and runs one tiny command a line (README.md lists them).
// It is freestanding: no libc, no allocator; everything is in fixed buffers.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name))) extern
#define EXPORT(name) __attribute__((export_name(name)))

IMPORT("extism:host/env", "alloc") u64 block_alloc(u64);
IMPORT("extism:host/env", "length") u64 block_length(u64);
IMPORT("extism:host/env", "load_u8") u32 block_load_u8(u64);
IMPORT("extism:host/env", "load_u64") u64 block_load_u64(u64);
IMPORT("extism:host/env", "store_u8") void block_store_u8(u64, u32);
IMPORT("extism:host/env", "store_u64") void block_store_u64(u64, u64);
IMPORT("extism:host/env", "input_length") u64 input_length(void);
IMPORT("extism:host/env", "input_load_u8") u32 input_load_u8(u64);
IMPORT("extism:host/env", "input_load_u64") u64 input_load_u64(u64);
IMPORT("extism:host/env", "output_set") void output_set(u64, u64);
IMPORT("extism:host/env", "error_set") void error_set(u64);
IMPORT("postern:link", "call") u64 host_call(u32, u64);

#define WASI(name) IMPORT("wasi_snapshot_preview1", #name)
WASI(environ_sizes_get) u32 environ_sizes_get(u32 *, u32 *);
WASI(clock_time_get) u32 clock_time_get(u32, u64, u64 *);
WASI(fd_close) u32 fd_close(u32);
WASI(fd_read) u32 fd_read(u32, const void *, u32, u32 *);
WASI(fd_write) u32 fd_write(u32, const void *, u32, u32 *);
WASI(path_open) u32 path_open(u32, u32, const char *, u32, u32, u64, u64, u32, u32 *);
WASI(poll_oneoff) u32 poll_oneoff(const void *, void *, u32, u32 *);
WASI(proc_exit) void proc_exit(u32);
WASI(random_get) u32 random_get(void *, u32);

// Text is a part of some buffer.
struct text { const char *at; u32 length; };
#define TEXT(literal) ((struct text){literal, sizeof literal - 1})

// A buffer that drops what does not fit.
#define BUFFER(name, size) static char name##_bytes[size]; static struct buffer name = {name##_bytes, 0, size}
struct buffer { char *at; u32 length, size; };

BUFFER(input, 1 << 18);
BUFFER(code, 1 << 18);
BUFFER(output, 1 << 18);
BUFFER(written, 1 << 16);       // what print produced: JSON escaped
BUFFER(value, 1 << 17);         // the result's value: JSON
BUFFER(failure, 1 << 12);       // the result's error: JSON, empty when there is none
BUFFER(configuration, 1 << 16); // as configure got it
BUFFER(variables, 1 << 17);     // JSON members: "name": value

static int initialised;

// ---- text

static void add(struct buffer *b, struct text t) {
  for (u32 i = 0; i < t.length && b->length < b->size; i++) b->at[b->length++] = t.at[i];
}

static void add_number(struct buffer *b, u64 n) {
  char digits[20];
  u32 i = sizeof digits;
  do digits[--i] = '0' + n % 10; while (n /= 10);
  add(b, (struct text){digits + i, sizeof digits - i});
}

static const char hex[] = "0123456789abcdef";

// add_escaped writes text as the inside of a JSON string.
static void add_escaped(struct buffer *b, struct text t) {
  for (u32 i = 0; i < t.length; i++) {
    u8 c = t.at[i];
    if (c == '"' || c == '\\') {
      char escape[] = {'\\', c};
      add(b, (struct text){escape, 2});
    } else if (c < ' ') {
      char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
      add(b, (struct text){escape, 6});
    } else {
      add(b, (struct text){t.at + i, 1});
    }
  }
}

static void add_string(struct buffer *b, struct text t) {
  add(b, TEXT("\""));
  add_escaped(b, t);
  add(b, TEXT("\""));
}

static int same(struct text a, struct text b) {
  if (a.length != b.length) return 0;
  for (u32 i = 0; i < a.length; i++) if (a.at[i] != b.at[i]) return 0;
  return 1;
}

// cut takes the part of *t before the first stop, and leaves what comes after it.
static struct text cut(struct text *t, char stop) {
  struct text head = *t;
  for (u32 i = 0; i < t->length; i++) {
    if (t->at[i] == stop) {
      head.length = i;
      t->at += i + 1;
      t->length -= i + 1;
      return head;
    }
  }
  t->at += t->length;
  t->length = 0;
  return head;
}

static u32 digit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

// number reads a decimal or 0x number and the space after it.
static u64 number(struct text *t) {
  struct text word = cut(t, ' ');
  u64 n = 0, base = 10;
  u32 i = 0;
  if (word.length > 2 && word.at[1] == 'x') base = 16, i = 2;
  for (; i < word.length; i++) n = n * base + digit(word.at[i]);
  return n;
}

// ---- JSON, of which only what the protocol sends is understood

static u32 blank(struct text t, u32 i) {
  while (i < t.length && (t.at[i] == ' ' || t.at[i] == '\n' || t.at[i] == '\t' || t.at[i] == '\r')) i++;
  return i;
}

// skip gives the place after the value at i.
static u32 skip(struct text t, u32 i) {
  u32 depth = 0;
  for (; i < t.length; i++) {
    char c = t.at[i];
    if (c == '"') {
      for (i++; i < t.length && t.at[i] != '"'; i++) if (t.at[i] == '\\') i++;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    } else if (c == ',' && depth == 0) {
      return i;
    }
    if (depth == 0 && c == '"') return i + 1;
  }
  return t.length;
}

// member finds an object's member; the last one wins. Its length is 0 when there is none.
static struct text member(struct text object, struct text name) {
  struct text found = {object.at, 0};
  u32 i = blank(object, 0);
  if (i >= object.length || object.at[i] != '{') return found;
  for (i = blank(object, i + 1); i < object.length && object.at[i] == '"';) {
    u32 start = i, end = skip(object, i);
    struct text key = {object.at + start + 1, end - start - 2};
    i = blank(object, blank(object, end) + 1); // the colon
    end = skip(object, i);
    if (same(key, name)) found = (struct text){object.at + i, end - i};
    i = blank(object, blank(object, end) + 1); // the comma
  }
  return found;
}

// unquote decodes a JSON string into a buffer. Of \u escapes only those below 128 are understood.
static struct text unquote(struct buffer *b, struct text string) {
  u32 start = b->length;
  for (u32 i = 1; i + 1 < string.length; i++) {
    char c = string.at[i];
    if (c == '\\') {
      c = string.at[++i];
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
      if (c == 'r') c = '\r';
      if (c == 'u' && i + 4 < string.length) {
        u32 n = 0;
        for (u32 k = 1; k <= 4; k++) n = n << 4 | digit(string.at[i + k]);
        c = n;
        i += 4;
      }
    }
    add(b, (struct text){&c, 1});
  }
  return (struct text){b->at + start, b->length - start};
}

// ---- Extism

static struct text read_input(void) {
  u64 length = input_length();
  if (length > input.size) length = input.size;
  u64 i = 0;
  for (; i + 8 <= length; i += 8) *(u64 *)(input.at + i) = input_load_u64(i);
  for (; i < length; i++) input.at[i] = input_load_u8(i);
  return (struct text){input.at, length};
}

// to_block copies text into a new block, padded with spaces to eight bytes.
static u64 to_block(struct text t) {
  u64 block = block_alloc((t.length + 7) & ~7u);
  for (u32 i = 0; i < t.length; i += 8) {
    u64 word = 0x2020202020202020;
    for (u32 k = 0; k < 8 && i + k < t.length; k++) ((char *)&word)[k] = t.at[i + k];
    block_store_u64(block + i, word);
  }
  return block;
}

static struct text from_block(u64 block) {
  static char answer[1 << 16];
  u64 length = block_length(block);
  if (length > sizeof answer) length = sizeof answer;
  u64 i = 0;
  for (; i + 8 <= length; i += 8) *(u64 *)(answer + i) = block_load_u64(block + i);
  for (; i < length; i++) answer[i] = block_load_u8(block + i);
  while (length > 0 && answer[length - 1] == ' ') length--;
  return (struct text){answer, length};
}

static i32 reply(struct text t) {
  output_set(to_block(t), t.length);
  return 0;
}

static i32 refuse(struct text message) {
  error_set(to_block(message));
  return 1;
}

// ---- the result

static void set_value(struct text json) {
  value.length = 0;
  add(&value, json);
}

static void set_value_number(u64 n) {
  value.length = 0;
  add_number(&value, n);
}

static void set_value_string(struct text t) {
  value.length = 0;
  add_string(&value, t);
}

static void fail(struct text type, struct text message, u32 line) {
  failure.length = 0;
  add(&failure, TEXT("{\"type\": "));
  add_string(&failure, type);
  add(&failure, TEXT(", \"message\": "));
  add_string(&failure, message);
  add(&failure, TEXT(", \"traceback\": \"\", \"line\": "));
  add_number(&failure, line);
  add(&failure, TEXT(", \"denied\": false, \"limit\": null}"));
}

static void begin_result(void) { value.length = failure.length = written.length = code.length = 0; }

static i32 reply_result(int final) {
  struct text null = TEXT("null");
  output.length = 0;
  add(&output, failure.length ? TEXT("{\"ok\": false, \"value\": ") : TEXT("{\"ok\": true, \"value\": "));
  int has_value = value.length && !failure.length;
  add(&output, has_value ? (struct text){value.at, value.length} : null);
  add(&output, TEXT(", \"repr\": "));
  if (has_value) add_string(&output, (struct text){value.at, value.length}); else add(&output, null);
  add(&output, final ? TEXT(", \"is_final_answer\": true") : TEXT(", \"is_final_answer\": false"));
  add(&output, TEXT(", \"stdout\": \""));
  add(&output, (struct text){written.at, written.length});
  add(&output, TEXT("\", \"stderr\": \"\", \"error\": "));
  add(&output, failure.length ? (struct text){failure.at, failure.length} : null);
  add(&output, TEXT(", \"withheld\": []}"));
  return reply((struct text){output.at, output.length});
}

// ---- commands

static struct text all_variables(void) {
  static char object[sizeof variables_bytes + 2];
  struct buffer b = {object, 0, sizeof object};
  add(&b, TEXT("{"));
  add(&b, (struct text){variables.at, variables.length});
  add(&b, TEXT("}"));
  return (struct text){object, b.length};
}

// call_host hands a block to the function at an index and takes the answer's text for a value.
static void call_host(u64 index, u64 block, u32 line) {
  u64 answer = host_call(index, block);
  if (answer == 0) fail(TEXT("RuntimeError"), TEXT("the host gave no answer"), line);
  else set_value_string(from_block(answer));
}

static volatile u32 depth;

__attribute__((noinline)) static u32 recurse(u32 n) {
  volatile u32 here = n;
  depth++;
  return here == ~0u ? 0 : recurse(here + 1) + here;
}

static void sleep(u64 milliseconds) {
  u64 subscription[6] = {7, 0, 1, milliseconds * 1000000, 0, 0}, event[4];
  u32 events = 0;
  u32 errno = poll_oneoff(subscription, event, 1, &events);
  set_value_number(errno ? errno : events);
}

// fail_errno says what WASI has answered.
static void fail_errno(u32 errno, u32 line) {
  char message[32];
  struct buffer b = {message, 0, sizeof message};
  add(&b, TEXT("errno "));
  add_number(&b, errno);
  fail(TEXT("OSError"), (struct text){message, b.length}, line);
}

static void read_file(struct text path, u32 line) {
  static char content[1 << 12];
  u32 fd = 0, errno = path_open(3, 0, path.at, path.length, 0, 1 << 1, 0, 0, &fd), length = 0;
  if (errno == 0) {
    struct text vector = {content, sizeof content};
    errno = fd_read(fd, &vector, 1, &length);
    fd_close(fd);
  }
  if (errno == 0) {
    set_value_string((struct text){content, length});
    return;
  }
  fail_errno(errno, line);
}

static void open_file(struct text path, u32 line) {
  u32 fd = 0, errno = path_open(3, 0, path.at, path.length, 0, 1 << 1, 0, 0, &fd);
  if (errno) fail_errno(errno, line); else set_value_number(fd);
}

static void close_file(u32 fd, u32 line) {
  u32 errno = fd_close(fd);
  if (errno) fail_errno(errno, line); else set_value_number(fd);
}

// peek shows what is in Extism's memory, whoever has put it there. Beyond its end this traps.
static void peek(u64 address, u64 length) {
  if (length > 256) length = 256;
  value.length = 0;
  add(&value, TEXT("\""));
  for (u64 i = 0; i < length; i++) {
    u8 byte = block_load_u8(address + i);
    char digits[] = {hex[byte >> 4], hex[byte & 15]};
    add(&value, (struct text){digits, 2});
  }
  add(&value, TEXT("\""));
}

static void random(u64 length) {
  static u8 bytes[256];
  if (length > sizeof bytes) length = sizeof bytes;
  random_get(bytes, length);
  value.length = 0;
  add(&value, TEXT("\""));
  for (u32 i = 0; i < length; i++) {
    char digits[] = {hex[bytes[i] >> 4], hex[bytes[i] & 15]};
    add(&value, (struct text){digits, 2});
  }
  add(&value, TEXT("\""));
}

// What ends the call of an export other than with a result.
enum { NEXT, FINAL, DONE };

// run does one command. When it gives DONE, *code is what the export returns.
static int run(struct text command, u32 line, i32 *code) {
  struct text rest = command, verb = cut(&rest, ' ');
#define IS(name) same(verb, TEXT(name))
  if (verb.length == 0 || verb.at[0] == '#') return NEXT;
  if (IS("value")) set_value(rest);
  else if (IS("final")) return set_value(rest), FINAL;
  else if (IS("print")) add_escaped(&written, rest), add(&written, TEXT("\\n"));
  else if (IS("raise")) {
    struct text type = cut(&rest, ' ');
    fail(type, rest, line);
  } else if (IS("get")) {
    struct text found = member(all_variables(), rest);
    if (found.length) set_value(found); else fail(TEXT("NameError"), rest, line);
  } else if (IS("config")) set_value((struct text){configuration.at, configuration.length});
  else if (IS("hostcall")) {
    u64 index = number(&rest);
    call_host(index, to_block(rest), line);
  } else if (IS("hostcall-handle")) {
    u64 index = number(&rest);
    call_host(index, number(&rest), line);
  } else if (IS("hostcall-len")) {
    u64 index = number(&rest), length = number(&rest), block = block_alloc(length);
    for (u64 i = 0; i < length && i < 1 << 16; i++) block_store_u8(block + i, 0xff);
    call_host(index, block, line);
  } else if (IS("loop")) for (;;) depth++;
  else if (IS("recurse")) set_value_number(recurse(0));
  else if (IS("spin")) for (u64 n = number(&rest); n > 0; n--) depth++;
  else if (IS("grow")) {
    u32 pages = __builtin_wasm_memory_grow(0, number(&rest));
    if (pages == ~0u) fail(TEXT("MemoryError"), TEXT(""), line); else set_value_number(pages);
  } else if (IS("trap")) __builtin_trap();
  else if (IS("exit")) proc_exit(number(&rest));
  else if (IS("random")) random(number(&rest));
  else if (IS("clock")) {
    u64 now = 0;
    clock_time_get(0, 1, &now);
    set_value_number(now);
  } else if (IS("sleep")) sleep(number(&rest));
  else if (IS("read")) read_file(rest, line);
  else if (IS("open")) open_file(rest, line);
  else if (IS("close")) close_file(number(&rest), line);
  else if (IS("peek")) {
    u64 address = number(&rest);
    peek(address, number(&rest));
  } else if (IS("write")) {
    u32 length = 0;
    fd_write(1, &rest, 1, &length);
    set_value_number(length);
  } else if (IS("output-len")) {
    u64 offset = number(&rest);
    output_set(offset, number(&rest));
    *code = 0;
    return DONE;
  } else if (IS("badjson")) return *code = reply(TEXT("{\"ok\": tru")), DONE;
  else if (IS("raw")) return *code = reply(rest), DONE;
  else if (IS("error")) return *code = refuse(rest), DONE;
  else if (IS("return")) return *code = number(&rest), DONE;
  else fail(TEXT("SyntaxError"), verb, line);
  return NEXT;
}

// ---- exports

EXPORT("_initialize") void initialize(void) {
  u32 count = 1, size = 1;
  environ_sizes_get(&count, &size);
  initialised++;
}

EXPORT("configure") i32 configure(void) {
  struct text request = read_input();
  configuration.length = 0;
  add(&configuration, request);
  return reply(TEXT("{\"ok\": true, \"abi\": 1, \"python\": \"toy\"}"));
}

EXPORT("exec") i32 exec(void) {
  struct text string = member(read_input(), TEXT("code"));
  if (string.length < 2 || string.at[0] != '"') return refuse(TEXT("toy: exec wants {\"code\": string}"));
  if (initialised != 1) return refuse(TEXT("toy: _initialize was not called once"));
  begin_result();
  struct text left = unquote(&code, string);
  int end = NEXT;
  for (u32 line = 1; left.length && end == NEXT && !failure.length; line++) {
    i32 returned = 0;
    end = run(cut(&left, '\n'), line, &returned);
    if (end == DONE) return returned;
  }
  return reply_result(end == FINAL);
}

EXPORT("set") i32 set(void) {
  struct text object = member(read_input(), TEXT("variables"));
  u32 start = blank(object, 0), end = object.length;
  if (end - start < 2 || object.at[start] != '{') return refuse(TEXT("toy: set wants {\"variables\": object}"));
  begin_result();
  struct text members = {object.at + start + 1, end - start - 2};
  if (blank(members, 0) < members.length) {
    if (variables.length) add(&variables, TEXT(","));
    add(&variables, members);
  }
  return reply_result(0);
}

EXPORT("call") i32 call(void) {
  struct text request = read_input();
  struct text function = member(request, TEXT("function"));
  if (function.length < 2) return refuse(TEXT("toy: call wants {\"function\": string}"));
  begin_result();
  add(&value, TEXT("["));
  add(&value, function);
  add(&value, TEXT(", "));
  struct text args = member(request, TEXT("args")), kwargs = member(request, TEXT("kwargs"));
  add(&value, args.length ? args : TEXT("[]"));
  add(&value, TEXT(", "));
  add(&value, kwargs.length ? kwargs : TEXT("{}"));
  add(&value, TEXT("]"));
  return reply_result(0);
}
