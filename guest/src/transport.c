// Bytes to and from the host, in one of two ways. Postern's host reads and writes this memory by itself, at the addresses in
// postern_exchange. Any other Extism host has Extism's kernel memory: each load or store of eight bytes is one cheap call; alloc, free and
// length are dear (they run wasm in the kernel), so blocks for small requests are kept and used again within one export call.
// docs/abi.md has both.
#include "extism.h"
#include "guest.h"

#include <stdlib.h>
#include <string.h>

// Requests up to this size use a kept block of their size class; longer ones get a block of their own length.
#define KEPT_LIMIT 4096
#define CLASSES 7 // 64, 128, … 4096

// What the host finds by the export of this name.
struct {
	uint32_t on;                 // the host sets it to 1 if it will look here
	const char *out;             // what the guest says: a request or a result
	uint32_t out_length;
	char *in;                    // where the host may put what it says,
	uint32_t in_capacity;        // how much room is there,
	uint32_t in_length;          // and how long it is, which the host sets: more than the room is not put there
} postern_exchange;

// Handles that stand for the exchange: they are no addresses of blocks.
#define EXCHANGED 0 // the request is in out
#define FETCH 1     // there is room now for the answer to the last request
#define ANSWERED 1  // the answer is in in, or waits for room

static char first_room[1 << 16];
static buffer said; // the last result: it must stay until the host has read it

// Makes room for what the host says. -1 when there is no memory for it.
static int make_room(uint32_t length) {
	char *room = malloc(length);
	if (room == NULL)
		return -1;
	if (postern_exchange.in != first_room)
		free(postern_exchange.in);
	postern_exchange.in = room;
	postern_exchange.in_capacity = length;
	return 0;
}

static uint64_t kept[CLASSES];

// The last answer's block: the host uses one block again while the answer fits, and its length does not change.
static uint64_t answer_handle, answer_length;
static buffer answer_text = {.limit = SIZE_MAX / 2};

void transport_begin(void) {
	buffer_free(&said);
	if (postern_exchange.in == NULL) {
		postern_exchange.in = first_room;
		postern_exchange.in_capacity = sizeof first_room;
	}
	memset(kept, 0, sizeof kept);
	answer_handle = answer_length = 0;
}

// Gives back the room that a large answer has needed.
static void shrink_room(void) {
	if (postern_exchange.in == first_room)
		return;
	free(postern_exchange.in);
	postern_exchange.in = first_room;
	postern_exchange.in_capacity = sizeof first_room;
}

char *transport_input(size_t *length) {
	if (postern_exchange.on && postern_exchange.in_length > 0 && postern_exchange.in_length <= postern_exchange.in_capacity) {
		char *bytes = malloc(postern_exchange.in_length + 1);
		if (bytes == NULL)
			return NULL;
		memcpy(bytes, postern_exchange.in, postern_exchange.in_length);
		bytes[*length = postern_exchange.in_length] = 0;
		shrink_room();
		return bytes;
	}
	shrink_room();
	uint64_t size = extism_input_length();
	if (size > UINT32_MAX / 2)
		return NULL;
	char *bytes = malloc(size + 1);
	if (bytes == NULL)
		return NULL;
	size_t i = 0;
	for (; i + 8 <= size; i += 8) {
		uint64_t word = extism_input_load_u64(i);
		memcpy(bytes + i, &word, 8);
	}
	for (; i < size; i++)
		bytes[i] = (char)extism_input_load_u8(i);
	bytes[size] = 0;
	*length = size;
	return bytes;
}

// Copies into a block whose length is a multiple of eight, and fills the rest with spaces.
static void store_padded(uint64_t handle, const char *bytes, size_t length, size_t block) {
	size_t i = 0;
	uint64_t word;
	for (; i + 8 <= length; i += 8) {
		memcpy(&word, bytes + i, 8);
		extism_store_u64(handle + i, word);
	}
	if (i < length) {
		word = 0x2020202020202020;
		memcpy(&word, bytes + i, length - i);
		extism_store_u64(handle + i, word);
		i += 8;
	}
	for (; i < block; i += 8)
		extism_store_u64(handle + i, 0x2020202020202020);
}

