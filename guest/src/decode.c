// JSON to Python values (docs/abi.md, "Values"). The text comes from the host, but is checked as if it did not.
#include "guest.h"

#include <string.h>

typedef struct {
	const char *start, *at, *end;
	int named; // objects at this depth or above are no values: what their first name begins with means nothing
} reader;

static PyObject *fail(reader *r, const char *what) {
	if (!PyErr_Occurred())
		PyErr_Format(PyExc_ValueError, "%s at byte %zd", what, (Py_ssize_t)(r->at - r->start));
	return NULL;
}

static void skip_space(reader *r) {
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static bool take(reader *r, char c) {
	skip_space(r);
	if (r->at < r->end && *r->at == c) {
		r->at++;
		return true;
	}
	return false;
}

static PyObject *decode(reader *r, int depth);

static int hex4(reader *r) {
	if (r->end - r->at < 4)
		return -1;
	int n = 0;
	for (int i = 0; i < 4; i++) {
		char c = *r->at++;
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (digit < 0)
			return -1;
		n = n << 4 | digit;
	}
	return n;
}

// Moves to the quote, backslash or control character that comes next.
static void skip_text(reader *r) {
	while (r->end - r->at >= 8 && plain_text(r->at))
		r->at += 8;
	while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= 0x20)
		r->at++;
}

static PyObject *decode_str(reader *r) {
	r->at++; // the quote
	const char *from = r->at;
	skip_text(r);
	if (r->at < r->end && *r->at == '"') // the usual case: no escapes
		return PyUnicode_DecodeUTF8(from, r->at++ - from, NULL);

	_PyUnicodeWriter writer;
	_PyUnicodeWriter_Init(&writer);
	writer.overallocate = 1;
	for (;;) {
		if (r->at > from) {
			PyObject *run = PyUnicode_DecodeUTF8(from, r->at - from, NULL);
			if (run == NULL)
				goto error;
			int failed = _PyUnicodeWriter_WriteStr(&writer, run) < 0;
			Py_DECREF(run);
			if (failed)
				goto error;
		}
		if (r->at >= r->end) {
			fail(r, "unterminated string");
			goto error;
		}
		if (*r->at == '"') {
			r->at++;
			return _PyUnicodeWriter_Finish(&writer);
		}
		if (*r->at != '\\') {
			fail(r, "control character in a string");
			goto error;
		}
		r->at++;
		char c = r->at < r->end ? *r->at++ : 0;
		Py_UCS4 character;
		switch (c) {
		case '"': case '\\': case '/': character = c; break;
		case 'b': character = '\b'; break;
		case 'f': character = '\f'; break;
		case 'n': character = '\n'; break;
		case 'r': character = '\r'; break;
		case 't': character = '\t'; break;
		case 'u': {
			int unit = hex4(r);
			if (unit < 0) {
				fail(r, "invalid escape");
				goto error;
			}
			character = unit;
			if (unit >= 0xD800 && unit < 0xDC00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
				reader ahead = {r->start, r->at + 2, r->end};
				int low = hex4(&ahead);
				if (low >= 0xDC00 && low < 0xE000) {
					character = 0x10000 + ((unit - 0xD800) << 10 | (low - 0xDC00));
					r->at = ahead.at;
				}
			}
			break;
		}
		default:
			fail(r, "invalid escape");
			goto error;
		}
		if (_PyUnicodeWriter_WriteChar(&writer, character) < 0)
			goto error;
		from = r->at;
		skip_text(r);
	}
error:
	_PyUnicodeWriter_Dealloc(&writer);
	return NULL;
}

