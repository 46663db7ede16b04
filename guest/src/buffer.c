#include "guest.h"

#include <stdlib.h>
#include <string.h>

static int reserve(buffer *b, size_t more) {
	if (more > b->limit || b->length > b->limit - more) {
		PyErr_Format(TooLarge, "more than %zu bytes", b->limit);
		return -1;
	}
	size_t need = b->length + more;
	if (need <= b->capacity)
		return 0;
	size_t capacity = b->capacity ? b->capacity : 256;
	while (capacity < need)
		capacity *= 2;
	char *data = realloc(b->data, capacity);
	if (data == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	b->data = data;
	b->capacity = capacity;
	return 0;
}

int buffer_put(buffer *b, const char *bytes, size_t length) {
	if (reserve(b, length) < 0)
		return -1;
	memcpy(b->data + b->length, bytes, length);
	b->length += length;
	return 0;
}

int buffer_puts(buffer *b, const char *text) { return buffer_put(b, text, strlen(text)); }

int buffer_put_char(buffer *b, char c) {
	if (b->length < b->capacity && b->length < b->limit) {
		b->data[b->length++] = c;
		return 0;
	}
	return buffer_put(b, &c, 1);
}

int buffer_put_json(buffer *b, const char *utf8, size_t length) {
	return buffer_put_char(b, '"') < 0 || buffer_put_escaped(b, utf8, length) < 0 ? -1 : buffer_put_char(b, '"');
}

int buffer_put_escaped(buffer *b, const char *utf8, size_t length) {
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;
	for (size_t i = 0; i < length; i++) {
		while (length - i >= 8 && plain_text(utf8 + i))
			i += 8;
		if (i == length)
			break;
		unsigned char c = utf8[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
		size_t size = 6;
		switch (c) {
		case '"': case '\\': escape[1] = c; size = 2; break;
		case '\n': escape[1] = 'n'; size = 2; break;
		case '\t': escape[1] = 't'; size = 2; break;
		case '\r': escape[1] = 'r'; size = 2; break;
		}
		if (buffer_put(b, utf8 + start, i - start) < 0 || buffer_put(b, escape, size) < 0)
			return -1;
		start = i + 1;
	}
	return buffer_put(b, utf8 + start, length - start);
}

void buffer_clear(buffer *b) { b->length = b->values = 0; }

void buffer_free(buffer *b) {
	free(b->data);
	b->data = NULL;
	b->length = b->capacity = 0;
}
