// Python values as JSON (docs/abi.md, "Values").
#include "guest.h"
#include "datetime.h"
#include "internal/pycore_long.h"
#include "internal/pycore_setobject.h"

#include <string.h>

// Puts value, which stands within depth brackets and braces. Tags of scalars do not count as nesting.
static int encode(buffer *b, PyObject *value, int depth);

static bool too_deep(int depth) {
	if (depth > VALUE_DEPTH)
		PyErr_Format(TooDeep, "nested deeper than %d levels", VALUE_DEPTH);
	return depth > VALUE_DEPTH;
}

// Is value, as a key of a dict or member of a set, what it will be once it has crossed? A subclass that hashes or compares in
// a way of its own is not: two of its values may become equal, or not hashable. Such a key crosses as its repr.
static bool plain_key(PyObject *value) {
	PyTypeObject *type = Py_TYPE(value);
	PyTypeObject *base = PyUnicode_Check(value) ? &PyUnicode_Type : PyLong_Check(value) ? &PyLong_Type : PyFloat_Check(value) ? &PyFloat_Type :
		PyTuple_Check(value) ? &PyTuple_Type : PyBytes_Check(value) ? &PyBytes_Type : PyFrozenSet_Check(value) ? &PyFrozenSet_Type :
		PyComplex_Check(value) ? &PyComplex_Type : NULL;
	if (base != NULL && base != type)
		return type->tp_hash == base->tp_hash && type->tp_richcompare == base->tp_richcompare;
	// What Python's own types of these kinds cannot be.
	return !PyList_Check(value) && !PyDict_Check(value) && !PyByteArray_Check(value) && (!PySet_Check(value) || PyFrozenSet_Check(value));
}

static int encode_key(buffer *b, PyObject *value, int depth) {
	b->keys++;
	int failed = encode(b, value, depth);
	b->keys--;
	return failed;
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

// Puts the members of a set, between the given open and close.
static int encode_members(buffer *b, const char *open, PyObject *set, const char *close, int depth) {
	// A list of them first: members' code may change the set, and a subclass may iterate over something else.
	PyObject *members = PyList_New(0), *member;
	Py_ssize_t position = 0;
	Py_hash_t hash;
	int failed = members == NULL;
	while (!failed && _PySet_NextEntry(set, &position, &member, &hash))
		failed = PyList_Append(members, member) < 0;
	if (!failed) {
		b->keys++;
		failed = encode_sequence(b, open, members, close, depth) < 0;
		b->keys--;
	}
	Py_XDECREF(members);
	return failed ? -1 : 0;
}

// The pairs of a dict, as a list of its own: members' code may change the dict.
static PyObject *pairs_of(PyObject *dict) {
	if (!PyODict_Check(dict))
		return PyDict_Items(dict);
	// An OrderedDict keeps its order apart from the dict that it is.
	PyObject *view = PyObject_CallMethod((PyObject *)&PyODict_Type, "items", "O", dict);
	PyObject *pairs = view ? PySequence_List(view) : NULL;
	Py_XDECREF(view);
	return pairs;
}

// A dict is a plain object when all its keys are plain str and the first does not look like a tag.
static bool plain_object(PyObject *pairs) {
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
		PyObject *key = PyTuple_GET_ITEM(PyList_GET_ITEM(pairs, i), 0);
		if (!PyUnicode_Check(key) || !plain_key(key))
			return false;
		if (i == 0 && PyUnicode_GET_LENGTH(key) > 0 && PyUnicode_READ_CHAR(key, 0) == '$')
			return false;
	}
	return true;
}

static int encode_dict(buffer *b, PyObject *dict, int depth) {
	PyObject *items = pairs_of(dict);
	if (items == NULL)
		return -1;
	bool plain = plain_object(items);
	// A pair is an array within the tag's array within the tag's object.
	int inner = depth + (plain ? 1 : 3);
	if (too_deep(inner)) {
		Py_DECREF(items);
		return -1;
	}
	int failed = buffer_puts(b, plain ? "{" : "{\"$dict\":[") < 0;
	for (Py_ssize_t i = 0; !failed && i < PyList_GET_SIZE(items); i++) {
		PyObject *pair = PyList_GET_ITEM(items, i);
		PyObject *key = PyTuple_GET_ITEM(pair, 0), *value = PyTuple_GET_ITEM(pair, 1);
		failed = (i > 0 && buffer_put_char(b, ',') < 0) || (!plain && buffer_put_char(b, '[') < 0) ||
			(plain ? encode_str(b, key) : encode_key(b, key, inner)) < 0 || buffer_put_char(b, plain ? ':' : ',') < 0 ||
			encode(b, value, inner) < 0 || (!plain && buffer_put_char(b, ']') < 0);
	}
	Py_DECREF(items);
	if (failed)
		return -1;
	return buffer_puts(b, plain ? "}" : "]}");
}