static PyObject *decode_number(reader *r) {
	const char *from = r->at;
	bool real = false;
	if (r->at < r->end && *r->at == '-')
		r->at++;
	const char *digits = r->at;
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	if (r->at == digits || (*digits == '0' && r->at - digits > 1))
		return fail(r, "invalid number");
	if (r->at < r->end && *r->at == '.') {
		real = true;
		digits = ++r->at;
		while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
			r->at++;
		if (r->at == digits)
			return fail(r, "invalid number");
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
		real = true;
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		digits = r->at;
		while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
			r->at++;
		if (r->at == digits)
			return fail(r, "invalid number");
	}
	char text[401];
	size_t length = r->at - from;
	if (length >= sizeof text)
		return fail(r, "a number of more than 400 characters");
	memcpy(text, from, length);
	text[length] = 0;
	if (!real)
		return PyLong_FromString(text, NULL, 10);
	double number = PyOS_string_to_double(text, NULL, NULL);
	if (number == -1.0 && PyErr_Occurred())
		return NULL;
	return PyFloat_FromDouble(number);
}

// The member of module that a tag needs. The C modules are inside the guest, so that they are there under every policy.
static PyObject *member(const char *module, const char *name) {
	PyObject *loaded = PyImport_ImportModule(module);
	PyObject *found = loaded ? PyObject_GetAttrString(loaded, name) : NULL;
	Py_XDECREF(loaded);
	return found;
}

// Calls member(payload) of a class, e.g. datetime.fromisoformat("…"); method NULL calls the class itself.
static PyObject *construct(const char *module, const char *name, const char *method, PyObject *payload) {
	if (!PyUnicode_Check(payload)) {
		PyErr_SetString(PyExc_ValueError, "the payload of this tag must be a string");
		return NULL;
	}
	PyObject *class = member(module, name);
	if (class == NULL)
		return NULL;
	PyObject *value = method ? PyObject_CallMethod(class, method, "O", payload) : PyObject_CallOneArg(class, payload);
	Py_DECREF(class);
	return value;
}

static PyObject *tag_datetime(PyObject *object, PyObject *payload) {
	PyObject *value = construct("_datetime", "datetime", "fromisoformat", payload);
	PyObject *zone = value ? PyDict_GetItemString(object, "zone") : NULL; // borrowed
	PyObject *fold = value ? PyDict_GetItemString(object, "fold") : NULL;
	if (zone == NULL && fold == NULL)
		return value;
	PyObject *changes = PyDict_New();
	PyObject *info = NULL;
	if (changes != NULL && fold != NULL && PyDict_SetItemString(changes, "fold", fold) < 0)
		Py_CLEAR(changes);
	if (changes != NULL && zone != NULL) {
		// Without zoneinfo under this policy, the offset in the text is what remains of the zone.
		info = construct("zoneinfo", "ZoneInfo", NULL, zone);
		if (info == NULL)
			PyErr_Clear();
		else if (PyDict_SetItemString(changes, "tzinfo", info) < 0)
			Py_CLEAR(changes);
	}
	PyObject *replace = changes ? PyObject_GetAttrString(value, "replace") : NULL;
	PyObject *empty = replace ? PyTuple_New(0) : NULL;
	PyObject *replaced = empty ? PyObject_Call(replace, empty, changes) : NULL;
	Py_XDECREF(empty);
	Py_XDECREF(replace);
	Py_XDECREF(info);
	Py_XDECREF(changes);
	Py_DECREF(value);
	return replaced;
}

static PyObject *tag_timedelta(PyObject *payload) {
	if (!PyList_Check(payload) || PyList_GET_SIZE(payload) != 3)
		return NULL;
	PyObject *class = member("_datetime", "timedelta");
	PyObject *arguments = class ? PyList_AsTuple(payload) : NULL;
	PyObject *value = arguments ? PyObject_CallObject(class, arguments) : NULL;
	Py_XDECREF(arguments);
	Py_XDECREF(class);
	return value;
}

static PyObject *tag_dict(PyObject *payload) {
	if (!PyList_Check(payload))
		return NULL;
	PyObject *dict = PyDict_New();
	for (Py_ssize_t i = 0; dict != NULL && i < PyList_GET_SIZE(payload); i++) {
		PyObject *pair = PyList_GET_ITEM(payload, i);
		if (!PyList_Check(pair) || PyList_GET_SIZE(pair) != 2 ||
			PyDict_SetItem(dict, PyList_GET_ITEM(pair, 0), PyList_GET_ITEM(pair, 1)) < 0 ||
			PyDict_GET_SIZE(dict) != i + 1)
			Py_CLEAR(dict);
	}
	return dict;
}

