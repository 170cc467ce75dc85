"""The language of tensor programs: a closed subset of Python that any of the compared libraries can run.

    program = parse("x = torch.ones(2, 3)\\ny = x.sum()\\n")
    for statement in program.statements:
        exec(statement.code, {"torch": torch, "np": numpy, "prelude": Prelude(torch), "nan": nan, "inf": inf})

A text is a program when each line is a statement of the whitelist (`statements`, `expressions`) and each name after a
dot stands in the allow-list (`vocabulary`). Parsing runs nothing. Needs the standard library only.

Names are never resolved here, so a program may read a variable that is not bound; that is a NameError when it runs.
Memory and time that depend on values, such as `n ** n` of a Python integer, are limited by the process that runs it.
"""

from strategies.program.errors import ProgramError
from strategies.program.model import Program, Statement
from strategies.program.parser import from_statements, parse
from strategies.program.prelude import Prelude
from strategies.program.standalone import standalone

__all__ = ["Prelude", "Program", "ProgramError", "Statement", "from_statements", "parse", "standalone"]
