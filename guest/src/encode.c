// Python values as JSON (docs/abi.md, "Values").
#include "guest.h"
#include "internal/pycore_long.h"

#include <string.h>

// Puts value, which stands within depth brackets and braces. Tags of scalars do not count as nesting.
static int encode(buffer *b, PyObject *value, int depth);

static bool too_deep(int depth) {
	if (depth > VALUE_DEPTH)
		PyErr_Format(TooDeep, "nested deeper than %d levels", VALUE_DEPTH);
	return depth > VALUE_DEPTH;
}

static int encode_str(buffer *b, PyObject *value) {
	Py_ssize_t length;
	const char *utf8 = PyUnicode_AsUTF8AndSize(value, &length);
	if (utf8 != NULL)
		return buffer_put_json(b, utf8, length);
	// A lone surrogate has no UTF-8: it crosses as its \u escape, the rest as usual.
	if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
		return -1;
	PyErr_Clear();
	if (buffer_put_char(b, '"') < 0)
		return -1;
	for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(value); i++) {
		Py_UCS4 c = PyUnicode_READ_CHAR(value, i);
		char escape[16];
		if (c < 0x20 || c == '"' || c == '\\' || (c >= 0xD800 && c <= 0xDFFF)) {
			snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
		} else {
			int n = 0;
			if (c < 0x80) {
				escape[n++] = c;
			} else if (c < 0x800) {
				escape[n++] = 0xC0 | c >> 6;
				escape[n++] = 0x80 | (c & 0x3F);
			} else if (c < 0x10000) {
				escape[n++] = 0xE0 | c >> 12;
				escape[n++] = 0x80 | (c >> 6 & 0x3F);
				escape[n++] = 0x80 | (c & 0x3F);
			} else {
				escape[n++] = 0xF0 | c >> 18;
				escape[n++] = 0x80 | (c >> 12 & 0x3F);
				escape[n++] = 0x80 | (c >> 6 & 0x3F);
				escape[n++] = 0x80 | (c & 0x3F);
			}
			escape[n] = 0;
		}
		if (buffer_puts(b, escape) < 0)
			return -1;
	}
	return buffer_put_char(b, '"');
}

int swap_max_digits(int digits) {
	PyInterpreterState *interp = PyInterpreterState_Get();
	int before = interp->long_state.max_str_digits;
	interp->long_state.max_str_digits = digits;
	return before;
}

static int encode_int(buffer *b, PyObject *value) {
	int overflow;
	long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
	if (small == -1 && PyErr_Occurred())
		return -1;
	char digits[32];
	if (!overflow && small >= -9007199254740991 && small <= 9007199254740991) {
		snprintf(digits, sizeof digits, "%lld", small);
		return buffer_puts(b, digits);
	}
	// The same bound as the other side's, checked before the quadratic conversion (3.32… bits a digit).
	if (_PyLong_NumBits(value) > (size_t)(INTEGER_DIGITS * 3.3219280948873626)) {
		PyErr_Format(TooLarge, "an integer of more than %d digits", INTEGER_DIGITS);
		return -1;
	}
	int max = swap_max_digits(0); // Python's own bound on digits is lower than ours
	PyObject *text = _PyLong_Format(value, 10);
	swap_max_digits(max);
	if (text == NULL)
		return -1;
	int failed = buffer_puts(b, "{\"$int\":\"") < 0 || buffer_puts(b, PyUnicode_AsUTF8(text)) < 0 || buffer_puts(b, "\"}") < 0;
	Py_DECREF(text);
	return failed ? -1 : 0;
}

static int encode_double(buffer *b, double number) {
	if (number != number)
		return buffer_puts(b, "{\"$float\":\"nan\"}");
	if (number - number != 0)
		return buffer_puts(b, number > 0 ? "{\"$float\":\"inf\"}" : "{\"$float\":\"-inf\"}");
	char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
	if (text == NULL)
		return -1;
	int failed = buffer_puts(b, text) < 0;
	PyMem_Free(text);
	return failed ? -1 : 0;
}

