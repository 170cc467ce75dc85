"""What a user could see of every live name, as facts; through public attributes only.

Reading must change nothing that a later statement could notice. So no ``numpy()`` on the tensor itself (torch then
refuses to resize its storage), no ``.grad`` where reading it warns, no reference kept to an object whose name is gone.
Reading an attribute may raise: then the exception is the observed value. Needs NumPy only.

Two routes to the values: a backend that is `addressable` has storages in host memory at the address it names, which is
read directly (any dtype, strides and flags alike); all others are cloned and turned into NumPy arrays.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from conformance import graphs
from conformance.backends import Backend
from conformance.capabilities import DTYPES
from conformance.facts import ArrayFact, Fact, PlainFact, Raised, SequenceFact, TensorFact
from conformance.memory import addresses, block, join, view_memory

__all__ = ["Observer", "raised"]

_Node = tuple[Any, str | None, str | None]
_NO_NODE: _Node = (None, None, None)
MAX_DEPTH = 6  # of lists in lists and of grads of grads, which may contain themselves
_new_tuple = tuple.__new__
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_ITEM_SIZES = {
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
    "bool": 1,
}
_ITEM_SIZES |= {"uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8}
_ATTRIBUTES = operator.attrgetter(
    "dtype", "is_cpu", "shape", "grad_fn", "is_leaf", "retains_grad", "_version", "requires_grad"
)  # fmt: skip


class _Devices(dict[Any, str]):
    """Device -> its name, kept because making it takes longer than looking it up."""

    def __missing__(self, device: Any) -> str:
        name = self[device] = str(device)
        return name


class _Shapes(dict[Any, tuple[tuple[int, ...], int]]):
    """A library's shape -> the same as a plain tuple, and its number of elements, kept for the same reason."""

    def __missing__(self, shape: Any) -> tuple[tuple[int, ...], int]:
        if len(self) > 4096:
            self.clear()
        plain = tuple(map(int, shape))
        known = self[shape] = (plain, math.prod(plain))
        return known


def raised(error: BaseException, prefix: str = "") -> Raised:
    """The exception as a fact; `prefix` is the namespace's own name, which becomes ``torch``."""
    try:
        text = str(error)
    except Exception as second:
        text = f"<str() raised {type(second).__name__}>"
    if prefix and prefix in text:
        text = text.replace(f"module '{prefix}'", "module 'torch'").replace(f"{prefix}.", "torch.")
    return Raised(type(error).__name__, text)


def _tables(namespace: Any) -> dict[str, Any]:
    """What is looked up for every tensor and is the same in all runs on a namespace."""
    dtypes = {getattr(namespace, name, None): (name, _ITEM_SIZES[name]) for name in DTYPES}
    return {
        "namespace": namespace,
        "dtypes": dtypes,
        "complex": frozenset(dtype for dtype, (name, _) in dtypes.items() if name.startswith("complex")),
        "devices": _Devices(),
        "shapes": _Shapes(),
        "array dtypes": {},
        "readers": _READERS | {namespace.Tensor: Observer._tensor},
    }


