// Granted functions as Python callables: arguments to JSON, through the gate, the answer back to a value or an exception.
#include "guest.h"
#include "structmember.h"

typedef struct {
	PyObject_HEAD
	vectorcallfunc vectorcall;
	uint32_t index;
	PyObject *name;      // "sqrt"
	PyObject *qualname;  // "math.sqrt"
	PyObject *module;    // "math"
	PyObject *signature; // "(x, /)"
	PyObject *doc;
} Function;

static int put_request(buffer *b, PyObject *const *args, size_t count, PyObject *names) {
	if (buffer_puts(b, "{\"args\":[") < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if ((i > 0 && buffer_put_char(b, ',') < 0) || value_encode(b, args[i]) < 0)
			return -1;
	if (buffer_puts(b, "],\"kwargs\":{") < 0)
		return -1;
	for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++)
		if ((i > 0 && buffer_put_char(b, ',') < 0) || value_encode(b, PyTuple_GET_ITEM(names, i)) < 0 ||
			buffer_put_char(b, ':') < 0 || value_encode(b, args[count + i]) < 0)
			return -1;
	return buffer_puts(b, "}}");
}

// The value of an answer, or NULL with the exception that the answer describes.
static PyObject *take_answer(PyObject *answer, PyObject *module) {
	if (!PyDict_Check(answer)) {
		PyErr_SetString(PyExc_RuntimeError, "the host's answer is not an object");
		return NULL;
	}
	PyObject *value = PyDict_GetItemString(answer, "ok");
	if (value != NULL)
		return Py_NewRef(value);
	PyObject *exception = PyObject_CallMethod(bootstrap, "exception_of", "OO", module, answer);
	if (exception != NULL) {
		PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
		Py_DECREF(exception);
	}
	return NULL;
}

// A request buffer kept from call to call. A call takes it away while it runs, since an argument's repr() may make
// a host call of its own, which then finds none and makes one.
static buffer spare;

static PyObject *function_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names) {
	Function *self = (Function *)callable;
	buffer request = spare;
	spare = (buffer){0};
	request.limit = REQUEST_LIMIT;
	buffer_clear(&request);

	const char *text;
	size_t length;
	int failed = put_request(&request, args, PyVectorcall_NARGS(nargsf), names);
	if (failed && (PyErr_ExceptionMatches(TooLarge) || PyErr_ExceptionMatches(TooDeep))) {
		PyObject *raised = PyErr_GetRaisedException();
		PyErr_Format(PyExc_ValueError, "%U(): the arguments cannot cross to the host: %S", self->qualname, raised);
		Py_DECREF(raised);
	}
	if (!failed)
		failed = transport_call(self->index, &request, &text, &length) < 0;
	buffer_free(&spare);
	spare = request;
	if (failed)
		return NULL;
	PyObject *answer = value_decode(text, length);
	if (answer == NULL)
		return NULL;
	PyObject *value = take_answer(answer, self->module);
	Py_DECREF(answer);
	return value;
}

static void function_dealloc(Function *self) {
	Py_XDECREF(self->name);
	Py_XDECREF(self->qualname);
	Py_XDECREF(self->module);
	Py_XDECREF(self->signature);
	Py_XDECREF(self->doc);
	PyObject_Free(self);
}

static PyObject *function_repr(Function *self) {
	return PyUnicode_FromFormat("<host function %U%U>", self->qualname, self->signature);
}

static PyMemberDef function_members[] = {
	{"__name__", Py_T_OBJECT_EX, offsetof(Function, name), Py_READONLY},
	{"__qualname__", Py_T_OBJECT_EX, offsetof(Function, name), Py_READONLY},
	{"__module__", Py_T_OBJECT_EX, offsetof(Function, module), Py_READONLY},
	{"__signature__", Py_T_OBJECT_EX, offsetof(Function, signature), Py_READONLY}, // inspect accepts the text
	{"__doc__", Py_T_OBJECT_EX, offsetof(Function, doc), Py_READONLY},
	{NULL},
};

static PyTypeObject FunctionType = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "_postern.Function",
	.tp_basicsize = sizeof(Function),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_vectorcall_offset = offsetof(Function, vectorcall),
	.tp_call = PyVectorcall_Call,
	.tp_dealloc = (destructor)function_dealloc,
	.tp_repr = (reprfunc)function_repr,
	.tp_members = function_members,
};

// function(index, module, name, signature, doc): the callable for a granted function.
static PyObject *make_function(PyObject *module, PyObject *args) {
	unsigned index;
	PyObject *family, *name, *signature, *doc;
	if (!PyArg_ParseTuple(args, "IUUUU", &index, &family, &name, &signature, &doc))
		return NULL;
	Function *function = PyObject_New(Function, &FunctionType);
	if (function == NULL)
		return NULL;
	function->vectorcall = function_call;
	function->index = index;
	function->name = Py_NewRef(name);
	function->module = Py_NewRef(family);
	function->signature = Py_NewRef(signature);
	function->doc = Py_NewRef(doc);
	function->qualname = PyUnicode_FromFormat("%U.%U", family, name);
	if (function->qualname == NULL) {
		Py_DECREF(function);
		return NULL;
	}
	return (PyObject *)function;
}

static PyMethodDef methods[] = {
	{"function", make_function, METH_VARARGS, NULL},
	{NULL},
};

int hostcall_init(PyObject *module) {
	if (PyType_Ready(&FunctionType) < 0)
		return -1;
	return PyModule_AddFunctions(module, methods);
}
