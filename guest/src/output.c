// sys.stdout and sys.stderr: text kept in memory up to one limit for both, the rest counted and dropped while it is
// produced, so that a print loop cannot grow the guest.
//
// Both are in one log, in the order in which they were written. The text is UTF-8, which has no bytes FE and FF: these are marks, which
// say whose text comes next. The host reads the log while code runs (docs/abi.md, "Output"). It may do so between any two
// instructions, so the log is in pieces that never move, and what the host finds must be right after each instruction.
#include "guest.h"
#include "structmember.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct piece {
	struct piece *next; // once there is one, this one does not grow any more
	uint32_t length;
	char text[];
} piece;

// What the host finds by the export of this name.
struct {
	piece *first;
} postern_output;

#define FIRST_PIECE 1000
#define MARK(stream) ((char)(0xFE + (stream)))

static piece *end;      // the last piece
static size_t capacity; // of its text
static int current;     // whose text is at the end of the log; at its beginning it is stdout's
static bool marked;     // the log has marks
static size_t limit, dropped;
static size_t ready, room; // what may still be kept: for current there is a place already, and the rest
static int cut_stream;     // where the first byte was dropped
static PyObject *streams[2];

typedef struct {
	PyObject_HEAD
	int stream;
	bool binary;
} Stream;

static PyTypeObject StreamType;

// Stands between stores that the host could see: the compiler must not move them.
static void settle(void) { atomic_signal_fence(memory_order_seq_cst); }

// Begins a piece with room for so much. It is not in the log yet.
static piece *new_piece(size_t least) {
	size_t size = end ? 2 * capacity : FIRST_PIECE;
	if (size < least)
		size = least;
	piece *new = malloc(sizeof(piece) + size);
	if (new == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	new->next = NULL;
	new->length = 0;
	capacity = size;
	return new;
}

static int append(int stream, const char *bytes, size_t length) {
	bool mark = stream != current;
	piece *to = end;
	if ((to == NULL || mark + length > capacity - to->length) && (to = new_piece(mark + length)) == NULL)
		return -1;
	char *at = to->text + to->length;
	if (mark) {
		*at++ = MARK(stream);
		current = stream;
		marked = true;
	}
	memcpy(at, bytes, length);
	settle();
	to->length += mark + length;
	settle();
	if (to != end) {
		*(end ? &end->next : &postern_output.first) = to;
		end = to;
	}
	return 0;
}

static int keep(int stream, const char *bytes, size_t length) {
	if (stream == current && length > 0 && length <= ready) {
		memcpy(end->text + end->length, bytes, length);
		settle();
		end->length += length;
		ready -= length;
		return 0;
	}
	room += ready;
	ready = 0;
	if (length > room) {
		// Cut between characters: a UTF-8 continuation byte is 10xxxxxx.
		size_t fits = room;
		while (fits > 0 && ((unsigned char)bytes[fits] & 0xC0) == 0x80)
			fits--;
		if (dropped == 0)
			cut_stream = stream;
		dropped += length - fits;
		length = fits;
		room = fits; // nothing fits after a cut
	}
	if (length == 0)
		return 0;
	if (append(stream, bytes, length) < 0)
		return -1;
	room -= length;
	ready = capacity - end->length;
	if (ready > room)
		ready = room;
	room -= ready;
	return 0;
}

static PyObject *stream_write(Stream *self, PyObject *arg) {
	if (self->binary) {
		Py_buffer view;
		if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) < 0)
			return NULL;
		// Bytes that are not UTF-8 become U+FFFD: the result is text.
		PyObject *decoded = PyUnicode_DecodeUTF8(view.buf, view.len, "replace");
		Py_ssize_t size = view.len;
		PyBuffer_Release(&view);
		if (decoded == NULL)
			return NULL;
		Py_ssize_t length;
		const char *utf8 = PyUnicode_AsUTF8AndSize(decoded, &length);
		int failed = utf8 == NULL || keep(self->stream, utf8, length) < 0;
		Py_DECREF(decoded);
		return failed ? NULL : PyLong_FromSsize_t(size);
	}
	if (!PyUnicode_Check(arg)) {
		PyErr_Format(PyExc_TypeError, "write() argument must be str, not %.200s", Py_TYPE(arg)->tp_name);
		return NULL;
	}
	Py_ssize_t length;
	const char *utf8 = PyUnicode_AsUTF8AndSize(arg, &length);
	if (utf8 != NULL) {
		if (keep(self->stream, utf8, length) < 0)
			return NULL;
	} else {
		// A lone surrogate: written as its escape.
		PyErr_Clear();
		PyObject *bytes = PyUnicode_AsEncodedString(arg, "utf-8", "backslashreplace");
		if (bytes == NULL)
			return NULL;
		int failed = keep(self->stream, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes)) < 0;
		Py_DECREF(bytes);
		if (failed)
			return NULL;
	}
	return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(arg));
}

