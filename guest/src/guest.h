// What the guest's C files share. One file is one idea: buffer.c, encode.c, decode.c (values as JSON), transport.c (bytes
// through Extism), output.c (stdout and stderr), hostcall.c (granted functions), run.c (code), main.c (exports, boot).
#ifndef POSTERN_GUEST_H
#define POSTERN_GUEST_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// How deep values may nest, on the way in and out (docs/abi.md, "Values").
#define VALUE_DEPTH 200
// How many decimal digits an integer may have that crosses.
#define INTEGER_DIGITS 100000
// How many values one message may hold, members included.
#define VALUES_LIMIT 2000000
// The longest request of one host call, in bytes.
#define REQUEST_LIMIT (16u << 20)
// How much of an error's message and traceback is kept, in bytes.
#define MESSAGE_LIMIT (16u << 10)
#define TRACEBACK_LIMIT (64u << 10)

// A growing byte string that refuses to grow beyond its limit.
typedef struct {
	char *data;
	size_t length, capacity;
	size_t limit;
	size_t values; // how many were encoded into it
	int keys;      // how many keys and members of sets are being encoded, one in the other
} buffer;

// Whether eight bytes are JSON text as they stand: no control character, quote or backslash. It may say no where it is yes.
static inline bool plain_text(const char *bytes) {
	const uint64_t ones = 0x0101010101010101, high = 0x8080808080808080;
	uint64_t word;
	memcpy(&word, bytes, 8);
	uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
	uint64_t found = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
	return (found & high) == 0;
}

// Each put returns 0, or -1 with a Python exception set: TooLarge at the limit, MemoryError.
int buffer_put(buffer *b, const char *bytes, size_t length);
int buffer_puts(buffer *b, const char *text);
int buffer_put_char(buffer *b, char c);
// Puts length bytes of UTF-8 as a JSON string, with its quotes.
int buffer_put_json(buffer *b, const char *utf8, size_t length);
// The same without the quotes.
int buffer_put_escaped(buffer *b, const char *utf8, size_t length);
void buffer_clear(buffer *b);
void buffer_free(buffer *b);

// encode.c: puts a value as JSON. 0, or -1 with an exception: TooLarge, TooDeep, or what the value's own code raised.
int value_encode(buffer *b, PyObject *value);
// Puts repr(value) as a JSON string, cut at limit bytes of JSON. A repr() that raises is described instead.
int value_encode_repr(buffer *b, PyObject *value, size_t limit);
// Puts a value of any kind as a thing that has only a repr.
int value_encode_as_repr(buffer *b, PyObject *value);
// Puts text as a JSON string cut at limit bytes.
int text_encode_cut(buffer *b, PyObject *text, size_t limit);

// Sets sys.set_int_max_str_digits()'s bound (0: none) without its checks; returns the one before.
int swap_max_digits(int digits);

// decode.c: the value that the JSON of length bytes describes, or NULL with a ValueError. Spaces after it are padding.
PyObject *value_decode(const char *json, size_t length);
// The same for a request: it and the objects in it are made of names and values, and are themselves no values.
PyObject *request_decode(const char *json, size_t length);

// transport.c: bytes to and from the host.
char *transport_input(size_t *length); // malloc'd; NULL when out of memory
void transport_output(buffer *output); // it may take the bytes away
void transport_error(const char *message);
void transport_begin(void); // forgets all handles: every Extism call frees all blocks
// Sends a request to the granted function and gives its answer in a buffer that stays valid until the next request.
// Returns 0, or -1 with an exception set.
int transport_call(uint32_t index, buffer *request, const char **answer, size_t *length);

// output.c
int output_init(PyObject *module);
void output_clear(void); // forgets what was written, and keeps nothing more until output_begin
void output_begin(size_t limit); // empties both streams and makes them sys.stdout and sys.stderr again
void output_end(void); // flushes what code has put in the place of a stream
int output_put_notice(void); // says what was cut, if something was
int output_put_json(buffer *b); // puts what was kept: ,"stdout":"…","stderr":"…"

// hostcall.c
int hostcall_init(PyObject *module);

// run.c
int run_init(PyObject *module);
PyObject *run_configure(PyObject *config);
// Each takes the request as a dict and puts the result object of docs/abi.md; -1 with an exception when the request is malformed.
int run_exec(PyObject *request, buffer *result);
int run_set(PyObject *request, buffer *result);
int run_call(PyObject *request, buffer *result);

// Shared exceptions, made in main.c.
extern PyObject *TooLarge, *TooDeep;
// The bootstrap module (lib/_postern_bootstrap.py): what is easier said in Python.
extern PyObject *bootstrap;

#endif
