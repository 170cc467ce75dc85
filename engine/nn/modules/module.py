"""`torch.nn.Module`: what it consists of, its state, calls with hooks, modes and conversions.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

from engine import dtypes, signatures
from engine.autograd.modes import no_grad
from engine.history import RemovableHandle, attach
from engine.nn.modules.hooks import BackwardHooks, ForwardHook
from engine.nn.modules.state import Stateful
from engine.tensor import Tensor

_HOW = "bool non_blocking=False, bool copy=False, *, memory_format? memory_format=None"
_TO = [
    signatures.parse(f"to({target}, {_HOW})")
    for target in ("device? device=None, dtype? dtype=None", "dtype dtype", "Tensor tensor")
]
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class Module(Stateful):
    """The base of all modules: a subclass calls `super().__init__()`, assigns its parts and defines `forward`."""

    training: bool
    _forward_pre_hooks: dict[int, ForwardHook]
    _forward_hooks: dict[int, ForwardHook]
    _backward_pre_hooks: dict[int, Callable[..., Any]]
    _backward_hooks: dict[int, Callable[..., Any]]

    def __init__(self) -> None:
        self.__dict__["training"] = True
        super().__init__()
        for hooks in _HOOKS:
            self.__dict__[hooks] = {}

    # ---------------------------------------------------------------------------------------------------------- calls

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. Raises NotImplementedError where a subclass does not say it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        backward = result = None
        waiting = dict(self._forward_hooks)
        try:
            for before in tuple(self._forward_pre_hooks.values()):
                args, kwargs = _prepared(before, self, args, kwargs)
            if self._backward_hooks or self._backward_pre_hooks:
                backward = BackwardHooks(
                    self, list(self._backward_hooks.values()), list(self._backward_pre_hooks.values())
                )
                args = backward.around_inputs(args)
            result = self.forward(*args, **kwargs)
            for key, after in self._forward_hooks.copy().items():
                waiting.pop(key, None)
                changed = _after(after, self, args, kwargs, result)
                result = result if changed is None else changed
            return result if backward is None else backward.around_outputs(result)
        except Exception:
            self._call_always(waiting, args, kwargs, result)
            raise

    def _call_always(self, waiting: dict[int, ForwardHook], args: Any, kwargs: Any, result: Any) -> None:
        """After an exception: the hooks that are called all the same, with what there is. Their own exceptions are told only."""
        for hook in waiting.values():
            if hook.always_call:
                try:
                    _after(hook, self, args, kwargs, result)
                except Exception as error:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was silenced as another "
                        f"error was raised in forward: {error}",
                        UserWarning,
                        stacklevel=3,
                    )

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns replaces the arguments.

        With `with_kwargs`, call `hook(module, args, kwargs)`, which returns None or both.
        """
        return attach(self._forward_pre_hooks, ForwardHook(hook, with_kwargs), prepend=prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False,
    ) -> RemovableHandle:  # fmt: skip
        """Call `hook(module, args, output)` after `forward`; what it returns replaces the output.

        With `with_kwargs`, call `hook(module, args, kwargs, output)`. `always_call`: also after an exception.
        """
        return attach(self._forward_hooks, ForwardHook(hook, with_kwargs, always_call), prepend=prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` with tuples; what it returns replaces the gradients of the inputs."""
        return attach(self._backward_hooks, hook, prepend=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` with a tuple; what it returns replaces the gradients of the outputs."""
        return attach(self._backward_pre_hooks, hook, prepend=prepend)

    # ---------------------------------------------------------------------------------------------- modes and gradients

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below. Raises ValueError for anything but a bool."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say of all parameters whether they require gradients."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take the gradients of all parameters away, or make them zero."""
        for param in self.parameters():
            if param.grad is None or set_to_none:
                param.grad = None
                continue
            if param.grad.grad_fn is not None:
                param.grad.detach_()
            else:
                param.grad.requires_grad_(False)
            param.grad.zero_()

    # ------------------------------------------------------------------------------------------------------ conversions

    def _apply(self, fn: Callable[[Any], Any]) -> Self:
        """Give the parameters, their gradients and the buffers other memory, here and below; they stay the same objects."""
        for module in self.children():
            module._apply(fn)
        for param in self._parameters.values():
            if param is not None:
                with no_grad():
                    param.data = fn(param)
                    if param.grad is not None:
                        param.grad.data = fn(param.grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def _inexact_to(self, d: dtypes.dtype) -> Self:
        return self._apply(lambda t: t.to(d) if t.is_floating_point() else t)

    def float(self) -> Self:
        """Floating tensors become float32."""
        return self._inexact_to(dtypes.float32)

    def double(self) -> Self:
        """Floating tensors become float64."""
        return self._inexact_to(dtypes.float64)

    def half(self) -> Self:
        """Floating tensors become float16."""
        return self._inexact_to(dtypes.float16)

    def bfloat16(self) -> Self:
        """Floating tensors become bfloat16."""
        return self._inexact_to(dtypes.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """All tensors become of this type."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Self:
        """All tensors go to the CPU, where they are."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Raises AssertionError: there is no CUDA."""
        return self._apply(lambda t: t.cuda(device))

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """to(device=None, dtype=None), to(dtype) or to(tensor): tensors go there, floating and complex ones become `dtype`.

        Raises TypeError for a dtype that is neither floating nor complex.
        """
        device, d, non_blocking, memory_format = _destination(args, kwargs)

        def convert(t: Any) -> Any:
            wish = memory_format if t.dim() in (4, 5) else None
            inexact = t.is_floating_point() or t.is_complex()
            return t.to(device, d if inexact else None, non_blocking, memory_format=wish)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """All tensors get other memory with undefined values."""
        from engine import functions

        return self._apply(lambda t: functions.empty_like(t, device=device))

    # ------------------------------------------------------------------------------------------------------------- text

    def extra_repr(self) -> str:
        """What stands between the brackets of the repr, where a subclass overrides this; one line or several."""
        return ""

    def __repr__(self) -> str:
        own = self.extra_repr().split("\n") if self.extra_repr() else []
        return bracketed(
            self._get_name(), own, [f"({name}): {part!r}" for name, part in self._modules.items()]
        )


def bracketed(name: str, own: list[str], parts: list[str]) -> str:
    """A module's repr: on one line where there are no parts and one line of its own, else every line indented."""
    lines = [*own, *(part.replace("\n", "\n  ") for part in parts)]
    if not parts and len(own) <= 1:
        return f"{name}({''.join(own)})"
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)"


def _prepared(hook: ForwardHook, module: Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    if not hook.with_kwargs:
        got = hook.call(module, args)
        if got is None:
            return args, kwargs
        return got if isinstance(got, tuple) else (got,), kwargs
    got = hook.call(module, args, kwargs)
    if got is None:
        return args, kwargs
    if not (isinstance(got, tuple) and len(got) == 2):
        raise RuntimeError(
            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {got}."
        )
    return got


def _after(hook: ForwardHook, module: Module, args: Any, kwargs: Any, result: Any) -> Any:
    return hook.call(module, args, kwargs, result) if hook.with_kwargs else hook.call(module, args, result)


def _destination(args: Any, kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """The device, dtype, `non_blocking` and `memory_format` that a call of `Module.to` asks for."""
    errors = []
    for signature in _TO:
        try:
            *target, non_blocking, copy, memory_format = signatures.bind(signature, args, kwargs)
            break
        except signatures.Mismatch as error:
            errors.append(str(error))
    else:
        raise TypeError(errors[0])
    if copy:
        raise RuntimeError(".to() does not accept copy argument")
    device, d = target if len(target) == 2 else (None, target[0])
    if isinstance(d, Tensor):
        d = d.dtype
    if d is not None and d.category < dtypes.FLOAT:
        raise TypeError(
            f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={d!r}"
        )
    if d is not None and d.is_complex:
        warnings.warn(
            "Complex modules are a new feature under active development whose design may change, and some modules might not "
            "work as expected when using complex tensors as parameters or buffers. Please file an issue at "
            "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex module does not work as "
            "expected.",
            UserWarning,
            stacklevel=3,
        )
    return device, d, non_blocking, memory_format