class Observer:
    """Observes one run of a program on one backend; it remembers the versions first seen.

    `spans`: whether tensors of different storages may share memory, as NumPy arrays and what is made from them do.
    """

    def __init__(self, backend: Backend, *, spans: bool = True) -> None:
        namespace = backend.namespace
        self._backend = backend
        self._tensor_type: Any = namespace.Tensor
        tensor_type = self._tensor_type
        if backend.tables.get("namespace") is not namespace:
            backend.tables.update(_tables(namespace))
        self._dtypes: dict[Any, tuple[str, int]] = backend.tables["dtypes"]
        self._complex: frozenset[Any] = backend.tables["complex"]
        self._devices: _Devices = backend.tables["devices"]
        self._shapes: _Shapes = backend.tables["shapes"]
        self._array_dtypes: dict[np.dtype[Any], str] = backend.tables["array dtypes"]
        self._prefix = getattr(namespace, "__name__", "")
        self._undefined: Any = backend.undefined_mask
        self._has_storage = hasattr(tensor_type, "untyped_storage")
        lazy = hasattr(tensor_type, "is_neg") and hasattr(tensor_type, "resolve_neg")
        self._may_be_lazy = backend.lazy and lazy
        self._fast = backend.addressable and self._has_storage and backend.storage_key is None
        self._spans = spans or not self._has_storage or backend.storage_key is not None
        self._seen: dict[str, tuple[Any, Any]] = {}
        self._now: dict[str, tuple[Any, Any]] = {}
        self._nodes: dict[str, _Node] = {}  # of the latest observation
        self._nodes_now: dict[str, _Node] = {}
        self._live: Mapping[str, Any] = {}
        self._names: dict[int, str] | None = None  # of what is live by its `id`, once they are asked for
        self._arrays = False  # whether there are NumPy arrays among what is live
        self._overlaps = False  # whether storages have been found to share memory
        self._extents: dict[int, int] = {}
        self._classes: dict[Any, int] = {}
        self._joined: dict[Any, Any] = {}
        self._readers: dict[type, _Reader] = backend.tables["readers"]

    def observe(self, variables: Mapping[str, Any]) -> dict[str, Fact]:
        """The facts about every name in `variables`, in sorted order."""
        names = sorted(variables)
        if self._overlaps:
            return self._joined_facts(variables, names)
        facts = self._facts(variables, names)
        if self._spans and self._overlap():
            self._overlaps = True
            return self._joined_facts(variables, names)
        self._seen, self._nodes = self._now, self._nodes_now
        return self._marked(variables, facts)

    def _facts(self, variables: Mapping[str, Any], names: list[str]) -> dict[str, Fact]:
        self._classes = {}
        self._extents = {}
        self._now, self._nodes_now = {}, {}
        self._live, self._names, self._arrays = variables, None, False
        facts, readers = {}, self._readers
        for name in names:
            value = variables[name]
            facts[name] = (readers.get(type(value)) or self._reader_of(value))(self, value, name, 0)
        self._live, self._names = {}, None
        return facts

    def _joined_facts(self, variables: Mapping[str, Any], names: list[str]) -> dict[str, Fact]:
        """The same where different storages share memory: all spans must be known before the first is numbered."""
        self._joined = join(span for name in names for span in self._spans_of(variables[name], 0))
        facts = self._facts(variables, names)
        self._seen, self._nodes = self._now, self._nodes_now
        return self._marked(variables, facts)

    def _marked(self, variables: Mapping[str, Any], facts: dict[str, Fact]) -> dict[str, Fact]:
        """The facts, with those elements of arrays marked as undefined that are some in a tensor on the same memory."""
        if self._undefined is None or not self._arrays:
            return facts
        marked = [
            _undefined_bytes(variables[name], fact)
            for name, fact in facts.items()
            if type(fact) is TensorFact and fact.undefined is not None
        ]
        if not marked:
            return facts
        places = np.concatenate(marked)
        for name, fact in facts.items():
            if type(fact) is ArrayFact and fact.storage is not None:
                array = variables[name]
                start = array.__array_interface__["data"][0]
                touched = np.isin(addresses(start, array.shape, array.strides, array.itemsize), places)
                facts[name] = fact._replace(undefined=_mask_bytes(touched.any(-1)))
        return facts

    def _overlap(self) -> bool:
        """Whether memory that was just observed overlaps other memory that starts elsewhere."""
        end = 0
        for start, extent in sorted(self._extents.items()):
            if start < end:
                return True
            end = start + extent
        return False

    def forget(self) -> None:
        """Drops the references to the objects whose versions and nodes are remembered."""
        self._seen, self._now = {}, {}
        self._nodes, self._nodes_now = {}, {}

    def _fact(self, value: Any, key: str, depth: int) -> Fact:
        return (self._readers.get(type(value)) or self._reader_of(value))(self, value, key, depth)

    def _reader_of(self, value: Any) -> _Reader:
        """What reads values of a type that was not met before."""
        size_type = getattr(self._backend.namespace, "Size", None)
        reader: _Reader = Observer._plain
        if isinstance(value, self._tensor_type):
            reader = Observer._tensor
        elif isinstance(value, np.ndarray):
            reader = Observer._array
        elif isinstance(value, (list, tuple)) and not (
            isinstance(size_type, type) and isinstance(value, size_type)
        ):
            reader = Observer._sequence
        self._readers[type(value)] = reader
        return reader

    # --- tensors ---

    def _tensor(self, t: Any, key: str, depth: int) -> TensorFact:
        """The usual case in one go; whatever is unusual goes attribute by attribute."""
        if not self._fast:
            return self._tensor_by_attribute(t, key, depth)
        try:
            its_dtype, is_cpu, its_shape, grad_fn, is_leaf, retains, version, requires_grad = _ATTRIBUTES(t)
            dtype, size = self._dtypes[its_dtype]
            if not is_cpu:
                return self._tensor_by_attribute(t, key, depth)
            shape, count = self._shapes[its_shape]
            strides = t.stride()
            offset = t.storage_offset()
            contiguous = t.is_contiguous()
            entry = self._seen.get(key)
            if entry is None or entry[0] is not t:
                entry = (t, version)
            self._now[key] = entry
            values: bytes = b""
            storage: int | None = None
            if count:
                memory = t.untyped_storage()
                start, extent = memory.data_ptr(), memory.nbytes()
                if self._spans:
                    storage = self._class(start, extent)
                else:
                    storage = self._classes.setdefault(start, len(self._classes))
                if self._may_be_lazy and (t.is_neg() or (its_dtype in self._complex and t.is_conj())):
                    values = self._values(t.detach().resolve_conj().resolve_neg())
                elif contiguous:
                    values = block(start, extent, offset * size, count * size)
                else:
                    values = view_memory(start, extent, shape, strides, offset, size).tobytes()
            grad = t.grad if is_leaf or retains else None
            if grad is not None:
                grad = None if depth >= MAX_DEPTH else self._tensor(grad, f"{key}.grad", depth + 1)
            mask = None if self._undefined is None else self._undefined(t)
            undefined = None if mask is None else _mask_bytes(mask)
            node = _NO_NODE if grad_fn is None else self._node(grad_fn, key)
            return _new_tuple(  # half the time of TensorFact(...)
                TensorFact,
                (
                    dtype, shape, strides, offset, contiguous, values, requires_grad, is_leaf, node[1], retains,
                    version - entry[1], storage, "cpu", grad, undefined, node[2],
                ),
            )  # fmt: skip
        except Exception:  # some attribute raised, or the library lacks one
            return self._tensor_by_attribute(t, key, depth)

    def _tensor_by_attribute(self, t: Any, key: str, depth: int) -> TensorFact:
        read = self._read
        is_leaf = read(lambda: t.is_leaf)
        retains = read(lambda: t.retains_grad)
        return TensorFact(
            read(lambda: self._dtype_name(t.dtype)),
            read(lambda: tuple(map(int, t.shape))),
            read(lambda: tuple(map(int, t.stride()))),
            read(lambda: int(t.storage_offset())),
            read(lambda: bool(t.is_contiguous())),
            read(lambda: self._values(t)),
            read(lambda: t.requires_grad),
            is_leaf,
            read(lambda: self._node_of(t, key)[1]),
            retains,
            read(lambda: self._version(t, key)),
            read(lambda: self._class(*self._storage(t)) if t.numel() else None),
            read(lambda: self._devices[t.device]),
            read(lambda: self._grad(t, key, depth)) if is_leaf is True or retains is True else None,
            None if self._undefined is None else read(lambda: _mask_bytes(self._undefined(t))),
            self._nodes_now.get(key, _NO_NODE)[2],  # which reading grad_fn has noted
        )

    # --- nodes ---

    def _node(self, grad_fn: Any, key: str) -> _Node:
        """The node, its name and the graph behind it, written anew where it was not the name's node before."""
        node = self._nodes.get(key)
        if node is None or node[0] is not grad_fn:
            try:
                graph: str | None = graphs.describe(grad_fn, self._labels)
            except Exception:  # its nodes do not show where they lead to
                graph = None
            node = (grad_fn, grad_fn.name(), graph)
        self._nodes_now[key] = node
        return node

    def _node_of(self, t: Any, key: str) -> _Node:
        grad_fn = t.grad_fn
        return _NO_NODE if grad_fn is None else self._node(grad_fn, key)

    def _labels(self) -> dict[int, str]:
        """The names of what is live by its `id`, the first of several."""
        if self._names is None:
            self._names = {id(self._live[name]): name for name in sorted(self._live, reverse=True)}
        return self._names

    def _read(self, attribute: Callable[[], Any]) -> Any:
        try:
            return attribute()
        except Exception as error:
            return raised(error, self._prefix)

    def _grad(self, t: Any, key: str, depth: int) -> TensorFact | None:
        grad = t.grad
        if grad is None or depth >= MAX_DEPTH:
            return None
        return self._tensor(grad, f"{key}.grad", depth + 1)

    def _version(self, t: Any, key: str) -> int | str:
        try:
            version = t._version
        except Exception:
            if not t.is_inference():
                raise
            return "untracked"
        entry = self._seen.get(key)
        self._now[key] = entry = entry if entry is not None and entry[0] is t else (t, version)
        return version - entry[1]

    def _dtype_name(self, dtype: Any) -> str:
        known = self._dtypes.get(dtype)
        return known[0] if known is not None else str(dtype).rpartition(".")[2]

    def _values(self, t: Any) -> bytes:
        if 0 in t.shape:
            return b""
        if self._may_be_lazy:
            if self._is_zero(t):
                t = t.detach().clone()
            elif t.is_neg() or t.is_conj():
                t = t.detach().resolve_conj().resolve_neg()
        if self._backend.addressable and self._has_storage:
            host = t if str(t.device) == "cpu" else t.detach().cpu()
            memory, (_, size) = host.untyped_storage(), self._dtypes[host.dtype]
            shape, strides, offset = tuple(host.shape), tuple(host.stride()), host.storage_offset()
            start, extent = memory.data_ptr(), memory.nbytes()
            return view_memory(start, extent, shape, strides, offset, size).tobytes()
        copy = t.detach().clone()  # not t itself: numpy() has side effects on the tensor's storage
        if hasattr(copy, "cpu"):
            copy = copy.cpu()
        if self._dtype_name(t.dtype) == "bfloat16":  # NumPy has no such dtype
            copy = copy.view(self._backend.namespace.int16)
        return copy.numpy().tobytes()

    # --- storages ---

    def _class(self, start: Any, extent: int) -> int:
        """The number of the class of tensors to which memory that starts there belongs."""
        if self._spans:
            if type(start) is int:
                self._extents[start] = max(extent, self._extents.get(start, 0))
            start = self._joined.get(start, start)
        return self._classes.setdefault(start, len(self._classes))

    def _storage(self, t: Any) -> tuple[Any, int]:
        """Where the tensor's storage begins and how many bytes it has; 0 where that cannot be told."""
        if self._backend.storage_key is not None:
            key = self._backend.storage_key(t)
            return key if isinstance(key, tuple) and len(key) == 2 else (("key", key), 0)
        if self._may_be_lazy and self._is_zero(t):
            return ("zeros of", id(t)), 0
        if self._has_storage:
            memory = t.untyped_storage()
            return memory.data_ptr(), memory.nbytes()
        # Only the tensor's own elements are known: those that overlap are of one storage.
        elements = 1 + sum((size - 1) * stride for size, stride in zip(t.shape, t.stride(), strict=True))
        return t.data_ptr(), elements * t.element_size()

    def _is_zero(self, t: Any) -> bool:
        """Whether a gradient is one of torch's tensors of zeros that have no memory."""
        return bool(getattr(t, "_is_zerotensor", bool)())

    def _spans_of(self, value: Any, depth: int) -> Iterator[tuple[Any, int]]:
        """The memory of every tensor and array in `value`; what cannot be told is told when it is observed."""
        if isinstance(value, self._tensor_type):
            try:
                if 0 not in value.shape:
                    yield self._storage(value)
                grad = value.grad if value.is_leaf or value.retains_grad else None
            except Exception:
                return
            if grad is not None and depth < MAX_DEPTH:
                yield from self._spans_of(grad, depth + 1)
        elif isinstance(value, np.ndarray):
            if value.size:
                start, end = np.lib.array_utils.byte_bounds(value)
                yield start, end - start
        elif isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
            for item in value:
                yield from self._spans_of(item, depth + 1)
        elif isinstance(value, dict) and depth < MAX_DEPTH:
            for item in value.values():
                yield from self._spans_of(item, depth + 1)

    # --- everything else ---

    def _array(self, array: np.ndarray[Any, Any], key: str, depth: int) -> Fact:
        self._arrays = True
        if array.dtype.hasobject:
            return PlainFact("ndarray", _ADDRESS.sub("", repr(array)))
        dtype = self._array_dtypes.get(array.dtype)
        if dtype is None:
            dtype = self._array_dtypes[array.dtype] = str(array.dtype)
        storage = None
        if array.size:
            start, end = np.lib.array_utils.byte_bounds(array)
            storage = self._class(start, end - start)
        return ArrayFact(dtype, array.shape, array.strides, array.tobytes(), storage)

    def _sequence(self, value: Any, key: str, depth: int) -> Fact:
        if depth >= MAX_DEPTH:
            return PlainFact(type(value).__name__, "...")
        items = tuple(self._fact(item, f"{key}[{i}]", depth + 1) for i, item in enumerate(value))
        return SequenceFact(type(value).__name__, items)

    def _mapping(self, value: dict[Any, Any], key: str, depth: int) -> Fact:
        if depth >= MAX_DEPTH:
            return PlainFact("dict", "...")
        flat = [part for pair in value.items() for part in pair]
        items = tuple(self._fact(item, f"{key}[{i}]", depth + 1) for i, item in enumerate(flat))
        return SequenceFact("dict", items)

    def _plain(self, value: Any, key: str, depth: int) -> Fact:
        return self._read(lambda: self._plain_fact(value))

    def _plain_fact(self, value: Any) -> PlainFact:
        kind = type(value).__name__
        if isinstance(value, np.generic):
            kind, number = f"numpy.{kind}", value.item()
            return PlainFact(kind, number.hex() if isinstance(number, float) else repr(number))
        text = repr(value)
        if _ADDRESS.search(text):
            return PlainFact(kind, f"<{kind}>")
        if self._prefix and self._prefix != "torch":
            text = text.replace(f"{self._prefix}.", "torch.")
        return PlainFact(kind, text)


