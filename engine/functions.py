"""Every public function of the engine by name, filled in by the registry.

Derivative formulas and composite operations call each other through this module, so that no family of operations has
to import another.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    raise AttributeError(f"the engine has no function {name!r}")
