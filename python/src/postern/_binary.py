"""Where the program ``postern`` is."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from ._errors import PosternError


class BinaryNotFound(PosternError):
    """The program ``postern`` is not where it was looked for."""


def find_binary(binary: str | os.PathLike[str] | None = None) -> str:
    """The path of the program: the argument, else ``$POSTERN_BIN``, else from ``PATH``, else beside this package."""
    for source, path in (("the argument", binary), ("POSTERN_BIN", os.environ.get("POSTERN_BIN"))):
        if path:
            found = shutil.which(os.fspath(path))
            if found is None:
                raise BinaryNotFound(f"{source} says {os.fspath(path)!r}, which is no program")
            return found
    beside = Path(__file__).parent / "bin" / ("postern.exe" if sys.platform == "win32" else "postern")
    found = shutil.which("postern") or shutil.which(beside)
    if found is None:
        raise BinaryNotFound(f"there is no program 'postern' on PATH or at {beside}; set POSTERN_BIN or give binary=")
    return found
