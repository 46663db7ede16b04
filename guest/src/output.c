// sys.stdout and sys.stderr: text kept in memory up to one limit for both, the rest counted and dropped while it is
// produced, so that a print loop cannot grow the guest.
#include "guest.h"
#include "structmember.h"

static buffer text[2] = {{.limit = SIZE_MAX / 2}, {.limit = SIZE_MAX / 2}};
static size_t limit, room, dropped;
static int cut_stream; // where the first byte was dropped
static PyObject *streams[2];

typedef struct {
	PyObject_HEAD
	int stream;
	bool binary;
} Stream;

static PyTypeObject StreamType;

static int keep(int stream, const char *bytes, size_t length) {
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
	room -= length;
	return buffer_put(&text[stream], bytes, length);
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

void output_begin(size_t bytes) {
	for (int i = 0; i < 2; i++) {
		// Code that replaced a stream did so for its own run only. The replacement may write when it goes.
		PySys_SetObject(names[i], streams[i]);
		buffer_clear(&text[i]);
	}
	limit = room = bytes;
	dropped = 0;
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

int output_put_json(buffer *b, int stream) {
	buffer *kept = &text[stream];
	if (dropped > 0 && stream == cut_stream) {
		char notice[128];
		bool newline = kept->length > 0 && kept->data[kept->length - 1] != '\n';
		int size = snprintf(notice, sizeof notice, "%s[output cut: %zu bytes over the limit of %zu]\n",
			newline ? "\n" : "", dropped, limit);
		if (buffer_put(kept, notice, size) < 0)
			return -1;
		cut_stream = -1; // said once
	}
	return buffer_put_json(b, kept->data ? kept->data : "", kept->length);
}
