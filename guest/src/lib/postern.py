"""What an agent's code may know about the gate it runs behind.

``Denied`` is raised by a call that the policy refuses, ``LimitExceeded`` by one that is over a limit of the policy.
``tools`` lists what is granted. ``final_answer(x)`` ends the run with ``x`` as its answer.
"""

import _postern

__all__ = ["Denied", "LimitExceeded", "final_answer", "tools"]


class Denied(PermissionError):
    """The policy does not allow this call.

    ``capability`` is what was asked for ("math.cos"), ``reason`` why it was refused, ``rule`` the part of the policy
    that decided ("grant.math") and ``position`` where that stands ("policy.toml:12:1"); any of them may be empty.
    """

    def __init__(self, message, capability="", reason="", rule="", position=""):
        super().__init__(message)
        self.capability = capability
        self.reason = reason
        self.rule = rule
        self.position = position


class LimitExceeded(RuntimeError):
    """A limit of the policy is reached; ``limit`` names its key in the policy's ``[limits]``."""

    def __init__(self, message, limit=""):
        super().__init__(message)
        self.limit = limit


class _Finished(BaseException):
    """Ends the run after final_answer(). Not an Exception, so that ``except Exception`` does not stop it."""


def final_answer(answer):
    """End the run with this answer. What the code does after it changes nothing."""
    _postern.set_final_answer(answer)
    raise _Finished


class Tools:
    """The granted functions: ``tools.math.sqrt(2)``, ``tools["math.sqrt"](2)``, ``for name in tools``, ``print(tools)``."""

    def __init__(self):
        self._families = {}

    def _functions(self):
        for family, module in self._families.items():
            for name in module.__all__:
                function = getattr(module, name)
                if callable(function) and not isinstance(function, type):
                    yield f"{family}.{name}", function

    def __getattr__(self, family):
        try:
            return self._families[family]
        except KeyError:
            raise AttributeError(f"no family {family!r} is granted; granted: {', '.join(self._families) or 'nothing'}") from None

    def __getitem__(self, name):
        for granted, function in self._functions():
            if granted == name:
                return function
        raise KeyError(name)

    def __contains__(self, name):
        return any(granted == name for granted, _ in self._functions())

    def __iter__(self):
        return (name for name, _ in self._functions())

    def __len__(self):
        return sum(1 for _ in self)

    def __dir__(self):
        return sorted(self._families)

    def __repr__(self):
        lines = [(f"{name}{function.__signature__}", function.__doc__) for name, function in self._functions()]
        if not lines:
            return "no functions are granted"
        width = min(max(len(call) for call, _ in lines), 40)
        return "\n".join(f"{call:<{width}}  {doc}".rstrip() for call, doc in lines)


tools = Tools()
