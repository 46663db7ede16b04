// Runs the agent's code in the one namespace of the session, and puts the result object of docs/abi.md.
#include "guest.h"
#include "internal/pycore_ast.h"
#include "internal/pycore_compile.h"
#include "internal/pycore_parser.h"
#include "internal/pycore_pyarena.h"

#include <string.h>

static struct {
	size_t output, result;
} limits = {64 << 10, 1 << 20};

static PyObject *main_dict;   // __main__.__dict__: the agent's globals
static PyObject *last_value;  // the name that the last expression's value gets; no source code can spell it
static PyObject *final_value; // what final_answer() was given in this run, or NULL
static unsigned long runs;    // numbers the default file names

static PyObject *postern_final_answer(PyObject *module, PyObject *value) {
	if (final_value == NULL)
		final_value = Py_NewRef(value);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"set_final_answer", postern_final_answer, METH_O, NULL},
	{NULL},
};

int run_init(PyObject *module) {
	last_value = PyUnicode_InternFromString("<value>");
	PyObject *main = PyImport_AddModule("__main__");
	if (last_value == NULL || main == NULL)
		return -1;
	main_dict = Py_NewRef(PyModule_GetDict(main));
	return PyModule_AddFunctions(module, methods);
}

static size_t limit_of(PyObject *limits, const char *name, size_t fallback) {
	PyObject *value = limits && PyDict_Check(limits) ? PyDict_GetItemString(limits, name) : NULL;
	return value ? PyLong_AsSize_t(value) : fallback;
}

PyObject *run_configure(PyObject *config) {
	PyObject *given = PyDict_GetItemString(config, "limits");
	limits.output = limit_of(given, "output", limits.output);
	limits.result = limit_of(given, "result", limits.result);
	if (PyErr_Occurred())
		return NULL;
	return PyObject_CallMethod(bootstrap, "configure", "O", config);
}

// Compiles a module whose last statement, if it is an expression, is kept under last_value. One compilation, so that
// line numbers, __future__ imports and scopes are those of the file.
static PyCodeObject *compile_module(const char *source, PyObject *filename) {
	PyArena *arena = _PyArena_New();
	if (arena == NULL)
		return NULL;
	// The source is text already: what a coding comment says of its bytes no longer holds.
	PyCompilerFlags flags = {.cf_flags = PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE, .cf_feature_version = PY_MINOR_VERSION};
	PyCodeObject *code = NULL;
	mod_ty module = _PyParser_ASTFromString(source, filename, Py_file_input, &flags, arena);
	if (module != NULL) {
		asdl_stmt_seq *body = module->v.Module.body;
		Py_ssize_t count = asdl_seq_LEN(body);
		stmt_ty last = count > 0 ? asdl_seq_GET(body, count - 1) : NULL;
		if (last != NULL && last->kind == Expr_kind) {
			asdl_expr_seq *targets = _Py_asdl_expr_seq_new(1, arena);
			expr_ty name = _PyAST_Name(last_value, Store, last->lineno, last->col_offset, last->end_lineno, last->end_col_offset, arena);
			if (targets != NULL && name != NULL) {
				asdl_seq_SET(targets, 0, name);
				last = _PyAST_Assign(targets, last->v.Expr.value, NULL, last->lineno, last->col_offset, last->end_lineno,
					last->end_col_offset, arena);
				if (last != NULL)
					asdl_seq_SET(body, count - 1, last);
			}
		}
		if (!PyErr_Occurred())
			code = _PyAST_Compile(module, filename, &flags, 0, arena);
	}
	_PyArena_Free(arena);
	return code;
}

// Runs source; a new reference to its value, or NULL: with an exception, or without one when it ends in a statement.
static PyObject *run_source(PyObject *source, PyObject *filename) {
	Py_ssize_t length;
	const char *text = PyUnicode_AsUTF8AndSize(source, &length);
	if (text == NULL)
		return NULL;
	if (strlen(text) != (size_t)length) {
		PyErr_SetString(PyExc_SyntaxError, "source code string cannot contain null bytes");
		return NULL;
	}
	static const char byte_order_mark[] = "\xEF\xBB\xBF";
	if (!strncmp(text, byte_order_mark, strlen(byte_order_mark)))
		text += strlen(byte_order_mark);
	PyCodeObject *code = compile_module(text, filename);
	if (code == NULL)
		return NULL;
	PyObject *done = PyEval_EvalCode((PyObject *)code, main_dict, main_dict);
	Py_DECREF(code);
	if (done == NULL)
		return NULL;
	Py_DECREF(done);
	PyObject *value = NULL;
	PyDict_Pop(main_dict, last_value, &value);
	return value;
}

