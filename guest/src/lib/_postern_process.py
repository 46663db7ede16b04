"""What process.run returns."""

family = None  # the module of the granted family, set by the bootstrap
FIELDS = {"command", "returncode", "stdout", "stderr"}  # of every answer


class Result(dict):
    """How a command ended: ``r.returncode``, ``r.stdout`` and ``r.stderr`` (str, or bytes if it is no text), ``r.ok``.

    It is a dict as well, ``r["stdout"]``.
    """

    @property
    def returncode(self):
        """The exit code, or minus the number of the signal that ended the program."""
        return self["returncode"]

    @property
    def ok(self):
        return self["returncode"] == 0

    @property
    def stdout(self):
        return self["stdout"]

    @property
    def stderr(self):
        return self["stderr"]

    def check_returncode(self):
        """Raise process.ExitError if the program did not end with 0."""
        if self.ok:
            return self
        error = family.ExitError(f"{self['command']} ended with {self.returncode}: {str(self.stderr)[:500].strip()}")
        error.result = self
        raise error

    def __repr__(self):
        return f"<Result of {self['command']}: {self.returncode}, {len(self.stdout)} in stdout, {len(self.stderr)} in stderr>"