static int encode_base64(buffer *b, const char *tag, const unsigned char *bytes, Py_ssize_t length) {
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	if (buffer_puts(b, tag) < 0)
		return -1;
	for (Py_ssize_t i = 0; i < length; i += 3) {
		unsigned n = bytes[i] << 16 | (i + 1 < length ? bytes[i + 1] << 8 : 0) | (i + 2 < length ? bytes[i + 2] : 0);
		char four[4] = {digits[n >> 18], digits[n >> 12 & 63], i + 1 < length ? digits[n >> 6 & 63] : '=',
			i + 2 < length ? digits[n & 63] : '='};
		if (buffer_put(b, four, 4) < 0)
			return -1;
	}
	return buffer_puts(b, "\"}");
}

// Puts the members of any iterable, between the given open and close.
static int encode_members(buffer *b, const char *open, PyObject *members, const char *close, int depth) {
	if (buffer_puts(b, open) < 0)
		return -1;
	PyObject *iterator = PyObject_GetIter(members), *member;
	if (iterator == NULL)
		return -1;
	bool first = true;
	while ((member = PyIter_Next(iterator)) != NULL) {
		int failed = (!first && buffer_put_char(b, ',') < 0) || encode(b, member, depth) < 0;
		Py_DECREF(member);
		first = false;
		if (failed) {
			Py_DECREF(iterator);
			return -1;
		}
	}
	Py_DECREF(iterator);
	return PyErr_Occurred() ? -1 : buffer_puts(b, close);
}

// Lists and tuples, by index: their length may change under us when a member's repr() runs the agent's code.
static int encode_sequence(buffer *b, const char *open, PyObject *sequence, const char *close, int depth) {
	if (buffer_puts(b, open) < 0)
		return -1;
	for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
		PyObject *member = Py_NewRef(PySequence_Fast_GET_ITEM(sequence, i));
		int failed = (i > 0 && buffer_put_char(b, ',') < 0) || encode(b, member, depth) < 0;
		Py_DECREF(member);
		if (failed)
			return -1;
	}
	return buffer_puts(b, close);
}

// A dict is a plain object when all its keys are str and the first does not look like a tag.
static bool plain_object(PyObject *dict) {
	PyObject *key;
	Py_ssize_t position = 0;
	bool first = true;
	while (PyDict_Next(dict, &position, &key, NULL)) {
		if (!PyUnicode_Check(key))
			return false;
		if (first && PyUnicode_GET_LENGTH(key) > 0 && PyUnicode_READ_CHAR(key, 0) == '$')
			return false;
		first = false;
	}
	return true;
}

static int encode_dict(buffer *b, PyObject *dict, int depth) {
	bool plain = plain_object(dict);
	// A pair is an array within the tag's array within the tag's object.
	int inner = depth + (plain ? 1 : 3);
	if (too_deep(inner))
		return -1;
	PyObject *items = PyDict_Items(dict); // a copy: members' code may change the dict
	if (items == NULL)
		return -1;
	int failed = buffer_puts(b, plain ? "{" : "{\"$dict\":[") < 0;
	for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(items); i++) {
		PyObject *pair = PyList_GET_ITEM(items, i);
		PyObject *key = PyTuple_GET_ITEM(pair, 0), *value = PyTuple_GET_ITEM(pair, 1);
		failed = (i > 0 && buffer_put_char(b, ',') < 0) || (!plain && buffer_put_char(b, '[') < 0) ||
			(plain ? encode_str(b, key) : encode(b, key, inner)) < 0 || buffer_put_char(b, plain ? ':' : ',') < 0 ||
			encode(b, value, inner) < 0 || (!plain && buffer_put_char(b, ']') < 0);
	}
	Py_DECREF(items);
	if (failed)
		return -1;
	return buffer_puts(b, plain ? "}" : "]}");
}

// Puts the str that value.method() gives as a JSON string.
static int encode_method(buffer *b, PyObject *value, const char *method) {
	PyObject *text = PyObject_CallMethod(value, method, NULL);
	if (text == NULL)
		return -1;
	int failed = !PyUnicode_Check(text) || encode_str(b, text) < 0;
	Py_DECREF(text);
	return failed ? -1 : 0;
}

