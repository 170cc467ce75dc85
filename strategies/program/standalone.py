"""A program as a script of its own, for a bug report."""

import re
from collections.abc import Collection

from strategies.program import prelude
from strategies.program.model import Program, Statement

_IMPORTS = "import numpy as np\nimport torch\nfrom math import inf, nan\n"


def standalone(program: Program, note: str = "", raising: Collection[int] = ()) -> str:
    """A script that needs torch and NumPy only and runs the program to its end, with the prelude's source where it is used.

    `note` becomes comments at the top. `raising` are the indices of statements that are known to raise: a top-level
    statement among them, or with one of them in its body, is put in a `try` that prints the exception, because the
    program goes on after it.
    """
    comments = "".join(f"# {_printable(line)}".rstrip() + "\n" for line in note.splitlines())
    lines = (_guarded(item) if _raises(item, raising) else item.text + "\n" for item in program.statements)
    body = "".join(lines)
    functions = f"\n{prelude.source()}" if prelude.used_in(program.text) else ""
    return f"{comments}{_IMPORTS}{functions}\n{body}"


def _raises(statement: Statement, raising: Collection[int]) -> bool:
    return any(inner.index in raising for inner in statement.walk())


def _guarded(statement: Statement) -> str:
    indented = "".join(f"    {line}\n" for line in statement.text.split("\n"))
    # No program can bind a name that begins with an underscore.
    handler = 'except Exception as _error:\n    print(f"{type(_error).__name__}: {_error}")\n'
    return f"try:\n{indented}{handler}"


def _printable(line: str) -> str:
    """A line of a note that stays one comment and declares no encoding."""
    line = "".join(character if character.isprintable() else " " for character in line)
    return re.sub(r"coding(?=[:=])", "coding ", line)
