"""The follower takes the reference's bits, so that the next statement is judged from equal operands.

Values are taken, and only where dtype and shape agree; versions, flags and graph stay the follower's own. Layout is taken
too, of tensors that share their memory with no other name: what a transform returns may be laid out in any way, but what is
written into it later, or kept beside it, depends on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.compare import storages
from conformance.facts import ArrayFact, PlainFact, SequenceFact, Step, TensorFact
from conformance.memory import view_memory

__all__ = ["follow", "lockstep"]


def lockstep(run: Any, reference: Iterable[Step]) -> Iterator[Step]:
    """The steps of a run that, after each of them, takes the bits of the reference's step at the same place."""
    by_path = {step.path: step for step in reference}
    for step in run:
        wanted = by_path.get(step.path)
        if wanted is not None and step.names == wanted.names:
            # Whoever compares the two once more sees one object.
            yield Step(
                step.statement,
                step.path,
                step.raised,
                step.warnings,
                wanted.names,
                step.skipped,
                step.unknown,
            )
            continue
        yield step
        if wanted is not None:
            follow(run, wanted)


def follow(run: Any, reference: Step) -> tuple[str, ...]:
    """Writes the bits of `reference` into what `run` (a `conformance.runner.Run`) holds after its latest step.

    Tensors, their ``.grad``s, NumPy arrays, floating numbers, and these in lists, tuples and dicts. Returns the names
    whose bits differed and were written, and gives `run.last` the values that are there now. What the backend does not
    let be written stays as it is.
    """
    if run.last is None or run.last.names == reference.names:
        return ()
    written: list[str] = []
    names = dict(run.last.names)
    for name, fact in run.last.names.items():
        wanted = reference.names.get(name)
        if wanted is None or wanted == fact or name not in run.namespace:
            continue
        value = run.namespace[name]
        if _is_number(fact, wanted):
            run.namespace[name] = _number(wanted)
            names[name] = wanted
            written.append(name)
        else:
            fact = _laid_out(run.backend, value, fact, wanted, names)
            names[name] = _follow(run.backend, value, fact, wanted, name, written)
    if any(names[name] is not fact for name, fact in run.last.names.items()):
        run.last = run.last._replace(names=names)
    return tuple(written)


def _laid_out(backend: Any, value: Any, fact: Any, wanted: Any, names: Mapping[str, Any]) -> Any:
    """The fact that holds after a tensor, or those in a sequence, took the reference's layout where it is another."""
    if isinstance(fact, SequenceFact) and isinstance(wanted, SequenceFact) and type(value) in (tuple, list):
        if len(fact.items) != len(wanted.items):
            return fact
        parts = zip(value, fact.items, wanted.items, strict=True)
        return replace(fact, items=tuple(_laid_out(backend, v, a, b, names) for v, a, b in parts))
    if not (isinstance(fact, TensorFact) and isinstance(wanted, TensorFact) and _same_kind(fact, wanted)):
        return fact
    if fact.strides == wanted.strides or not isinstance(wanted.strides, tuple) or backend.lay_out is None:
        return fact
    sharing = [n for name, other in names.items() for _, n in storages(name, other) if n == fact.storage]
    if len(sharing) > 1 or not backend.lay_out(value, wanted.strides):
        return fact
    return fact._replace(strides=wanted.strides, contiguous=wanted.contiguous, offset=0)


def _follow(backend: Any, value: Any, fact: Any, wanted: Any, name: str, written: list[str]) -> Any:
    """The fact that holds after the bits were written."""
    if type(fact) is not type(wanted):
        return fact
    if isinstance(fact, TensorFact):
        return _follow_tensor(backend, value, fact, wanted, name, written)
    if isinstance(fact, ArrayFact):
        if _same_kind(fact, wanted) and fact.values != wanted.values and _write_array(value, wanted):
            written.append(name)
            return fact._replace(values=wanted.values)
    elif isinstance(fact, SequenceFact) and fact.type == wanted.type and len(fact.items) == len(wanted.items):
        parts = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
        items = []
        for i, (part, got, want) in enumerate(zip(parts, fact.items, wanted.items, strict=True)):
            if _is_number(got, want) and isinstance(value, list):
                value[i], got = _number(want), want
                written.append(f"{name}[{i}]")
            items.append(_follow(backend, part, got, want, f"{name}[{i}]", written))
        return replace(fact, items=tuple(items))
    return fact