// The class called name of a loaded C module, or NULL without an exception: if its module was never loaded, no value is of it.
static PyTypeObject *loaded_type(const char *module, const char *name) {
	PyObject *key = PyUnicode_FromString(module);
	PyObject *loaded = key ? PyImport_GetModule(key) : NULL;
	Py_XDECREF(key);
	PyObject *type = loaded ? PyObject_GetAttrString(loaded, name) : NULL;
	Py_XDECREF(loaded);
	PyErr_Clear();
	if (type != NULL && !PyType_Check(type))
		Py_CLEAR(type);
	Py_XDECREF(type); // its module keeps it
	return (PyTypeObject *)type;
}

static bool instance_of(PyObject *value, PyTypeObject **cache, const char *module, const char *name) {
	if (*cache == NULL)
		*cache = (PyTypeObject *)Py_XNewRef(loaded_type(module, name));
	return *cache != NULL && PyObject_TypeCheck(value, *cache);
}

static int encode_datetime(buffer *b, PyObject *value, bool time_only) {
	// isoformat() of the base class: a subclass may say something else.
	if (buffer_puts(b, time_only ? "{\"$time\":" : "{\"$datetime\":") < 0 || encode_method(b, value, "isoformat") < 0)
		return -1;
	PyObject *zone = PyObject_GetAttrString(value, "tzinfo");
	if (zone == NULL)
		return -1;
	static PyTypeObject *zone_info;
	int failed = 0;
	if (!time_only && instance_of(zone, &zone_info, "_zoneinfo", "ZoneInfo")) {
		PyObject *key = PyObject_GetAttrString(zone, "key");
		if (key != NULL && PyUnicode_Check(key))
			failed = buffer_puts(b, ",\"zone\":") < 0 || encode_str(b, key) < 0;
		PyErr_Clear();
		Py_XDECREF(key);
	}
	Py_DECREF(zone);
	PyObject *fold = failed ? NULL : PyObject_GetAttrString(value, "fold");
	if (fold != NULL && PyObject_IsTrue(fold) == 1)
		failed = buffer_puts(b, ",\"fold\":1") < 0;
	Py_XDECREF(fold);
	return failed ? -1 : buffer_put_char(b, '}');
}

static int encode_timedelta(buffer *b, PyObject *value) {
	static const char *const parts[] = {"days", "seconds", "microseconds"};
	char text[128];
	long numbers[3];
	for (int i = 0; i < 3; i++) {
		PyObject *part = PyObject_GetAttrString(value, parts[i]);
		numbers[i] = part ? PyLong_AsLong(part) : -1;
		Py_XDECREF(part);
		if (PyErr_Occurred())
			return -1;
	}
	snprintf(text, sizeof text, "{\"$timedelta\":[%ld,%ld,%ld]}", numbers[0], numbers[1], numbers[2]);
	return buffer_puts(b, text);
}

static int encode_repr_tag(buffer *b, PyObject *value) {
	const char *name = Py_TYPE(value)->tp_name;
	const char *dot = strrchr(name, '.');
	if (buffer_puts(b, "{\"$repr\":") < 0 || value_encode_repr(b, value, MESSAGE_LIMIT) < 0 || buffer_puts(b, ",\"type\":") < 0)
		return -1;
	name = dot ? dot + 1 : name;
	return buffer_put_json(b, name, strlen(name)) < 0 ? -1 : buffer_put_char(b, '}');
}

static int encode_other(buffer *b, PyObject *value) {
	static PyTypeObject *datetime, *date, *time, *timedelta, *decimal;
	if (instance_of(value, &datetime, "_datetime", "datetime"))
		return encode_datetime(b, value, false);
	if (instance_of(value, &date, "_datetime", "date"))
		return buffer_puts(b, "{\"$date\":") < 0 || encode_method(b, value, "isoformat") < 0 ? -1 : buffer_put_char(b, '}');
	if (instance_of(value, &time, "_datetime", "time"))
		return encode_datetime(b, value, true);
	if (instance_of(value, &timedelta, "_datetime", "timedelta"))
		return encode_timedelta(b, value);
	if (instance_of(value, &decimal, "_decimal", "Decimal"))
		return buffer_puts(b, "{\"$decimal\":") < 0 || encode_method(b, value, "__str__") < 0 ? -1 : buffer_put_char(b, '}');
	return encode_repr_tag(b, value);
}