static uint64_t block_for(size_t length) { return (length + 7) & ~(size_t)7; }

void transport_output(buffer *output) {
	const char *bytes = output->data;
	size_t length = output->length;
	if (postern_exchange.on) {
		said = *output;
		*output = (buffer){.limit = output->limit};
		postern_exchange.out = said.data;
		postern_exchange.out_length = said.length;
		return;
	}
	uint64_t block = block_for(length ? length : 1);
	uint64_t handle = extism_alloc(block);
	store_padded(handle, bytes, length, block);
	extism_output_set(handle, length);
}

void transport_error(const char *message) {
	size_t length = strlen(message);
	uint64_t handle = extism_alloc(length ? length : 1);
	for (size_t i = 0; i < length; i++)
		extism_store_u8(handle + i, (unsigned char)message[i]);
	extism_error_set(handle);
}

// transport_call through the exchange.
static int exchange(uint32_t index, buffer *request, const char **answer, size_t *length) {
	postern_exchange.out = request->data;
	postern_exchange.out_length = request->length;
	postern_exchange.in_length = 0;
	uint64_t reply = postern_link_call(index, EXCHANGED);
	if (reply == ANSWERED && postern_exchange.in_length > postern_exchange.in_capacity) {
		if (make_room(postern_exchange.in_length) < 0) {
			PyErr_SetString(PyExc_MemoryError, "no room for the answer to a host call");
			return -1;
		}
		reply = postern_link_call(index, FETCH);
	}
	if (reply != ANSWERED || postern_exchange.in_length == 0 || postern_exchange.in_length > postern_exchange.in_capacity) {
		PyErr_SetString(PyExc_RuntimeError, "the host did not answer");
		return -1;
	}
	*answer = postern_exchange.in;
	*length = postern_exchange.in_length;
	return 0;
}

int transport_call(uint32_t index, buffer *request, const char **answer, size_t *length) {
	if (postern_exchange.on)
		return exchange(index, request, answer, length);
	uint64_t handle = 0;
	bool own = request->length > KEPT_LIMIT;
	if (own) {
		uint64_t block = block_for(request->length);
		handle = extism_alloc(block);
		if (handle)
			store_padded(handle, request->data, request->length, block);
	} else {
		int class = 0;
		while ((64u << class) < request->length)
			class++;
		if (kept[class] == 0)
			kept[class] = extism_alloc(64u << class);
		handle = kept[class];
		if (handle)
			store_padded(handle, request->data, request->length, 64u << class);
	}
	if (handle == 0) {
		PyErr_SetString(PyExc_MemoryError, "no room in the host's memory for the arguments of a host call");
		return -1;
	}

	uint64_t reply = postern_link_call(index, handle);
	if (own)
		extism_free(handle);
	if (reply == 0) {
		PyErr_SetString(PyExc_RuntimeError, "the host did not answer");
		return -1;
	}
	if (reply != answer_handle) {
		answer_handle = reply;
		answer_length = extism_length(reply);
	}
	if (answer_length == 0 || answer_length > UINT32_MAX / 2) {
		PyErr_SetString(PyExc_RuntimeError, "the host's answer is empty or too long");
		return -1;
	}
	buffer_clear(&answer_text);
	size_t padded = block_for(answer_length);
	if (answer_text.capacity < padded) {
		char *data = realloc(answer_text.data, padded);
		if (data == NULL) {
			PyErr_NoMemory();
			return -1;
		}
		answer_text.data = data;
		answer_text.capacity = padded;
	}
	size_t i = 0;
	for (; i + 8 <= answer_length; i += 8) {
		uint64_t word = extism_load_u64(reply + i);
		memcpy(answer_text.data + i, &word, 8);
	}
	for (; i < answer_length; i++)
		answer_text.data[i] = (char)extism_load_u8(reply + i);
	*answer = answer_text.data;
	*length = answer_length;
	return 0;
}
