def _describe(names):
    def annotation(value):
        return value if isinstance(value, str) else getattr(value, "__name__", None) if isinstance(value, type) else repr(value)

    def default(value):
        plain = value is None or type(value) in (bool, int) or type(value) is str and value.isprintable() and not set("\\'\"") & set(value)
        return "=" + (repr(value) if plain else "...")

    described = []
    for name in sorted(names.get("__all__", [n for n in names if not n.startswith("_")])):
        function = names.get(name)
        if type(function) is not type(_describe) or function.__module__ != __name__:
            continue
        code = function.__code__
        placed, places, named = code.co_posonlyargcount, code.co_argcount, code.co_kwonlyargcount
        defaults, by_name = function.__defaults__ or (), function.__kwdefaults__ or {}
        parts, rest = [], places + named
        for i, parameter in enumerate(code.co_varnames[:places]):
            left = i - (places - len(defaults))
            parts.append(parameter + (default(defaults[left]) if left >= 0 else ""))
            if i + 1 == placed:
                parts.append("/")
        if code.co_flags & 4:
            parts.append("*" + code.co_varnames[rest])
            rest += 1
        elif named:
            parts.append("*")
        for parameter in code.co_varnames[places : places + named]:
            parts.append(parameter + (default(by_name[parameter]) if parameter in by_name else ""))
        if code.co_flags & 8:
            parts.append("**" + code.co_varnames[rest])
        types = [(key if key != "return" else "returns") + (": " if key != "return" else " ") + annotation(value) for key, value in function.__annotations__.items()]
        doc = " ".join((function.__doc__ or "").split("\n\n")[0].split())
        described.append([name, "(" + ", ".join(parts) + ")", (doc + (" [" + "; ".join(types) + "]" if types else "")).strip()])
    return described


_describe(globals())