static int encode(buffer *b, PyObject *value, int depth) {
	if (++b->values > VALUES_LIMIT) {
		PyErr_Format(TooLarge, "more than %d values", VALUES_LIMIT);
		return -1;
	}
	if (value == Py_None)
		return buffer_put(b, "null", 4);
	if (value == Py_True)
		return buffer_put(b, "true", 4);
	if (value == Py_False)
		return buffer_put(b, "false", 5);
	if (PyUnicode_Check(value))
		return encode_str(b, value);
	if (PyLong_Check(value))
		return encode_int(b, value);
	if (PyFloat_Check(value))
		return encode_double(b, PyFloat_AS_DOUBLE(value));
	// From here on, depth is that of what is inside; a tag is an object around its array.
	if (PyList_Check(value))
		return too_deep(depth + 1) ? -1 : encode_sequence(b, "[", value, "]", depth + 1);
	if (PyDict_Check(value))
		return encode_dict(b, value, depth);
	if (PyTuple_Check(value))
		return too_deep(depth + 2) ? -1 : encode_sequence(b, "{\"$tuple\":[", value, "]}", depth + 2);
	if (PyBytes_Check(value))
		return encode_base64(b, "{\"$bytes\":\"", (unsigned char *)PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
	if (PyByteArray_Check(value))
		return encode_base64(b, "{\"$bytearray\":\"", (unsigned char *)PyByteArray_AS_STRING(value), PyByteArray_GET_SIZE(value));
	if (PyFrozenSet_Check(value))
		return too_deep(depth + 2) ? -1 : encode_members(b, "{\"$frozenset\":[", value, "]}", depth + 2);
	if (PySet_Check(value))
		return too_deep(depth + 2) ? -1 : encode_members(b, "{\"$set\":[", value, "]}", depth + 2);
	if (PyComplex_Check(value)) {
		Py_complex z = PyComplex_AsCComplex(value);
		return buffer_puts(b, "{\"$complex\":[") < 0 || encode_double(b, z.real) < 0 || buffer_put_char(b, ',') < 0 ||
			encode_double(b, z.imag) < 0 ? -1 : buffer_puts(b, "]}");
	}
	return encode_other(b, value);
}

int value_encode(buffer *b, PyObject *value) { return encode(b, value, 0); }

int text_encode_cut(buffer *b, PyObject *text, size_t limit) {
	// Encoded apart, so that a cut can fall between characters and escapes.
	buffer whole = {.limit = SIZE_MAX / 2};
	int failed = encode_str(&whole, text) < 0;
	if (!failed && whole.length <= limit) {
		failed = buffer_put(b, whole.data, whole.length) < 0;
	} else if (!failed) {
		static const char ellipsis[] = "\xE2\x80\xA6\"";
		size_t end = limit > 16 ? limit - 16 : 0;
		size_t i = 1;
		while (i < end) { // step over whole characters and escapes
			unsigned char c = whole.data[i];
			size_t step = c == '\\' ? (whole.data[i + 1] == 'u' ? 6 : 2) : c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
			if (i + step > end)
				break;
			i += step;
		}
		failed = buffer_put(b, whole.data, i) < 0 || buffer_put(b, ellipsis, sizeof ellipsis - 1) < 0;
	}
	buffer_free(&whole);
	return failed ? -1 : 0;
}

int value_encode_repr(buffer *b, PyObject *value, size_t limit) {
	PyObject *text = PyObject_Repr(value);
	if (text == NULL) {
		// Only a failing repr() is described; the end of the run (SystemExit, interrupts, memory) stays what it is.
		if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError))
			return -1;
		PyObject *raised = PyErr_GetRaisedException();
		text = PyUnicode_FromFormat("<%s object: repr() raised %s>", Py_TYPE(value)->tp_name, Py_TYPE(raised)->tp_name);
		Py_DECREF(raised);
		if (text == NULL)
			return -1;
	}
	int failed = text_encode_cut(b, text, limit);
	Py_DECREF(text);
	return failed;
}
