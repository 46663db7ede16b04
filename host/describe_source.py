import ast


def _describe(source):
    most = 1000  # names that are no functions
    reflective = {"__dict__", "__import__", "eval", "exec", "globals", "locals", "setattr", "vars"}
    try:
        tree = ast.parse(source)
        compile(source, "<source>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return [["mistake", error.lineno or 1, error.offset or 1, error.msg]]
    except ValueError as error:  # a null character
        return [["mistake", 1, 1, str(error)]]
    lines = source.splitlines()

    def place(node):
        return [node.lineno, len(lines[node.lineno - 1].encode()[: node.col_offset].decode(errors="ignore")) + 1]

    described, functions, bound = [], {}, {}
    if doc := ast.get_docstring(tree):
        described.append(["doc", doc.split("\n\n")[0]])
    named = named_at = None

    def targets(node):
        return node.targets if isinstance(node, ast.Assign) else [node.target]

    # A name is bound to something that is no function, or to what only running tells ("").
    def bind(name, node, what=""):
        bound[name] = (what, place(node)) if name not in bound and name not in functions else ("", place(node))

    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = node
    todo = [(node, True) for node in reversed(tree.body)]
    while todo:
        node, top = todo.pop()
        inside = list(ast.iter_child_nodes(node))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not (top and isinstance(node, ast.FunctionDef)):
                bind(node.name, node)
            inside = [n for n in ast.walk(node) if isinstance(n, ast.Global)]
        elif isinstance(node, ast.ClassDef):
            bind(node.name, node, "a class")
            inside = [n for n in ast.walk(node) if isinstance(n, ast.Global)]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                bind(alias.asname or alias.name.split(".")[0], node, "imported")
        elif isinstance(node, ast.Global):
            for name in node.names:
                bind(name, node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value and all(isinstance(to, ast.Name) for to in targets(node)):
            literal = isinstance(node.value, (ast.Constant, ast.Dict, ast.JoinedStr, ast.List, ast.Set, ast.Tuple))
            for to in targets(node):
                bind(to.id, node, "a value" if literal else "")
            inside = [node.value]
            if top and named is None and any(to.id == "__all__" for to in targets(node)):
                try:
                    named, named_at = [str(name) for name in ast.literal_eval(node.value)], place(node)
                except (ValueError, TypeError):
                    pass
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "__all__":
            bind("__all__", node)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            bind(node.id, node)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            bind(node.name, node)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            bind(node.rest, node)
        todo += [(n, False) for n in reversed(inside)]
    if "__all__" in bound and (named is None or bound["__all__"][0] != "a value"):
        named = None
        described.append(["computed", *bound["__all__"][1]])
    elif named is not None:
        described.append(["all", *named_at])
    if len(bound) > most or any(getattr(n, "id", getattr(n, "attr", None)) in reflective for n in ast.walk(tree)):
        described.append(["unsure"])
    for name in sorted(bound)[:most]:
        what, at = bound[name]
        described.append(["bound", name, what, *at])
    for name in sorted(functions):
        node, public = functions[name], not name.startswith("_") if named is None else name in named
        doc = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        described.append(["function" if public else "private", name, f"({ast.unparse(node.args)}){returns}", doc, *place(node)])
    return described


_describe(source)
