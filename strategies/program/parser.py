"""Text to Program: lines to statements, indentation to blocks.

Every statement is one line, so each line is parsed by itself and the blocks are put together here. For texts that are
accepted this is how Python reads them: a line that is a whole statement leaves nothing open for the next.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from strategies.program import statements
from strategies.program.errors import ProgramError
from strategies.program.limits import MAX_BLOCKS, MAX_LINE, MAX_STATEMENTS, MAX_STEPS, MAX_TEXT
from strategies.program.model import Program, Statement
from strategies.program.statements import Checked

_INDENT = 4
_NOT_IN_TEXT = re.compile(r"[^\n -~]")
# A file whose first lines have such a comment would be decoded as it says.
_CODING = re.compile(r"coding[:=]")


def parse(text: str) -> Program:
    """Read a program; `str` of it is `text` again. Raises ProgramError, and nothing else, where it is not one."""
    if not isinstance(text, str):
        raise ProgramError(f"a program is a str, not {type(text).__name__}", 1, 1)
    if len(text) > MAX_TEXT:
        raise ProgramError(f"the text has {len(text)} characters", 1, 1, f"{MAX_TEXT}")
    found = _NOT_IN_TEXT.search(text)
    if found:
        line = text.count("\n", 0, found.start())
        column = found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1
        message = f"the character {found.group()!a} is in no program"
        raise ProgramError(message, line + 1, column, "printable ASCII, lines that end in a newline")
    return Program(text, _Blocks().read(text.split("\n")))


def from_statements(texts: Iterable[str]) -> Program:
    """The program of these statements, one after the other; each text is a line or a whole block."""
    return parse("".join(f"{text}\n" for text in texts))


class _Block:
    """A block whose body is being read; the program itself is the outermost, without a head."""

    __slots__ = ("body", "checked", "head", "index", "line", "rounds", "steps")

    def __init__(
        self, head: str = "", checked: Checked | None = None, index: int = 0, line: int = 0, rounds: int = 1
    ):
        self.head = head
        self.checked = checked
        self.index = index
        self.line = line
        self.rounds = rounds  # how often the body is executed, outer loops counted out
        self.body: list[Statement] = []


class _Blocks:
    """Reads the lines of a program."""

    def __init__(self) -> None:
        self.open = [_Block()]
        self.count = 0
        self.steps = 0
        self.arrays = self.replaces = False

    def read(self, lines: list[str]) -> tuple[Statement, ...]:
        number = 0
        for number, line in enumerate(lines, 1):
            source = line.strip(" ")
            if not source:
                continue
            if source[0] == "#":
                _check_comment(source, number)
                continue
            if len(line) > MAX_LINE:
                raise ProgramError(f"a line of {len(line)} characters", number, 1, f"{MAX_LINE}")
            indent = len(line) - len(line.lstrip(" "))
            if indent or len(self.open) > 1:
                self._close_to(indent, number)
            try:
                self._add(source, number)
            except ProgramError as error:
                raise ProgramError(error.message, number, error.column + indent, error.allowed) from None
        self._close_to(0, number + 1)
        return tuple(self.open[0].body)

    def _close_to(self, indent: int, line: int) -> None:
        """End the blocks that a line with this indentation is not in."""
        opened = self.open
        deepest = (len(opened) - 1) * _INDENT
        if indent == deepest and (opened[-1].body or indent == 0):
            return
        if not opened[-1].body and opened[-1].checked is not None:
            if indent != deepest:
                raise ProgramError(
                    "a block without a body", line, indent + 1, f"a line indented by {deepest} spaces"
                )
        elif indent % _INDENT or indent > deepest:
            raise ProgramError(
                f"indented by {indent} spaces", line, indent + 1, f"{_INDENT} a block, to {deepest}"
            )
        while (len(opened) - 1) * _INDENT > indent:
            block = opened.pop()
            opened[-1].body.append(_closed(block))

    def _add(self, source: str, line: int) -> None:
        block = self.open[-1]
        index = self.count
        self.count += 1
        self.steps += block.rounds
        if self.count > MAX_STATEMENTS:
            raise ProgramError("too many statements", 1, 1, f"{MAX_STATEMENTS}")
        if self.steps > MAX_STEPS:
            raise ProgramError("loops that execute too many statements", 1, 1, f"{MAX_STEPS}")
        if source[-1] == ":":
            if len(self.open) > MAX_BLOCKS:
                raise ProgramError("too many blocks inside each other", 1, 1, f"{MAX_BLOCKS}")
            checked = statements.head(source)
            rounds = block.rounds * (checked.rounds if checked.kind == "for" else 1)
            self.open.append(_Block(source, checked, index, line, rounds))
            return
        statement, checked = _placed(source, index, line)
        if checked.arrays or checked.replaces:
            self._check_memory(checked)
        block.body.append(statement)

    def _check_memory(self, checked: Checked) -> None:
        """Keep arrays and the replacing of memory apart.

        An array has kept pointing to memory that its tensor gave up (https://github.com/pytorch/pytorch/issues/51849),
        and assigning `.data` of an array leaves its views pointing to freed memory where NumPy still allows it
        (https://github.com/numpy/numpy/issues/7093). What such a program then reads or overwrites is anybody's memory.
        """
        self.arrays = self.arrays or checked.arrays
        self.replaces = self.replaces or checked.replaces
        if self.arrays and self.replaces:
            message = "a program that holds NumPy arrays may not replace a tensor's memory"
            raise ProgramError(message, 1, 1, "NumPy, or set_() and assigning .data, not both")


@lru_cache(maxsize=8192)
def _placed(source: str, index: int, line: int) -> tuple[Statement, Checked]:
    """A statement without a body in its place, where most of the lines of other forms of a program are, too."""
    checked = statements.simple(source)
    kind, reads, writes, calls, code = checked[:5]
    return Statement(index, source, source, line, kind, (), reads, writes, calls, code), checked


def _closed(block: _Block) -> Statement:
    checked = block.checked
    assert checked is not None
    body = tuple(block.body)
    lines = [line for statement in body for line in statement.text.split("\n")]
    return Statement(
        index=block.index,
        text="\n".join([block.head, *(" " * _INDENT + line for line in lines)]),
        head=block.head,
        line=block.line,
        kind=checked.kind,
        body=body,
        reads=checked.reads.union(*(statement.reads for statement in body)),
        writes=checked.writes.union(*(statement.writes for statement in body)),
        calls=checked.calls,
        code=checked.code,
        count=checked.rounds,
        target=checked.target,
    )


def _check_comment(source: str, line: int) -> None:
    found = _CODING.search(source)
    if found:
        raise ProgramError("a comment that declares an encoding", line, found.start() + 1, "other comments")
    if len(source) > MAX_LINE:
        raise ProgramError("a long comment", line, 1, f"{MAX_LINE} characters")
