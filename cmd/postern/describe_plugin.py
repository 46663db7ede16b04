import ast


def _describe(source):
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [["mistake", error.lineno or 1, error.offset or 1, error.msg]]
    described = []
    if doc := ast.get_docstring(tree):
        described.append(["doc", doc.split("\n\n")[0]])
    named, functions = None, {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = node
        elif isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets):
            try:
                named = [str(name) for name in ast.literal_eval(node.value)]
            except (ValueError, TypeError):
                return [["mistake", node.lineno, node.col_offset + 1, "__all__ must be a list of names"]]
    for name in sorted(functions if named is None else named):
        if named is None and name.startswith("_"):
            continue
        if name not in functions:
            continue  # a constant, or made as the file runs
        node = functions[name]
        doc = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        described.append(["function", name, f"({ast.unparse(node.args)}){returns}", doc])
    return described


_describe(source)