static PyObject *stream_writelines(Stream *self, PyObject *lines) {
	PyObject *iterator = PyObject_GetIter(lines), *line;
	if (iterator == NULL)
		return NULL;
	while ((line = PyIter_Next(iterator)) != NULL) {
		PyObject *written = stream_write(self, line);
		Py_DECREF(line);
		if (written == NULL)
			break;
		Py_DECREF(written);
	}
	Py_DECREF(iterator);
	if (PyErr_Occurred())
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *stream_nothing(Stream *self, PyObject *ignored) { Py_RETURN_NONE; }
static PyObject *stream_true(Stream *self, PyObject *ignored) { Py_RETURN_TRUE; }
static PyObject *stream_false(Stream *self, PyObject *ignored) { Py_RETURN_FALSE; }
static PyObject *stream_enter(PyObject *self, PyObject *ignored) { return Py_NewRef(self); }

// Of interest to nobody here, but programs call it to be sure of UTF-8.
static PyObject *stream_reconfigure(PyObject *self, PyObject *args, PyObject *settings) { Py_RETURN_NONE; }

static PyObject *stream_fileno(Stream *self, PyObject *ignored) {
	// As of all streams in memory; callers such as _colorize know it.
	PyObject *io = PyImport_ImportModule("_io");
	PyObject *unsupported = io ? PyObject_GetAttrString(io, "UnsupportedOperation") : NULL;
	Py_XDECREF(io);
	if (unsupported != NULL)
		PyErr_SetString(unsupported, "this stream has no file descriptor");
	Py_XDECREF(unsupported);
	return NULL;
}

static PyObject *stream_get_name(Stream *self, void *closure) {
	return PyUnicode_FromString(self->stream ? "<stderr>" : "<stdout>");
}
static PyObject *stream_get_encoding(Stream *self, void *closure) { return PyUnicode_FromString("utf-8"); }
static PyObject *stream_get_errors(Stream *self, void *closure) { return PyUnicode_FromString("backslashreplace"); }
static PyObject *stream_get_mode(Stream *self, void *closure) { return PyUnicode_FromString("w"); }
static PyObject *stream_get_closed(Stream *self, void *closure) { Py_RETURN_FALSE; }
static PyObject *stream_get_buffering(Stream *self, void *closure) { Py_RETURN_FALSE; }
static PyObject *stream_get_newlines(Stream *self, void *closure) { Py_RETURN_NONE; }
static PyObject *stream_get_buffer(Stream *self, void *closure) {
	Stream *binary = PyObject_New(Stream, &StreamType);
	if (binary != NULL) {
		binary->stream = self->stream;
		binary->binary = true;
	}
	return (PyObject *)binary;
}

static PyMethodDef stream_methods[] = {
	{"write", (PyCFunction)stream_write, METH_O, "Keep text, up to the policy's output limit."},
	{"writelines", (PyCFunction)stream_writelines, METH_O, NULL},
	{"flush", (PyCFunction)stream_nothing, METH_NOARGS, NULL},
	{"close", (PyCFunction)stream_nothing, METH_NOARGS, NULL},
	{"isatty", (PyCFunction)stream_false, METH_NOARGS, NULL},
	{"readable", (PyCFunction)stream_false, METH_NOARGS, NULL},
	{"seekable", (PyCFunction)stream_false, METH_NOARGS, NULL},
	{"writable", (PyCFunction)stream_true, METH_NOARGS, NULL},
	{"fileno", (PyCFunction)stream_fileno, METH_NOARGS, NULL},
	{"reconfigure", (PyCFunction)(void (*)(void))stream_reconfigure, METH_VARARGS | METH_KEYWORDS, "Accepted; the stream stays as it is."},
	{"__enter__", (PyCFunction)stream_enter, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)stream_nothing, METH_VARARGS, NULL},
	{NULL},
};

