"""Which names a program may bind, and hints for those that are not in the vocabulary."""

import builtins
import difflib
import keyword
import re
from functools import lru_cache

from strategies.program.vocabulary import ATTRIBUTES, FUNCTIONS, KEYWORDS, METHODS, VALUES

MODULES = frozenset({"torch", "np", "prelude"})
NUMBERS = frozenset({"nan", "inf"})
FREE_NAMES = MODULES | NUMBERS | {"range"}
"""What a program reads without having bound it."""

# Every builtin is refused, bound or not: a program runs where builtins exist, and an unbound `open` would be the real
# one. `site` adds some more, which are not in `builtins` under every way of starting Python.
_RESERVED = (
    MODULES
    | NUMBERS
    | frozenset(dir(builtins))
    | frozenset(keyword.kwlist)
    | frozenset(keyword.softkwlist)
    | {"exit", "quit", "help", "copyright", "credits", "license"}
)
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,15}")

VARIABLES_HINT = (
    "variables are [a-z][a-z0-9_]{0,15}, no builtin, no keyword and none of torch, np, prelude, nan, inf"
)


@lru_cache(maxsize=4096)
def is_variable(name: str) -> bool:
    """Whether a program may bind this name."""
    return _VARIABLE.fullmatch(name) is not None and name not in _RESERVED


@lru_cache(maxsize=256)
def near(name: str, kind: str) -> str:
    """What a refused name could have been: `kind` is "function", "method", "attribute", "value" or "keyword"."""
    table = {
        "function": FUNCTIONS,
        "method": METHODS,
        "attribute": ATTRIBUTES,
        "value": VALUES,
        "keyword": KEYWORDS,
    }[kind]
    close = difflib.get_close_matches(name[:40], sorted(table), n=3)
    examples = f", such as {', '.join(close)}" if close else ""
    return f"the {kind}s in strategies/program/vocabulary.py{examples}"