// Puts the str that the base class's own method gives as a JSON string: a subclass may say something else.
static int encode_method(buffer *b, PyTypeObject *base, PyObject *value, const char *method) {
	PyObject *text = PyObject_CallMethod((PyObject *)base, method, "O", value);
	if (text == NULL)
		return -1;
	int failed = encode_str(b, text) < 0;
	Py_DECREF(text);
	return failed ? -1 : 0;
}

static int encode_text(buffer *b, const char *tag, PyTypeObject *base, PyObject *value, const char *method) {
	return buffer_puts(b, tag) < 0 || encode_method(b, base, value, method) < 0 ? -1 : buffer_put_char(b, '}');
}

// What a loaded C module calls name, or NULL without an exception: if its module was never loaded, no value is of its types.
static PyObject *loaded_member(const char *module, const char *name) {
	PyObject *key = PyUnicode_FromString(module);
	PyObject *loaded = key ? PyImport_GetModule(key) : NULL;
	Py_XDECREF(key);
	PyObject *member = loaded ? PyObject_GetAttrString(loaded, name) : NULL;
	Py_XDECREF(loaded);
	PyErr_Clear();
	return member;
}

static bool instance_of(PyObject *value, PyTypeObject **cache, const char *module, const char *name) {
	if (*cache == NULL) {
		PyObject *type = loaded_member(module, name);
		if (type != NULL && !PyType_Check(type))
			Py_CLEAR(type);
		*cache = (PyTypeObject *)type; // kept
	}
	return *cache != NULL && PyObject_TypeCheck(value, *cache);
}

// The types of datetime and their fields, from its own C interface: what the agent has put into sys.modules is no matter.
static bool datetime_loaded(void) {
	if (PyDateTimeAPI == NULL) {
		PyObject *capsule = loaded_member("_datetime", "datetime_CAPI"); // kept
		if (capsule != NULL)
			PyDateTimeAPI = PyCapsule_GetPointer(capsule, PyDateTime_CAPSULE_NAME);
		PyErr_Clear();
	}
	return PyDateTimeAPI != NULL;
}

static int encode_datetime(buffer *b, PyObject *value) {
	if (buffer_puts(b, "{\"$datetime\":") < 0 || encode_method(b, PyDateTimeAPI->DateTimeType, value, "isoformat") < 0)
		return -1;
	static PyTypeObject *zone_info;
	PyObject *zone = PyDateTime_DATE_GET_TZINFO(value); // borrowed
	int failed = 0;
	if (instance_of(zone, &zone_info, "_zoneinfo", "ZoneInfo")) {
		PyObject *key = PyObject_GetAttrString(zone, "key");
		if (key != NULL && PyUnicode_Check(key))
			failed = buffer_puts(b, ",\"zone\":") < 0 || encode_str(b, key) < 0;
		else
			PyErr_Clear();
		Py_XDECREF(key);
	}
	if (!failed && PyDateTime_DATE_GET_FOLD(value))
		failed = buffer_puts(b, ",\"fold\":1") < 0;
	return failed ? -1 : buffer_put_char(b, '}');
}

static int encode_timedelta(buffer *b, PyObject *value) {
	char text[128];
	snprintf(text, sizeof text, "{\"$timedelta\":[%d,%d,%d]}", PyDateTime_DELTA_GET_DAYS(value), PyDateTime_DELTA_GET_SECONDS(value),
		PyDateTime_DELTA_GET_MICROSECONDS(value));
	return buffer_puts(b, text);
}

int value_encode_as_repr(buffer *b, PyObject *value) {
	const char *name = Py_TYPE(value)->tp_name;
	const char *dot = strrchr(name, '.');
	if (buffer_puts(b, "{\"$repr\":") < 0 || value_encode_repr(b, value, MESSAGE_LIMIT) < 0 || buffer_puts(b, ",\"type\":") < 0)
		return -1;
	name = dot ? dot + 1 : name;
	return buffer_put_json(b, name, strlen(name)) < 0 ? -1 : buffer_put_char(b, '}');
}

static int encode_other(buffer *b, PyObject *value) {
	static PyTypeObject *decimal;
	if (datetime_loaded()) {
		if (PyDateTime_Check(value))
			return encode_datetime(b, value);
		if (PyDate_Check(value))
			return encode_text(b, "{\"$date\":", PyDateTimeAPI->DateType, value, "isoformat");
		if (PyTime_Check(value))
			return encode_text(b, "{\"$time\":", PyDateTimeAPI->TimeType, value, "isoformat");
		if (PyDelta_Check(value))
			return encode_timedelta(b, value);
	}
	if (instance_of(value, &decimal, "_decimal", "Decimal"))
		return encode_text(b, "{\"$decimal\":", decimal, value, "__str__");
	return value_encode_as_repr(b, value);
}

static int encode(buffer *b, PyObject *value, int depth) {
	if (++b->values > VALUES_LIMIT) {
		PyErr_Format(TooLarge, "more than %d values", VALUES_LIMIT);
		return -1;
	}
	if (b->keys && !plain_key(value))
		return value_encode_as_repr(b, value);
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