static PyObject *tag_bytes(PyObject *payload, bool mutable) {
	if (!PyUnicode_Check(payload))
		return NULL;
	PyObject *function = member("binascii", "a2b_base64");
	PyObject *strict = function ? Py_BuildValue("{s:O}", "strict_mode", Py_True) : NULL;
	PyObject *arguments = strict ? PyTuple_Pack(1, payload) : NULL;
	PyObject *bytes = arguments ? PyObject_Call(function, arguments, strict) : NULL;
	Py_XDECREF(arguments);
	Py_XDECREF(strict);
	Py_XDECREF(function);
	if (bytes == NULL || !mutable)
		return bytes;
	PyObject *array = PyByteArray_FromObject(bytes);
	Py_DECREF(bytes);
	return array;
}

static PyObject *tag_float(PyObject *payload) {
	const char *text = PyUnicode_Check(payload) ? PyUnicode_AsUTF8(payload) : NULL;
	if (text == NULL || (strcmp(text, "inf") && strcmp(text, "-inf") && strcmp(text, "nan")))
		return NULL;
	return PyFloat_FromDouble(PyOS_string_to_double(text, NULL, NULL));
}

static PyObject *tag_complex(PyObject *payload) {
	if (!PyList_Check(payload) || PyList_GET_SIZE(payload) != 2)
		return NULL;
	double real = PyFloat_AsDouble(PyList_GET_ITEM(payload, 0)), imag = PyFloat_AsDouble(PyList_GET_ITEM(payload, 1));
	return PyErr_Occurred() ? NULL : PyComplex_FromDoubles(real, imag);
}

static PyObject *tag_int(PyObject *payload) {
	Py_ssize_t length;
	const char *text = PyUnicode_Check(payload) ? PyUnicode_AsUTF8AndSize(payload, &length) : NULL;
	if (text == NULL || length > INTEGER_DIGITS + 1)
		return NULL;
	for (Py_ssize_t i = *text == '-'; i < length; i++)
		if (text[i] < '0' || text[i] > '9')
			return NULL;
	int max = swap_max_digits(0);
	PyObject *value = PyLong_FromString(text, NULL, 10);
	swap_max_digits(max);
	return value;
}

// Makes the value of a tagged object, or NULL.
static PyObject *untag(const char *tag, PyObject *object, PyObject *payload) {
	if (!strcmp(tag, "$tuple"))
		return PyList_Check(payload) ? PyList_AsTuple(payload) : NULL;
	if (!strcmp(tag, "$int"))
		return tag_int(payload);
	if (!strcmp(tag, "$float"))
		return tag_float(payload);
	if (!strcmp(tag, "$dict"))
		return tag_dict(payload);
	if (!strcmp(tag, "$set"))
		return PyList_Check(payload) ? PySet_New(payload) : NULL;
	if (!strcmp(tag, "$frozenset"))
		return PyList_Check(payload) ? PyFrozenSet_New(payload) : NULL;
	if (!strcmp(tag, "$bytes"))
		return tag_bytes(payload, false);
	if (!strcmp(tag, "$bytearray"))
		return tag_bytes(payload, true);
	if (!strcmp(tag, "$complex"))
		return tag_complex(payload);
	if (!strcmp(tag, "$datetime"))
		return tag_datetime(object, payload);
	if (!strcmp(tag, "$date"))
		return construct("_datetime", "date", "fromisoformat", payload);
	if (!strcmp(tag, "$time"))
		return construct("_datetime", "time", "fromisoformat", payload);
	if (!strcmp(tag, "$timedelta"))
		return tag_timedelta(payload);
	if (!strcmp(tag, "$decimal"))
		return construct("_decimal", "Decimal", NULL, payload);
	if (!strcmp(tag, "$repr"))
		return PyUnicode_Check(payload) ? Py_NewRef(payload) : NULL;
	PyErr_Format(PyExc_ValueError, "unknown tag %s", tag);
	return NULL;
}

