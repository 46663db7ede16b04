// The exports, and the interpreter's start.
#include "guest.h"
#include "internal/pycore_ceval.h"
#include "internal/pycore_object.h"
#include "internal/pycore_pystate.h"

#include <stdlib.h>
#include <string.h>

#define LIBRARY L"/lib/python3.13"

PyObject *TooLarge, *TooDeep, *bootstrap;

static PyModuleDef module_def = {PyModuleDef_HEAD_INIT, .m_name = "_postern", .m_size = -1};

static PyObject *init_postern(void) {
	PyObject *module = PyModule_Create(&module_def);
	if (module == NULL)
		return NULL;
	TooLarge = PyErr_NewException("_postern.TooLarge", PyExc_ValueError, NULL);
	TooDeep = PyErr_NewException("_postern.TooDeep", PyExc_ValueError, NULL);
	if (TooLarge == NULL || TooDeep == NULL || PyModule_AddObjectRef(module, "TooLarge", TooLarge) < 0 ||
		PyModule_AddObjectRef(module, "TooDeep", TooDeep) < 0 || output_init(module) < 0 || hostcall_init(module) < 0 ||
		run_init(module) < 0) {
		Py_DECREF(module);
		return NULL;
	}
	return module;
}

// How the host asks the interpreter to raise an exception between two bytecodes: it stores exception at *pending, if nothing
// is pending, and sets bit in *breaker. Both are fields of the one thread; see docs/abi.md, "Interrupts".
struct {
	uint32_t breaker;   // address of an u32
	uint32_t bit;
	uint32_t pending;   // address of an u32
	uint32_t exception; // 0 before the interpreter has started
} postern_interrupt;

static bool allow_interrupts(void) {
	PyObject *class = PyObject_GetAttrString(bootstrap, "Interrupt");
	if (class == NULL)
		return false;
	_Py_SetImmortal(class); // the host cannot count references
	PyThreadState *tstate = _PyThreadState_GET();
	postern_interrupt.breaker = (uint32_t)&tstate->eval_breaker;
	postern_interrupt.bit = _PY_ASYNC_EXCEPTION_BIT;
	postern_interrupt.pending = (uint32_t)&tstate->async_exc;
	postern_interrupt.exception = (uint32_t)class;
	return true;
}

// Starts the interpreter. NULL when it runs, otherwise why it does not.
static const char *boot(unsigned long hash_seed) {
	PyPreConfig before;
	PyPreConfig_InitIsolatedConfig(&before);
	before.utf8_mode = 1;
	PyStatus status = Py_PreInitialize(&before);
	if (PyStatus_Exception(status))
		return status.err_msg;

	if (PyImport_AppendInittab("_postern", init_postern) < 0)
		return "out of memory";

	PyConfig config;
	PyConfig_InitIsolatedConfig(&config);
	config.site_import = 0;
	config.write_bytecode = 0;
	config.install_signal_handlers = 0;
	config.use_hash_seed = 1;
	config.hash_seed = hash_seed;
	config.module_search_paths_set = 1;
	status = PyWideStringList_Append(&config.module_search_paths, LIBRARY);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetString(&config, &config.prefix, L"/");
	if (!PyStatus_Exception(status))
		status = PyConfig_SetString(&config, &config.exec_prefix, L"/");
	if (!PyStatus_Exception(status))
		status = PyConfig_SetString(&config, &config.stdlib_dir, LIBRARY);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetString(&config, &config.executable, L"");
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (PyStatus_Exception(status))
		return status.err_msg ? status.err_msg : "the interpreter did not start";
	bootstrap = PyImport_ImportModule("_postern_bootstrap");
	if (bootstrap == NULL || !allow_interrupts())
		return "the bootstrap could not be imported";
	return NULL;
}

// Reports the exception that is set as the plugin call's error, for requests that are not understood.
static int32_t refuse(void) {
	PyObject *raised = PyErr_GetRaisedException();
	PyObject *text = raised ? PyObject_Str(raised) : NULL;
	const char *utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
	transport_error(utf8 ? utf8 : "the request was not understood");
	Py_XDECREF(text);
	Py_XDECREF(raised);
	PyErr_Clear();
	return 1;
}

static const char *boot_error;

// The interpreter starts at the first call. A start that failed is not tried again: the interpreter cannot do that.
static bool started(unsigned long hash_seed) {
	static bool tried;
	if (!tried) {
		tried = true;
		boot_error = boot(hash_seed);
	}
	if (boot_error != NULL) {
		char message[512];
		snprintf(message, sizeof message, "python did not start: %s (is the standard library mounted at /lib/python3.13?)", boot_error);
		if (bootstrap == NULL && Py_IsInitialized())
			PyErr_Print(); // why, for the host's log
		transport_error(message);
		return false;
	}
	return true;
}

// Reads the input as a JSON object; NULL with an exception.
static PyObject *read_request(void) {
	size_t length;
	char *json = transport_input(&length);
	if (json == NULL)
		return PyErr_NoMemory();
	PyObject *request = request_decode(json, length);
	free(json);
	if (request != NULL && !PyDict_Check(request)) {
		Py_DECREF(request);
		PyErr_SetString(PyExc_ValueError, "the request must be an object");
		return NULL;
	}
	return request;
}

static int32_t serve(int (*run)(PyObject *, buffer *)) {
	output_clear(); // first of all: what the last run has printed is not this one's
	transport_begin();
	if (!started(0))
		return 1;
	PyObject *request = read_request();
	if (request == NULL)
		return refuse();
	buffer result = {.limit = SIZE_MAX / 2};
	int failed = run(request, &result);
	Py_DECREF(request);
	if (!failed)
		transport_output(&result);
	buffer_free(&result);
	return failed ? refuse() : 0;
}

#define EXPORT(name) __attribute__((export_name(#name))) int32_t postern_##name(void)

EXPORT(exec) { return serve(run_exec); }
EXPORT(set) { return serve(run_set); }
EXPORT(call) { return serve(run_call); }

// The hash seed must be known before the interpreter starts, so it is looked for in the JSON text itself.
static unsigned long hash_seed_of(const char *json) {
	const char *name = strstr(json, "\"hash_seed\":");
	return name ? strtoul(name + strlen("\"hash_seed\":"), NULL, 10) : 0;
}

EXPORT(configure) {
	transport_begin();
	size_t length;
	char *json = transport_input(&length);
	if (json == NULL) {
		transport_error("out of memory");
		return 1;
	}
	static bool configured;
	if (configured) {
		free(json);
		transport_error("already configured");
		return 1;
	}
	configured = true;
	if (!started(hash_seed_of(json))) {
		free(json);
		return 1;
	}
	PyObject *config = value_decode(json, length);
	free(json);
	if (config != NULL && !PyDict_Check(config)) {
		PyErr_SetString(PyExc_ValueError, "the configuration must be an object");
		Py_CLEAR(config);
	}
	PyObject *done = config ? run_configure(config) : NULL;
	Py_XDECREF(config);
	if (done == NULL)
		return refuse();
	Py_DECREF(done);
	static const char answer[] = "{\"ok\":true,\"abi\":1,\"python\":\"" PY_VERSION "\"}";
	buffer output = {.limit = SIZE_MAX / 2};
	if (buffer_put(&output, answer, sizeof answer - 1) < 0)
		return refuse();
	transport_output(&output);
	buffer_free(&output);
	return 0;
}
