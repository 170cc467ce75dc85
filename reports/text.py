"""Text from records as a page may show it: visible, bounded, and safe to paste into a shell."""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata

LIMIT = 20_000  # characters of one text that a page shows
TOKENS = 600  # a longer pair is not marked: matching is quadratic
_UNUSUAL = re.compile(r"[^\x20-\x7e\n\t]")
_TOKEN = re.compile(r"[\w.+-]+|\s+|[^\w\s]")


def visible(text: str) -> str:
    """Control, formatting, surrogate and unassigned characters as Python escapes; tabs and newlines stay.

    So a page holds no NUL and no lone surrogate, and no text can reorder the text around it (U+202E and its kin).
    """
    return _UNUSUAL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if unicodedata.category(char)[0] not in "CZ":
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clip(text: str) -> str:
    """The first `LIMIT` characters, and how many were left off."""
    if len(text) <= LIMIT:
        return text
    return f"{text[:LIMIT]}… ({len(text) - LIMIT:,} more characters)"


def segments(text: str, other: str) -> tuple[tuple[str, bool], ...]:
    """`text` in pieces, each with whether it differs from `other`; nothing is marked where most of it does."""
    words, others = _TOKEN.findall(text), _TOKEN.findall(other)
    if not words or max(len(words), len(others)) > TOKENS:
        return ((text, False),)
    matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
    if matcher.ratio() < 0.4:
        return ((text, False),)
    pieces = []
    for tag, start, stop, _, _ in matcher.get_opcodes():
        if start < stop:
            pieces.append(("".join(words[start:stop]), tag != "equal"))
    return tuple(pieces)


def plural(number: int, noun: str, nouns: str = "") -> str:
    """`1 program`, `1,000 programs`; `nouns` where an s does not make the plural."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def term(name: str) -> str:
    """A key of a record as a heading: `python` -> `Python`."""
    return "NumPy" if name == "numpy" else name[:1].upper() + name[1:]


def source(address: str) -> str:
    """The text of a link: `pytorch issue 3348` or `torch.clamp` for the addresses that ledgers cite most."""
    if found := re.fullmatch(r"https://github\.com/[^/]+/([^/]+)/(issue|pull)s?/(\d+)", address):
        return " ".join(found.groups())
    if found := re.fullmatch(
        r"https://docs\.pytorch\.org/(?:docs/stable/)?(?:generated/)?(.+?)(?:\.html)?", address
    ):
        return found[1]
    return re.sub("^https?://", "", address)


def quantity(value: float | None) -> str:
    """A difference to six digits; a dash where there is none."""
    if value is None:
        return "–"
    if abs(value) < 1e15 and value == int(value):
        return f"{int(value):,}"
    return f"{value:.6g}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def replay_command(program: str, candidate: str, name: str) -> str:
    """Shell lines that write the reduced program to a file and replay it.

    The text stands between quoted here-document marks, so a shell expands nothing in it, and the mark is one that no
    line of it equals.
    """
    program = visible(program)
    mark, number = "PROGRAM", 0
    while mark in program.splitlines():
        number += 1
        mark = f"PROGRAM_{number}"
    quoted = shlex.quote(visible(candidate).replace("\n", "\\n"))
    return (
        f"cat > {name}.py <<'{mark}'\n{program.rstrip(chr(10))}\n{mark}\n"
        f"python -m conformance replay {name}.py --candidate {quoted}"
    )