static PyObject *decode_object(reader *r, int depth) {
	PyObject *object = PyDict_New(), *payload = NULL;
	if (object == NULL)
		return NULL;
	char tag[16] = "";
	r->at++; // the brace
	if (take(r, '}'))
		return object;
	for (bool first = true;; first = false) {
		skip_space(r);
		if (r->at >= r->end || *r->at != '"') {
			fail(r, "expected a name");
			goto error;
		}
		PyObject *key = decode_str(r);
		if (key == NULL)
			goto error;
		if (!take(r, ':')) {
			Py_DECREF(key);
			fail(r, "expected ':'");
			goto error;
		}
		PyObject *value = decode(r, depth);
		Py_ssize_t before = PyDict_GET_SIZE(object);
		int failed = value == NULL || PyDict_SetItem(object, key, value) < 0;
		if (!failed && PyDict_GET_SIZE(object) == before) {
			fail(r, "duplicate name");
			failed = 1;
		}
		if (!failed && first && depth > r->named && PyUnicode_GET_LENGTH(key) > 0 && PyUnicode_READ_CHAR(key, 0) == '$') {
			const char *text = PyUnicode_AsUTF8(key);
			snprintf(tag, sizeof tag, "%s", text ? text : "");
			PyErr_Clear();
			payload = value; // the dict keeps it
		}
		Py_DECREF(key);
		Py_XDECREF(value);
		if (failed)
			goto error;
		if (take(r, ','))
			continue;
		if (take(r, '}'))
			break;
		fail(r, "expected ',' or '}'");
		goto error;
	}
	if (payload == NULL)
		return object;
	PyObject *value = untag(tag, object, payload);
	if (value == NULL && !PyErr_Occurred())
		PyErr_Format(PyExc_ValueError, "wrong payload of tag %s", tag);
	Py_DECREF(object);
	return value;
error:
	Py_DECREF(object);
	return NULL;
}

static PyObject *decode_array(reader *r, int depth) {
	PyObject *list = PyList_New(0);
	if (list == NULL)
		return NULL;
	r->at++; // the bracket
	if (take(r, ']'))
		return list;
	for (;;) {
		PyObject *value = decode(r, depth);
		int failed = value == NULL || PyList_Append(list, value) < 0;
		Py_XDECREF(value);
		if (failed)
			break;
		if (take(r, ','))
			continue;
		if (take(r, ']'))
			return list;
		fail(r, "expected ',' or ']'");
		break;
	}
	Py_DECREF(list);
	return NULL;
}

static PyObject *word(reader *r, const char *text, PyObject *value) {
	size_t length = strlen(text);
	if ((size_t)(r->end - r->at) < length || memcmp(r->at, text, length))
		return fail(r, "expected a value");
	r->at += length;
	return Py_NewRef(value);
}

// A value may nest as deep as VALUE_DEPTH, within the braces of a request or an answer, and as a tagged scalar.
#define READ_DEPTH (VALUE_DEPTH + 4)

static PyObject *decode(reader *r, int depth) {
	if (depth > READ_DEPTH)
		return fail(r, "nested too deep");
	skip_space(r);
	switch (r->at < r->end ? *r->at : 0) {
	case '"': return decode_str(r);
	case '{': return decode_object(r, depth + 1);
	case '[': return decode_array(r, depth + 1);
	case 'n': return word(r, "null", Py_None);
	case 't': return word(r, "true", Py_True);
	case 'f': return word(r, "false", Py_False);
	case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
		return decode_number(r);
	default: return fail(r, "expected a value");
	}
}

static PyObject *decode_all(const char *json, size_t length, int named) {
	reader r = {json, json, json + length, named};
	PyObject *value = decode(&r, 0);
	if (value == NULL)
		return NULL;
	skip_space(&r);
	if (r.at < r.end) {
		Py_DECREF(value);
		return fail(&r, "trailing text");
	}
	return value;
}

PyObject *value_decode(const char *json, size_t length) { return decode_all(json, length, 0); }

// The request itself, and the variables or keyword arguments in it.
PyObject *request_decode(const char *json, size_t length) { return decode_all(json, length, 2); }