_Reader = Callable[[Observer, Any, str, int], Fact]
_READERS: dict[type, _Reader] = {
    np.ndarray: Observer._array,
    list: Observer._sequence,
    tuple: Observer._sequence,
    dict: Observer._mapping,
    bool: lambda observer, value, key, depth: PlainFact("bool", str(value)),
    int: lambda observer, value, key, depth: PlainFact("int", str(value)),
    float: lambda observer, value, key, depth: PlainFact("float", value.hex()),
    complex: lambda observer, value, key, depth: PlainFact(
        "complex", f"{value.real.hex()} {value.imag.hex()}"
    ),
    str: lambda observer, value, key, depth: PlainFact("str", repr(value)),
    type(None): lambda observer, value, key, depth: PlainFact("NoneType", "None"),
}


# --- undefined elements ---


def _undefined_bytes(t: Any, fact: TensorFact) -> np.ndarray[Any, Any]:
    """The addresses of the undefined elements of a tensor that has some."""
    shape: Any = fact.shape
    strides: Any = fact.strides
    offset: Any = fact.offset
    assert fact.undefined is not None
    size = t.element_size()
    start = t.untyped_storage().data_ptr() + offset * size
    every = addresses(start, shape, tuple(stride * size for stride in strides), size)
    return every[np.frombuffer(fact.undefined, np.bool_)].reshape(-1)


def _mask_bytes(mask: Any) -> bytes | None:
    if mask is None:
        return None
    mask = np.asarray(mask, dtype=bool)
    return mask.tobytes() if mask.any() else None
