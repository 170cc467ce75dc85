"""Tensors that the graph keeps for backward, and the hooks that may keep something else in their place.

Sources: https://docs.pytorch.org/docs/stable/notes/autograd.html#saved-tensors and
https://docs.pytorch.org/docs/stable/autograd.html#saved-tensors-default-hooks
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from engine.autograd.modes import _State, no_grad
from engine.autograd.node import Node, accumulator
from engine.storage import LentCounter

if TYPE_CHECKING:
    from engine.autograd.levels import Level
    from engine.tensor import Tensor

_HINT = (
    "enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False)."
)
_HINT_OF_ANOMALY = (
    "the backtrace further above shows the operation that failed to compute its gradient. The variable in question was "
    "changed in there or anywhere later. Good luck!"
)


class SavedTensor:
    """A tensor kept for backward, with the version it had: backward refuses a changed one.

    An output of the node itself is kept without its history and gets it back when it is read, so that a node does not
    hold itself. The history of a view that was written in place is not that node, but goes by way of its base.
    """

    __slots__ = ("counter", "had_history", "is_output", "of_view", "output_nr", "tensor", "version")

    def __init__(self, tensor: Tensor, node: Node | None = None) -> None:
        refuse_inference(tensor)
        self.is_output = node is not None
        self.of_view = _history_of_view(tensor, node)
        self.output_nr = tensor._output_nr
        self.counter = tensor._counter
        self.version = None if self.counter is None else self.counter.value
        self.tensor = tensor._alias() if self.is_output else tensor
        self.had_history = tensor._grad_fn is not None

    def unpack(self, node: Node) -> Tensor:
        """The tensor. Raises RuntimeError where an in-place operation has changed it since."""
        if self.counter is not None and self.counter.value != self.version:
            self._complain(node)
        detached = self.had_history and not self.is_output and self.tensor._grad_fn is None
        if detached and not node.is_function:  # which torch lets through
            raise RuntimeError(
                "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, "
                "please use out-of-place `.detach()` instead"
            )
        return self.with_history(node) if self.is_output else self.tensor

    def with_history(self, node: Node) -> Tensor:
        """The tensor, whatever was written to it since; an output gets its history back."""
        if not self.is_output:
            return self.tensor
        tensor = self.tensor._alias()
        tensor._grad_fn, tensor._output_nr = self.of_view() or node, self.output_nr
        if _State.forward is not None:
            _State.forward.carry(self.tensor, tensor)
        return tensor

    def _complain(self, node: Node) -> None:
        t = self.tensor
        source = self.of_view() or node if self.is_output else t._grad_fn
        producer = (
            f", which is output {self.output_nr} of {source.operation_name()}," if source is not None else ""
        )
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[{_type_text(t)} {list(t._sizes)}]{producer} is at version {self.counter.value}; expected version "
            f"{self.version} instead. Hint: {_HINT_OF_ANOMALY if _State.anomaly else _HINT}"
        )


def _history_of_view(tensor: Tensor, node: Node | None) -> Callable[[], Node | None]:
    """A weak reference to the history of an output of `node` where that is another one: of a view written in place."""
    history = tensor._grad_fn
    return weakref.ref(history) if node is not None and history not in (None, node) else _no_node


def _no_node() -> None:
    return None


def _type_text(t: Tensor) -> str:
    """The type as C++ prints it: dtypes younger than the legacy tensor types have names of another form."""
    young = t.dtype.is_complex or t.dtype.name in ("bfloat16", "bool")
    return f"CPU{t.dtype.legacy}Type" if young else t.type()


def refuse_inference(tensor: Tensor) -> None:
    """Raise RuntimeError for an inference tensor that a graph of the user's would keep."""
    if (tensor._inference or type(tensor._counter) is LentCounter) and not _State.keeps_inference:
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
            "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
        )


# ---------------------------------------------------------------------------------------------------------------- hooks

PackHook = Callable[[Any], Any]

_hooks: list[tuple[PackHook, PackHook]] = []
"""Pairs of pack and unpack hooks; the last one is in use."""


class _Disabled:
    """The text with which hooks are refused, None where they are not."""

    text: str | None = None


