"""Planting faults in copies of the engine, which are then candidates that differ from torch in a known way.

The engine that programs are drawn with stays as it is. A fault is a function that is given an engine and yields what to
replace in it, as (owner, attribute, value); `planted` puts that in place and takes it back.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import engine as healthy
from conformance.backends import Backend, resolve

# --- A copy of the engine -------------------------------------------------------------------------------------------

PREFIX = "engine_with_"
ROOT = Path(healthy.__file__).parent


class _Renamed(ast.NodeTransformer):
    """`from engine.x import y` as `from COPY.x import y`."""

    def __init__(self, package: str) -> None:
        self.package = package

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        root, dot, rest = (node.module or "").partition(".")
        if root == "engine" and not node.level:
            node.module = self.package + dot + rest
        return node


class _Loader(SourceFileLoader):
    """Loads a module of the engine as a module of a copy, past the compiled files, which are the engine's own."""

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        return compile(_Renamed(fullname.partition(".")[0]).visit(tree), self.path, "exec")


class _Finder:
    """Finds the modules of every copy where the engine's are."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(PREFIX):
            return None
        place = ROOT.joinpath(*fullname.split(".")[1:])
        package = place.is_dir()
        file = place / "__init__.py" if package else place.with_suffix(".py")
        return importlib.util.spec_from_file_location(
            fullname,
            file,
            loader=_Loader(fullname, str(file)),
            submodule_search_locations=[str(place)] if package else None,
        )


def copy_of_engine(name: str) -> Any:
    """The engine once more, as a package called `engine_with_NAME`."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    return importlib.import_module(PREFIX + name)


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    """The package and every module below it."""
    name = package.__name__
    for loaded, module in list(sys.modules.items()):
        if loaded == name or loaded.startswith(name + "."):
            yield module


# --- Faults ---------------------------------------------------------------------------------------------------------

Change = tuple[Any, str, Any]
"""What to replace: owner, attribute, value."""

_INHERITED = object()  # stands for an attribute that a class has from another one


class Fault:
    """A fault by name. Called without arguments, as a `module:object` backend is, it gives the backend that has it."""

    def __init__(self, changes: Callable[[Any], Iterator[Change]]) -> None:
        self.changes, self.name, self.__doc__ = changes, changes.__name__, changes.__doc__
        self.backend = functools.cache(self._backend)

    def __call__(self) -> Backend:
        return self.backend()

    @contextlib.contextmanager
    def planted(self, engine: Any) -> Iterator[None]:
        """The fault in an engine for the time of a `with`."""
        before: list[Change] = []
        try:
            for owner, attribute, value in list(self.changes(engine)):
                own = (
                    vars(owner).get(attribute, _INHERITED)
                    if hasattr(owner, "__dict__")
                    else getattr(owner, attribute)
                )
                before.append((owner, attribute, own))
                setattr(owner, attribute, value)
            yield
        finally:
            for owner, attribute, value in reversed(before):
                if value is _INHERITED:
                    delattr(owner, attribute)
                else:
                    setattr(owner, attribute, value)

    def _backend(self) -> Backend:
        engine = copy_of_engine(self.name)
        for owner, attribute, value in list(self.changes(engine)):
            setattr(owner, attribute, value)
        return backend_of(engine, f"{self.changes.__module__}:{self.name}")


def backend_of(engine: Any, name: str) -> Backend:
    """A copy of the engine as a candidate, which knows nothing of what the engine alone offers."""
    return replace(
        resolve("engine"), name=name, namespace=engine, storage_key=None, undefined_mask=None, overwrite_bits=None, lay_out=None,
        tables={},
    )  # fmt: skip


def registering(faults: dict[str, Fault]) -> Callable[[Callable[[Any], Iterator[Change]]], Fault]:
    """A decorator that makes faults and keeps them by name."""

    def fault(changes: Callable[[Any], Iterator[Change]]) -> Fault:
        made = faults[changes.__name__] = Fault(changes)
        return made

    return fault


def everywhere(engine: Any, name: str, old: Any, new: Any) -> Iterator[Change]:
    """A function replaced in every module that knows it by this name."""
    for module in modules_of(engine):
        if vars(module).get(name) is old:
            yield module, name, new
