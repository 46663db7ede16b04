"""Packs the standard library for the guest: stdlib.zip (compiled modules, time zones) and stdlib.json (what needs what).

Run by the native interpreter of the same version:  python stdlib.py LIB SHIMS TZDATA.whl BUILTINS OUT

A module is stored as a .pyc without its source, compiled without optimisation and with an unchecked hash, so that the
bytes depend on the source alone. stdlib.json names, for each module, the modules that its source imports when it is
loaded ("needs") and those that its functions import ("may_need"): the host mounts what a policy authorises with what
that may need, and nothing else.
"""

import ast
import importlib._bootstrap_external as external
import importlib.util
import io
import json
import marshal
import pathlib
import sys
import zipfile

LIBRARY = "lib/python3.13"
ZONES = "usr/share/zoneinfo"
DATE = (2025, 6, 11, 0, 0, 0)  # of every entry; CPython 3.13.5's release day

# What makes no sense in the sandbox, with the reason. A name stands for the module and all that is in it.
LEFT_OUT = {
    "needs sockets": "ftplib http.client http.cookiejar http.server imaplib logging.config logging.handlers "
    "poplib smtplib socketserver ssl urllib.error urllib.response urllib.robotparser wsgiref xmlrpc "
    "asyncio.proactor_events asyncio.selector_events asyncio.windows_events asyncio.windows_utils",
    "needs processes or threads": "multiprocessing pty concurrent.futures.process ",
    "needs a terminal, a desktop or a user": "antigravity curses getpass idlelib pydoc_data _pyrepl readline tkinter "
    "turtle turtledemo webbrowser tty",
    "builds or installs software": "ensurepip venv zipapp compileall _ios_support _android_support _apple_support _osx_support",
    "its C library is not linked": "bz2 ctypes dbm lzma sqlite3 cProfile encodings.bz2_codec",
    "belongs to another system": "encodings.mbcs encodings.oem",
    "reads this machine's files": "mailbox netrc nturl2path pydoc site sre_compile sre_constants sre_parse __phello__ "
    "__hello__ this lib2to3 test",
}

# What C code imports, which no source shows.
HIDDEN = {
    "_datetime": ["_strptime"],
    "_decimal": ["collections", "numbers"],
    "_elementtree": ["copy", "xml.etree.ElementPath"],
    "_pickle": ["_compat_pickle", "copyreg"],
    "_zoneinfo": ["zoneinfo._common", "zoneinfo._tzpath"],
    "time": ["_strptime"],
    "_asyncio": ["asyncio.events", "asyncio.base_futures", "asyncio.base_tasks", "asyncio.coroutines", "asyncio.exceptions"],
    "_csv": ["csv"],
    "zoneinfo": ["sysconfig", "_sysconfigdata__wasi_wasm32-wasi"],
    "unittest": ["unittest.async_case"],
}

# What a source imports only for installed packages, of which there are none.
NOT_HERE = {"importlib._bootstrap_external": {"importlib.metadata", "importlib.readers"}}

left_out = {name for names in LEFT_OUT.values() for name in names.split()}


def excluded(module):
    while module:
        if module in left_out:
            return True
        module = module.rpartition(".")[0]
    return False


def modules_in(folder):
    """Yields (module, is_package, path) for every source file under folder."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if any(not part.isidentifier() and not part.startswith("_sysconfigdata") for part in parts) or "__pycache__" in parts or parts[-1] == "__main__":
            continue
        package = parts[-1] == "__init__"
        if package:
            parts = parts[:-1]
        if parts:
            yield ".".join(parts), package, path


def statements(tree, lazy):
    """The nodes outside functions, or, with lazy, inside them."""
    pending = [(tree, False)]
    while pending:
        node, inside = pending.pop()
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue  # only when run as a program
        if isinstance(node, ast.FunctionDef) and node.name in ("main", "_main", "_test"):
            continue
        if inside == lazy:
            yield node
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        pending.extend((child, inside) for child in ast.iter_child_nodes(node))


def imports_of(module, package, nodes, known):
    """The known modules that these nodes of the source import."""
    found = set()

    def add(name):
        # Importing a.b imports a as well.
        while name:
            if name in known:
                found.add(name)
            name = name.rpartition(".")[0]

    base = module if package else module.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                around = base.split(".")[: len(base.split(".")) - node.level + 1]
                origin = ".".join([*around, *([node.module] if node.module else [])])
            add(origin)
            for alias in node.names:
                if alias.name == "*":
                    continue
                add(f"{origin}.{alias.name}")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                add(node.args[0].value)
    add(base)
    found.discard(module)
    return sorted(found)


def main(library, shims, tzdata, builtins, out):
    builtin = sorted(pathlib.Path(builtins).read_text().split())
    sources, stand_ins = {}, []
    for module, package, path in modules_in(pathlib.Path(library)):
        if not excluded(module) and not module.startswith("_sysconfigdata"):
            sources[module] = (package, path.read_bytes())
    for module, package, path in modules_in(pathlib.Path(shims)):
        if not module.startswith(("postern", "_postern")):
            sources[module] = (package, path.read_bytes())
            if not module.startswith("asyncio."):
                stand_ins.append(module)
    known = set(sources) | set(builtin)

    description = {"builtin": builtin, "modules": {}, "stand_ins": stand_ins, "left_out": {k: sorted(v.split()) for k, v in LEFT_OUT.items()}}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zip_file:

        def store(name, data):
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            zip_file.writestr(entry, data, compresslevel=9)

        for module, (package, source) in sorted(sources.items()):
            stem = module.replace(".", "/") + ("/__init__" if package else "")
            shown = f"/{LIBRARY}/{stem}.py"
            try:
                tree = ast.parse(source, shown)
            except SyntaxError as error:
                sys.exit(f"guest: error: {module}: {error}")
            code = compile(source, shown, "exec", dont_inherit=True, optimize=0)
            data = external._code_to_hash_pyc(code, importlib.util.source_hash(source), False)
            store(f"{LIBRARY}/{stem}.pyc", data)
            needs = set(imports_of(module, package, statements(tree, lazy=False), known))
            later = set(imports_of(module, package, statements(tree, lazy=True), known))
            for name in [module, *needs]:
                needs.update(n for n in HIDDEN.get(name, ()) if n in known)
            later -= NOT_HERE.get(module, set())
            description["modules"][module] = {
                "file": f"{stem}.pyc",
                "needs": sorted(needs - {module}),
                "may_need": sorted(later - needs - {module}),
            }

        with zipfile.ZipFile(tzdata) as wheel:
            for name in sorted(wheel.namelist()):
                prefix = "tzdata/zoneinfo/"
                if name.startswith(prefix) and not name.endswith(("/", ".py")):
                    store(f"{ZONES}/{name.removeprefix(prefix)}", wheel.read(name))

    folder = pathlib.Path(out)
    folder.joinpath("stdlib.zip").write_bytes(archive.getvalue())
    folder.joinpath("stdlib.json").write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")


main(*sys.argv[1:])