def _follow_tensor(
    backend: Any, t: Any, fact: TensorFact, wanted: TensorFact, name: str, written: list[str]
) -> TensorFact:
    data: Any = wanted.values
    if _same_kind(fact, wanted) and fact.values != data and _write(backend, t, fact, data):
        written.append(name)
        fact = fact._replace(values=data)
    if isinstance(fact.grad, TensorFact) and isinstance(wanted.grad, TensorFact):
        grad = _follow_tensor(backend, t.grad, fact.grad, wanted.grad, f"{name}.grad", written)
        fact = fact._replace(grad=grad)
    return fact


def _same_kind(fact: Any, wanted: Any) -> bool:
    same = fact.dtype == wanted.dtype and fact.shape == wanted.shape
    return same and isinstance(fact.values, bytes) and isinstance(wanted.values, bytes)


def _is_number(fact: Any, wanted: Any) -> bool:
    plain = isinstance(fact, PlainFact) and isinstance(wanted, PlainFact) and fact.type == wanted.type
    return plain and fact.type in ("float", "complex") and fact.text != wanted.text


def _number(fact: Any) -> float | complex:
    parts = [float.fromhex(part) for part in fact.text.split()]
    return parts[0] if fact.type == "float" else complex(*parts)


def _write_array(array: np.ndarray[Any, Any], wanted: ArrayFact) -> bool:
    if not array.flags.writeable:
        return False
    assert isinstance(wanted.values, bytes)
    array[...] = np.frombuffer(wanted.values, array.dtype).reshape(array.shape)
    return True


def _write(backend: Any, t: Any, fact: Any, data: bytes) -> bool:
    """Whether `data` could be written into the tensor's memory without a version bump."""
    try:
        if backend.overwrite_bits is not None:
            backend.overwrite_bits(t, data)
        elif backend.addressable and fact.device == "cpu" and not _is_lazy(t):
            memory = t.untyped_storage()
            size = t.element_size()
            target = view_memory(
                memory.data_ptr(), memory.nbytes(), fact.shape, fact.strides, fact.offset, size
            )
            target[...] = np.frombuffer(data, target.dtype).reshape(target.shape)
        else:
            _copy(backend, t, fact, data)
    except Exception:
        return False  # judged from its own bits then; what differs from there on is its own
    return True


def _is_lazy(t: Any) -> bool:
    """Whether memory holds the values conjugated or negated."""
    return any(getattr(t, name, lambda: False)() for name in ("is_conj", "is_neg"))


def _copy(backend: Any, t: Any, fact: Any, data: bytes) -> None:
    """Through public names: ``.data`` shares memory but not the version counter."""
    torch = backend.namespace
    target = t.data
    bits: Any = None
    if fact.dtype == "bfloat16":  # NumPy has no such dtype
        bits = "int16"
    elif (
        fact.dtype == "bool" and max(data, default=0) > 1
    ):  # other memory seen as bool: a copy would make it 0 and 1
        bits = "uint8"
    if bits is not None:
        array = np.frombuffer(data, bits).reshape(fact.shape)
        target.view(getattr(torch, bits)).copy_(_from_array(torch, array, fact.device))
    else:
        array = np.frombuffer(data, fact.dtype).reshape(fact.shape)
        target.copy_(_from_array(torch, array, fact.device))


def _from_array(torch: Any, array: np.ndarray[Any, Any], device: str) -> Any:
    # copied, because a view of bytes is read-only and torch warns about that
    tensor = torch.from_numpy(array.copy())
    return tensor if device == "cpu" else tensor.to(device)