static PyGetSetDef stream_attributes[] = {
	{"name", (getter)stream_get_name}, {"encoding", (getter)stream_get_encoding},
	{"errors", (getter)stream_get_errors}, {"mode", (getter)stream_get_mode},
	{"closed", (getter)stream_get_closed}, {"newlines", (getter)stream_get_newlines},
	{"line_buffering", (getter)stream_get_buffering}, {"write_through", (getter)stream_get_buffering},
	{"buffer", (getter)stream_get_buffer}, {NULL},
};

static PyTypeObject StreamType = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "_postern.Stream",
	.tp_basicsize = sizeof(Stream),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_doc = "Standard output or error of the agent's code, kept for the result.",
	.tp_methods = stream_methods,
	.tp_getset = stream_attributes,
};

int output_init(PyObject *module) {
	if (PyType_Ready(&StreamType) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		Stream *stream = PyObject_New(Stream, &StreamType);
		if (stream == NULL)
			return -1;
		stream->stream = i;
		stream->binary = false;
		streams[i] = (PyObject *)stream;
		if (PySys_SetObject(i ? "__stderr__" : "__stdout__", streams[i]) < 0)
			return -1;
	}
	return 0;
}

static const char *const names[2] = {"stdout", "stderr"};

void output_clear(void) {
	piece *old = postern_output.first;
	postern_output.first = NULL;
	settle();
	while (old != NULL) {
		piece *next = old->next;
		free(old);
		old = next;
	}
	end = NULL;
	current = 0;
	marked = false;
	limit = dropped = ready = room = 0;
}

void output_begin(size_t bytes) {
	// Code that replaced a stream did so for its own run only. The replacement may write when it goes: there is no room for that.
	for (int i = 0; i < 2; i++)
		PySys_SetObject(names[i], streams[i]);
	output_clear();
	limit = room = bytes;
}

void output_end(void) {
	PyObject *raised = PyErr_GetRaisedException();
	for (int i = 0; i < 2; i++) {
		PyObject *stream = Py_XNewRef(PySys_GetObject(names[i]));
		if (stream != NULL && stream != streams[i] && stream != Py_None)
			Py_XDECREF(PyObject_CallMethod(stream, "flush", NULL));
		Py_XDECREF(stream);
		PyErr_Clear(); // as at the end of python itself, it is too late to complain
	}
	PyErr_SetRaisedException(raised);
}

// Calls use with the text of each stream, part by part. 0, or what use returned if that was something else.
static int each_part(int (*use)(void *, int stream, const char *text, size_t length), void *with) {
	int stream = 0;
	for (piece *p = postern_output.first; p != NULL; p = p->next) {
		const char *at = p->text, *stop = at + p->length;
		while (at < stop) {
			const char *mark = marked ? memchr(at, MARK(!stream), stop - at) : NULL;
			size_t length = (mark ? mark : stop) - at;
			int done = length > 0 ? use(with, stream, at, length) : 0;
			if (done != 0)
				return done;
			at = mark ? mark + 1 : stop;
			if (mark)
				stream = !stream;
		}
	}
	return 0;
}

static int note_end(void *ends, int stream, const char *text, size_t length) {
	((char *)ends)[stream] = text[length - 1];
	return 0;
}

int output_put_notice(void) {
	if (dropped == 0)
		return 0;
	char ends[2] = {'\n', '\n'};
	each_part(note_end, ends);
	char notice[128];
	int size = snprintf(notice, sizeof notice, "%s[output cut: %zu bytes over the limit of %zu]\n",
		ends[cut_stream] != '\n' ? "\n" : "", dropped, limit);
	dropped = 0; // said once
	return append(cut_stream, notice, size);
}

static int put_part(void *into, int stream, const char *text, size_t length) {
	return buffer_put_escaped(((buffer **)into)[stream], text, length);
}

int output_put_json(buffer *b) {
	buffer errors = {.limit = b->limit};
	int failed = buffer_puts(b, ",\"stdout\":") < 0 || buffer_put_char(b, '"') < 0 || each_part(put_part, (buffer *[]){b, &errors}) < 0 ||
		buffer_put_char(b, '"') < 0 || buffer_puts(b, ",\"stderr\":") < 0 || buffer_put_char(b, '"') < 0 ||
		(errors.length > 0 && buffer_put(b, errors.data, errors.length) < 0) || buffer_put_char(b, '"') < 0;
	buffer_free(&errors);
	return failed ? -1 : 0;
}