// Puts the bootstrap's report on the exception that is set, which it clears: its "ok" decides whether the run was right.
static int put_error(buffer *b, PyObject *report) {
	static const char *const plain[] = {"line", "denied", "limit"};
	PyObject *type = PyDict_GetItemString(report, "type"), *message = PyDict_GetItemString(report, "message");
	PyObject *traceback = PyDict_GetItemString(report, "traceback");
	if (type == NULL || message == NULL || traceback == NULL || !PyUnicode_Check(type) || !PyUnicode_Check(message) || !PyUnicode_Check(traceback)) {
		PyErr_SetString(PyExc_SystemError, "the report on an exception is malformed");
		return -1;
	}
	if (buffer_puts(b, "{\"type\":") < 0 || text_encode_cut(b, type, 1024) < 0 ||
		buffer_puts(b, ",\"message\":") < 0 || text_encode_cut(b, message, MESSAGE_LIMIT) < 0 ||
		buffer_puts(b, ",\"traceback\":") < 0 || text_encode_cut(b, traceback, TRACEBACK_LIMIT) < 0)
		return -1;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		PyObject *value = PyDict_GetItemString(report, plain[i]);
		if (buffer_puts(b, ",\"") < 0 || buffer_puts(b, plain[i]) < 0 || buffer_puts(b, "\":") < 0 ||
			value_encode(b, value ? value : Py_None) < 0)
			return -1;
	}
	return buffer_put_char(b, '}');
}

// Puts "value" and "repr". A value that nests too deep for JSON crosses as its repr, like one that JSON has no word for.
static int put_value(buffer *b, PyObject *value) {
	buffer encoded = {.limit = limits.result};
	int failed = value_encode(&encoded, value) < 0;
	if (failed && PyErr_ExceptionMatches(TooDeep)) {
		PyErr_Clear();
		buffer_clear(&encoded);
		failed = value_encode_as_repr(&encoded, value) < 0;
	}
	if (!failed)
		failed = buffer_puts(b, "\"value\":") < 0 || buffer_put(b, encoded.data, encoded.length) < 0 ||
			buffer_puts(b, ",\"repr\":") < 0 || value_encode_repr(b, value, limits.result) < 0;
	buffer_free(&encoded);
	return failed ? -1 : 0;
}

// Puts the whole result. Takes the reference to value; with value NULL, an exception that is set is the error.
static int put_result(buffer *b, PyObject *value) {
	bool final = final_value != NULL;
	if (final) {
		// The answer stands, whatever the code did after it gave it.
		PyErr_Clear();
		Py_XSETREF(value, final_value);
		final_value = NULL;
	}
	buffer valued = {.limit = SIZE_MAX / 2};
	int unsaid = value != NULL && put_value(&valued, value) < 0;
	Py_CLEAR(value);
	if (unsaid && final_value != NULL && !final) {
		// A repr() has given the answer.
		buffer_free(&valued);
		return put_result(b, NULL);
	}
	if (unsaid) {
		buffer_clear(&valued);
		final = false;
	}

	buffer error = {.limit = SIZE_MAX / 2};
	int failed = 0;
	if (PyErr_Occurred()) {
		PyObject *report = NULL;
		// While one exception is described another can come, such as the end of the run's time: it is reported instead.
		for (int attempt = 0; report == NULL && attempt < 3; attempt++) {
			PyObject *raised = PyErr_GetRaisedException();
			report = PyObject_CallMethod(bootstrap, "report", "On", raised, (Py_ssize_t)limits.result);
			Py_DECREF(raised);
		}
		failed = report == NULL || (report != Py_None && put_error(&error, report) < 0);
		Py_XDECREF(report);
	}
	if (!failed)
		output_end();
	// A request to stop that comes now, when the code has finished, comes too late.
	PyObject *withheld = NULL;
	for (int attempt = 0; !failed && withheld == NULL && attempt < 3; attempt++) {
		PyErr_Clear();
		withheld = PyObject_CallMethod(bootstrap, "take_withheld", NULL);
	}
	failed = failed || withheld == NULL || output_put_notice() < 0 || buffer_puts(b, "{\"ok\":") < 0 || buffer_puts(b, error.length ? "false," : "true,") < 0;
	if (!failed)
		failed = valued.length ? buffer_put(b, valued.data, valued.length) < 0 : buffer_puts(b, "\"value\":null,\"repr\":null") < 0;
	failed = failed || buffer_puts(b, ",\"is_final_answer\":") < 0 || buffer_puts(b, final ? "true" : "false") < 0 ||
		output_put_json(b) < 0 || buffer_puts(b, ",\"error\":") < 0;
	if (!failed)
		failed = error.length ? buffer_put(b, error.data, error.length) < 0 : buffer_puts(b, "null") < 0;
	failed = failed || buffer_puts(b, ",\"withheld\":") < 0 || value_encode(b, withheld) < 0 || buffer_put_char(b, '}') < 0;
	Py_XDECREF(withheld);
	buffer_free(&valued);
	buffer_free(&error);
	return failed ? -1 : 0;
}

