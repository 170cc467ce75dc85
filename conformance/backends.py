"""Backends: what the name ``torch`` is bound to when a program runs, and the state that is reset for each
program.

A backend is found by name: ``engine``, ``torch-cpu``, ``torch-cuda``, or ``module:object`` for anything else
that offers torch's public names; with ``/out`` or another form of `conformance.equivalences` behind it, it runs every call in
that form. The object may be a namespace (a module, a class, an instance), a `Backend`,
or a function without arguments that returns one of these. A file ``conformance.toml`` beside the module
describes what it lacks (see `conformance.capabilities`). Libraries are imported only when a backend that
needs them is asked for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy

from conformance.capabilities import Capabilities, load_capabilities
from strategies.program.prelude import Prelude

__all__ = ["NAMES", "Backend", "BackendError", "resolve"]

NAMES = ("engine", "torch-cpu", "torch-cuda", "module:object")


class BackendError(Exception):
    """A backend that cannot be used; `skipped` where that is no mistake (no CUDA device)."""

    def __init__(self, message: str, *, skipped: bool = False) -> None:
        super().__init__(message)
        self.skipped = skipped


@dataclass
class Backend:
    """A tensor library under test.

    ``namespace`` is bound to the name ``torch``. Optional hooks, for libraries whose public names do not
    suffice: ``storage_key(t)`` returns ``(address, bytes)`` or any hashable that is equal for tensors which
    share memory; ``undefined_mask(t)`` returns None or a bool array of t's shape, true where an element has
    no defined value; ``overwrite_bits(t, data)`` writes ``data`` (row-major native bytes) into t's memory
    without a version bump; ``lay_out(t, strides)`` moves it to memory of its own in these strides and returns whether it
    did. They default to functions of these names in the namespace.
    """

    name: str
    namespace: Any
    version: str = "unknown"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(incidental=False))
    numpy: Any = numpy
    storage_key: Callable[[Any], Any] | None = None
    undefined_mask: Callable[[Any], Any] | None = None
    overwrite_bits: Callable[[Any, bytes], None] | None = None
    lay_out: Callable[[Any, tuple[int, ...]], bool] | None = None
    settings: Callable[[], None] | None = None  # applied before every program
    form: Any = None  # of `conformance.equivalences`: how programs are respelled before they run
    lazy: bool = True  # whether a tensor's values may have to be conjugated or negated when they are read
    tables: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # kept by its observers
    _found: list[tuple[Any, Any, Any]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        for hook in ("storage_key", "undefined_mask", "overwrite_bits", "lay_out"):
            if getattr(self, hook) is None:
                setattr(self, hook, getattr(self.namespace, hook, None))

    @property
    def device(self) -> str:
        """The default device during a program."""
        return self.capabilities.device

    @property
    def addressable(self) -> bool:
        """Whether storages on the CPU may be read and written by address."""
        return self.capabilities.addressable

    def versions(self) -> dict[str, str]:
        """What a record says about the backend."""
        return {"version": self.version, "device": self.device, "numpy": self.numpy.__version__}

    def free_names(self) -> dict[str, Any]:
        """A fresh namespace for one program."""
        return {
            # C code (torch, NumPy) imports through the running frame's builtins, so __import__ must be there;
            # program text cannot name it.
            "__builtins__": {"__import__": __import__, "range": range},
            "torch": self.namespace,
            "np": self.numpy,
            "prelude": self._prelude(),
            "nan": float("nan"),
            "inf": float("inf"),
            "range": range,
        }

    def _prelude(self) -> Prelude:
        known = self.tables.get("prelude")
        if known is None or known.namespace is not self.namespace:
            known = self.tables["prelude"] = Prelude(self.namespace)
        return known

    def reset(self) -> None:
        """Brings what outlives a program into its initial state; names a library lacks are left out."""
        if self.settings is not None:
            self.settings()
        self._found.clear()
        self._leave_inference_mode()
        for getter, setter, wanted in self._modes():
            found = getter()
            if found != wanted:
                setter(wanted)
            self._found.append((getter, setter, found))
        self._set_default_device()
        self._seed()

    def restore(self) -> None:
        """Puts back what `reset` found, where a program or `reset` changed it."""
        while self._found:
            getter, setter, value = self._found.pop()
            try:
                if getter() != value:
                    setter(value)
            except Exception:  # one mode that a library refuses to set keeps no other from being put back
                continue

    def _leave_inference_mode(self) -> None:
        """Ends what a library did not end itself with the block of a program before: that has no setter, only managers."""
        enabled = getattr(self.namespace, "is_inference_mode_enabled", None)
        if enabled is not None and enabled():
            manager = self.namespace.inference_mode(False)
            manager.__enter__()
            self.tables.setdefault("left inference mode", []).append(manager)

    def leave_dual_level(self) -> None:
        """Closes the level of forward-mode differentiation that a program may have left open; harmless without one."""
        leave = _lookup(self.namespace, "autograd.forward_ad.exit_dual_level")
        with contextlib.suppress(Exception):
            leave()

    def modes(self) -> list[tuple[str, str, Any]]:
        """The names of what reads and of what sets each mode, and what it is when a program begins."""
        return [
            ("is_grad_enabled", "set_grad_enabled", True),
            ("get_default_dtype", "set_default_dtype", getattr(self.namespace, "float32", None)),
            ("is_anomaly_enabled", "autograd.set_detect_anomaly", False),
        ]

    def _modes(self) -> list[tuple[Any, Any, Any]]:
        """The same with the functions, of those modes that the library has."""
        known: tuple[Any, list[tuple[Any, Any, Any]]] | None = self.tables.get("modes")
        if known is None or known[0] is not self.namespace:
            find = functools.partial(_lookup, self.namespace)
            modes = [(find(getter), find(setter), wanted) for getter, setter, wanted in self.modes()]
            known = self.tables["modes"] = self.namespace, [mode for mode in modes if None not in mode]
        return known[1]

    def _set_default_device(self) -> None:
        getter = getattr(self.namespace, "get_default_device", None)
        setter = getattr(self.namespace, "set_default_device", None)
        wanted = self.device
        # No program can change it, and torch takes long to tell it: what was the CPU stays that.
        if getter is None or setter is None or self.tables.get("default device") == wanted == "cpu":
            return
        found = getter()
        self.tables["default device"] = _device_type(found)
        if _device_type(found) != wanted:
            # torch runs its dispatch through Python while any default device, even "cpu", is set: None unsets
            # it.
            setter(None if wanted == "cpu" else wanted)
            self._found.append(
                (getter, lambda value: setter(None if _device_type(value) == "cpu" else value), found)
            )

    def _seed(self) -> None:
        # torch.manual_seed also visits every accelerator, which takes 0.1 ms and, without one, queues a call
        # for ever.
        generator = getattr(self.namespace, "default_generator", None) if self.device == "cpu" else None
        seed = getattr(self.namespace if generator is None else generator, "manual_seed", None)
        if seed is not None:
            seed(0)


def _lookup(namespace: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        namespace = getattr(namespace, part, None)
    return namespace


def _device_type(device: Any) -> str:
    return str(device).partition(":")[0]


# --- finding a backend by name ---


def resolve(spec: str, capabilities: str | Path | Capabilities | None = None) -> Backend:
    """The backend called `spec`, with the capability file given or, by default, the one beside its module.

    Raises `BackendError` (unknown name, failing import, no CUDA device) or `CapabilityError` (bad file).
    """
    base, slash, form = spec.partition("/")
    if slash:
        return _in_form(spec, resolve(base, capabilities), form)
    if spec == "engine":
        backend = replace(_from_module("engine", None, _FULL, spec), lazy=False)
    elif spec == "torch-cpu":
        backend = _torch(spec, _FULL)
    elif spec == "torch-cuda":
        backend = _torch(spec, replace(_FULL, device="cuda", random_stream=False, shares_numpy=False))
    elif ":" in spec:
        module, _, target = spec.partition(":")
        backend = _from_module(module, target, Capabilities(incidental=False), spec)
    else:
        raise BackendError(f"unknown backend {spec!r} (allowed: {', '.join(NAMES)})")
    if isinstance(capabilities, Capabilities):
        backend.capabilities = capabilities
    elif capabilities is not None:
        backend.capabilities = load_capabilities(capabilities, backend.capabilities)
    return backend


def _in_form(spec: str, backend: Backend, form: str) -> Backend:
    forms = _import("conformance.equivalences", spec).FORMS
    if form not in forms:
        raise BackendError(f"unknown form {form!r} in {spec!r} (allowed: {', '.join(forms)})")
    chosen = forms[form]
    return replace(
        backend, name=spec, form=chosen, capabilities=chosen.capabilities(backend.capabilities), tables={}
    )


_FULL = Capabilities(addressable=True, incidental=True)


def _import(module: str, spec: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:  # an import can raise anything
        raise BackendError(
            f"backend {spec}: cannot import {module}: {type(error).__name__}: {error}"
        ) from error


def _from_module(module_name: str, target: str | None, default: Capabilities, spec: str) -> Backend:
    module = _import(module_name, spec)
    found: Any = module
    for part in filter(None, (target or "").split(".")):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise BackendError(f"backend {spec}: {module_name} has no object {target!r}") from None
    if callable(found) and not hasattr(found, "Tensor") and not isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise BackendError(
                f"backend {spec}: calling it failed: {type(error).__name__}: {error}"
            ) from error
    if isinstance(found, Backend):
        return found
    if not hasattr(found, "Tensor"):
        raise BackendError(
            f"backend {spec}: a namespace with torch's names is expected, but it has no 'Tensor'"
        )
    version = getattr(found, "__version__", None) or getattr(module, "__version__", "unknown")
    return Backend(spec, found, str(version), _capabilities_beside(module, default))


def _capabilities_beside(module: Any, default: Capabilities) -> Capabilities:
    file = getattr(module, "__file__", None)
    path = Path(file).with_name("conformance.toml") if file else None
    return load_capabilities(path, default) if path is not None and path.is_file() else default


def _torch(spec: str, capabilities: Capabilities) -> Backend:
    if capabilities.device == "cuda":
        # cuBLAS reads this when it starts; without it repeated runs of one program may differ.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch = _import("torch", spec)
    if capabilities.device == "cuda" and not _is_available(torch.cuda):
        raise BackendError("skipped: no CUDA device", skipped=True)
    _exact_arithmetic(torch)
    _leave_absent_devices(torch)
    _load_late_parts(torch)

    def settings() -> None:
        torch.set_warn_always(True)  # otherwise a warning depends on which programs ran before

    settings()
    return Backend(spec, torch, str(torch.__version__), capabilities, settings=settings)


def _is_available(accelerator: Any) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver that is too old is told by a warning
        return bool(accelerator.is_available())


def _leave_absent_devices(torch: Any) -> None:
    """Nothing instead of seeding accelerators that are not there, which is documented to do nothing.

    In fact each `torch.manual_seed` queues a call with the text of the whole stack for each kind of them, for ever, which
    takes 0.2 ms. Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.manual_seed_all.html
    """
    for name in ("cuda", "xpu", "mtia"):
        kind = getattr(torch, name, None)
        if kind is not None and not _is_available(kind):
            kind.manual_seed_all = lambda seed: None


def _load_late_parts(torch: Any) -> None:
    """Forward-mode differentiation compiles parts of itself at its first use, with warnings that are not the program's."""
    forward_ad = _lookup(torch, "autograd.forward_ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with forward_ad.dual_level():
            forward_ad.make_dual(torch.zeros(1), torch.zeros(1))


def _exact_arithmetic(torch: Any) -> None:
    """One thread (the order of sums depends on their number), no TF32, no reduced-precision accumulation.

    ``use_deterministic_algorithms`` stays off: it changes which programs raise, so the reference would not be
    what users have (https://docs.pytorch.org/docs/stable/notes/randomness.html).
    """
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
