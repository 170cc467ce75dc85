"""The named tuples that operations with several outputs return (`torch.return_types`)."""

from __future__ import annotations

import functools
import operator
from typing import Any


@functools.cache
def named_tuple(operation: str, names: tuple[str, ...]) -> Any:
    """The class of an operation's results: a tuple whose items have names too."""

    def show(self: Any) -> str:
        inside = ",\n".join(f"{n}={v!r}" for n, v in zip(names, self, strict=True))
        return f"torch.return_types.{operation}(\n{inside})"

    fields = {n: property(operator.itemgetter(i), doc=f"The {n}.") for i, n in enumerate(names)}
    return type(
        operation, (tuple,), {"__slots__": (), "__repr__": show, "__module__": "torch.return_types", **fields}
    )