class PackedTensor(SavedTensor):
    """What a pack hook made of a tensor, and the tensor's history.

    Versions are not looked at: what is unpacked need not be the tensor that was saved.
    """

    __slots__ = ("_accumulator", "_grad_fn", "_is_leaf", "_packed", "_requires_grad", "_tangents", "_unpack")

    def __init__(
        self, tensor: Tensor, node: Node | None, hooks: tuple[PackHook, PackHook], *, detached: bool = False
    ) -> None:
        refuse_inference(tensor)
        pack, self._unpack = hooks
        self.is_output = node is not None
        self._tangents: list[tuple[Level, Tensor]] = []
        self.of_view = _history_of_view(tensor, node)
        self.output_nr = tensor._output_nr
        self._is_leaf, self._requires_grad = tensor.is_leaf, tensor.requires_grad
        self._grad_fn = tensor.grad_fn if node is None else None
        self._accumulator = accumulator(tensor) if self._is_leaf and tensor._requires_grad else None
        version = tensor._version
        with no_grad():
            self._packed = pack(tensor.detach() if detached else tensor)
        if tensor._version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be "
                "modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you "
                "need to perform in-place operations on the input to a pack hook."
            )

    def unpack(self, node: Node) -> Tensor:
        """What the unpack hook returns, with the history of the saved tensor. Raises TypeError where it is no tensor."""
        data = self._unpack(self._packed)
        if not hasattr(type(data), "_is_engine_tensor"):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(data).__name__}"
            )
        history = None if self._is_leaf else self.of_view() or self._grad_fn or node
        if history is None and not self._requires_grad and not data.requires_grad:
            return data
        tensor = data._alias()
        if history is not None:
            tensor._grad_fn, tensor._output_nr = history, self.output_nr
        else:
            tensor._share_accumulator(self._accumulator)
        for level, tangent in self._tangents:
            level._keep(tensor, tangent)
        return tensor

    def give(self, level: Level, tangent: Tensor) -> None:
        """Keep the tangent that the tensor has; a hook unpacks what has none."""
        self._tangents.append((level, tangent))


def are_hooked() -> bool:
    """Whether hooks are in use."""
    return bool(_hooks)


def save(tensor: Tensor, node: Node | None = None) -> SavedTensor:
    """Keep a tensor for backward, an output of `node` if that is given, as the hooks in use say."""
    return PackedTensor(tensor, node, _hooks[-1]) if _hooks else SavedTensor(tensor, node)


class RawSavedTensor:
    """What a node saved under a name or number, as its `_raw_saved_` attribute shows it.

    Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#registering-hooks-for-a-saved-tensor
    """

    def __init__(self, node: Any, attribute: str, key: Any) -> None:
        self._node, self._attribute, self._key = node, attribute, key

    def register_hooks(self, pack_hook: PackHook, unpack_hook: PackHook) -> None:
        """Keep `pack_hook(tensor)` from now on; `unpack_hook` undoes it at each access.

        Raises RuntimeError where there are hooks already, where nothing was saved, and where the graph was freed.
        """
        saved = getattr(self._node, self._attribute)
        if saved is None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph are "
                "freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through "
                "the graph a second time or if you need to access saved variables after calling backward."
            )
        kept = saved[self._key] if isinstance(saved, list) else saved.get(self._key)
        if isinstance(kept, PackedTensor):
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is "
                "allowed at a time."
            )
        if kept is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        tensor = kept.with_history(self._node)
        made = self._node if kept.is_output else None
        saved[self._key] = PackedTensor(tensor, made, (pack_hook, unpack_hook), detached=True)


@contextlib.contextmanager
def inference_tensors_kept() -> Iterator[None]:
    """Inference tensors are saved as any other: the graph is not the user's."""
    before, _State.keeps_inference = _State.keeps_inference, True
    try:
        yield
    finally:
        _State.keeps_inference = before


@contextlib.contextmanager
def without_hooks() -> Iterator[None]:
    """Tensors are kept as they are: what is saved here is no part of a graph."""
    held = _hooks[:]
    _hooks.clear()
    try:
        with inference_tensors_kept():
            yield
    finally:
        _hooks[:] = held


class saved_tensors_hooks:
    """A block in which `pack_hook(tensor)` is kept in place of each tensor that is saved; `unpack_hook` undoes it.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.graph.saved_tensors_hooks
    """

    def __init__(self, pack_hook: PackHook, unpack_hook: PackHook) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if not (callable(self.pack_hook) and callable(self.unpack_hook)):
            raise TypeError("_push_saved_tensors_default_hooks(): incompatible function arguments.")
        if _Disabled.text is not None:
            raise RuntimeError(_Disabled.text)
        _hooks.append((self.pack_hook, self.unpack_hook))

    def __exit__(self, *error: object) -> None:
        _hooks.pop()


class save_on_cpu(saved_tensors_hooks):
    """A block in which saved tensors are kept in the memory of the CPU, where those of the engine are already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda packed: packed[1].to(packed[0]))


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """A block in which hooks for saved tensors are refused with a RuntimeError of this text."""
    if not isinstance(error_message, str):
        raise TypeError("_saved_tensors_hooks_disable(): incompatible function arguments.")
    before = _Disabled.text
    try:
        _Disabled.text = error_message
        if _hooks:
            raise RuntimeError(error_message)
        yield
    finally:
        _Disabled.text = before