static void begin(void) {
	Py_CLEAR(final_value);
	output_begin(limits.output);
}

static PyObject *string_of(PyObject *request, const char *name) {
	PyObject *value = PyDict_GetItemString(request, name);
	if (value == NULL || !PyUnicode_Check(value)) {
		PyErr_Format(PyExc_ValueError, "the request needs a string \"%s\"", name);
		return NULL;
	}
	return value;
}

int run_exec(PyObject *request, buffer *result) {
	PyObject *code = string_of(request, "code");
	if (code == NULL)
		return -1;
	PyObject *filename = PyDict_GetItemString(request, "filename");
	runs++;
	filename = filename && PyUnicode_Check(filename) ? Py_NewRef(filename) : PyUnicode_FromFormat("<exec %lu>", runs);
	PyObject *kept = filename ? PyObject_CallMethod(bootstrap, "keep_source", "OO", filename, code) : NULL;
	if (kept == NULL) {
		// The run is over before it has begun: its time is, or the memory is full.
		Py_XDECREF(filename);
		PyObject *raised = PyErr_GetRaisedException();
		begin();
		PyErr_SetRaisedException(raised);
		return put_result(result, NULL);
	}
	Py_DECREF(kept);
	begin();
	PyObject *value = run_source(code, filename);
	Py_DECREF(filename);
	return put_result(result, value);
}

int run_set(PyObject *request, buffer *result) {
	PyObject *variables = PyDict_GetItemString(request, "variables");
	if (variables == NULL || !PyDict_Check(variables)) {
		PyErr_SetString(PyExc_ValueError, "the request needs an object \"variables\"");
		return -1;
	}
	begin();
	// All or nothing: names are checked first.
	PyObject *key, *value;
	Py_ssize_t position = 0;
	while (PyDict_Next(variables, &position, &key, &value))
		if (!PyUnicode_Check(key) || !PyUnicode_IsIdentifier(key) || PyUnicode_CompareWithASCIIString(key, "__builtins__") == 0) {
			PyErr_Format(PyExc_ValueError, "%R is not a name that can be set", key);
			return put_result(result, NULL);
		}
	PyDict_Update(main_dict, variables);
	return put_result(result, NULL);
}

int run_call(PyObject *request, buffer *result) {
	PyObject *name = string_of(request, "function");
	if (name == NULL)
		return -1;
	PyObject *args = PyDict_GetItemString(request, "args"), *kwargs = PyDict_GetItemString(request, "kwargs");
	if ((args != NULL && !PyList_Check(args)) || (kwargs != NULL && !PyDict_Check(kwargs))) {
		PyErr_SetString(PyExc_ValueError, "\"args\" must be an array and \"kwargs\" an object");
		return -1;
	}
	begin();
	PyObject *function = PyDict_GetItemWithError(main_dict, name); // borrowed
	if (function == NULL) {
		if (!PyErr_Occurred())
			PyErr_Format(PyExc_NameError, "name %R is not defined in this session", name);
		return put_result(result, NULL);
	}
	Py_INCREF(function);
	PyObject *positional = args ? PyList_AsTuple(args) : PyTuple_New(0);
	PyObject *value = positional ? PyObject_Call(function, positional, kwargs) : NULL;
	Py_XDECREF(positional);
	Py_DECREF(function);
	return put_result(result, value);
}
