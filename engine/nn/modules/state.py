"""A module's state as a dictionary of tensors: `state_dict` and `load_state_dict`.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.autograd.modes import no_grad
from engine.nn.modules.registry import Registry
from engine.nn.parameter import Parameter
from engine.tensor import Tensor

_EXTRA = "_extra_state"


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class _IncompatibleKeys(_Keys):
    """What `load_state_dict` did not find, and what it had no use for."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if any(self) else "<All keys matched successfully>"

    __str__ = __repr__


class Stateful(Registry):
    """Parameters, persistent buffers and extra state, saved and loaded by dotted name."""

    _version = 1

    def get_extra_state(self) -> Any:
        """What a module saves beside its tensors, where it overrides this."""
        raise RuntimeError("a module that has extra state overrides get_extra_state()")

    def set_extra_state(self, state: Any) -> None:
        """Takes what `get_extra_state` gave."""
        raise RuntimeError("a module that has extra state overrides set_extra_state()")

    def _persistent(self) -> dict[str, Tensor]:
        named = {**self._parameters, **self._buffers}
        left_out = self._non_persistent_buffers_set
        return {name: value for name, value in named.items() if value is not None and name not in left_out}

    def _has_extra(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Stateful, method)

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """All parameters and persistent buffers by dotted name, on their own memory; detached unless `keep_vars`."""
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = dict(version=self._version)
        for name, value in self._persistent().items():
            destination[prefix + name] = value if keep_vars else value.detach()
        if self._has_extra("get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy values into the parameters and buffers; with `assign`, the tensors themselves take their places.

        Raises TypeError for what is no mapping, and one RuntimeError for all sizes that do not fit and, if `strict`, all
        keys that are missing or unexpected.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        keys = _IncompatibleKeys([], [])
        errors: list[str] = []
        self._load(state_dict, "", assign, keys, errors)
        if strict:
            kinds = (("Missing", keys.missing_keys), ("Unexpected", keys.unexpected_keys))
            quoted = [(what, ", ".join(f'"{name}"' for name in names)) for what, names in kinds if names]
            errors[:0] = [f"{what} key(s) in state_dict: {names}. " for what, names in quoted]
        if errors:
            lines = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}")
        return keys

    def _load(
        self, state: Mapping[str, Any], prefix: str, assign: bool, keys: _IncompatibleKeys, errors: list[str]
    ) -> None:
        """Load this module and those below. Missing and unexpected keys and errors are added to the lists."""
        own = self._persistent()
        for name, value in own.items():
            if prefix + name in state:
                self._load_one(name, value, prefix + name, state[prefix + name], assign, errors)
            else:
                keys.missing_keys.append(prefix + name)
        if self._has_extra("set_extra_state"):
            if prefix + _EXTRA in state:
                self.set_extra_state(state[prefix + _EXTRA])
            else:
                keys.missing_keys.append(prefix + _EXTRA)
        for key in state:
            if key.startswith(prefix):
                first, below, _ = key[len(prefix) :].partition(".")
                known = first in self._modules if below else first in own or self._takes_extra(first)
                if not known:
                    keys.unexpected_keys.append(key)
        for name, module in self._modules.items():
            if module is not None:
                module._load(state, f"{prefix}{name}.", assign, keys, errors)

    def _takes_extra(self, name: str) -> bool:
        return name == _EXTRA and self._has_extra("set_extra_state")

    def _load_one(
        self, name: str, value: Tensor, key: str, given: Any, assign: bool, errors: list[str]
    ) -> None:
        if not isinstance(given, Tensor):
            errors.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint but '
                f"received {type(given)}"
            )
            return
        if value.dim() == 0 and given.dim() == 1 and not assign:
            given = given[0]  # as the tensors with one element were that old checkpoints hold for numbers
        if given.shape != value.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in current "
                f"model is {value.shape}."
            )
            return
        try:
            with no_grad():
                if not assign:
                    value.copy_(given)
                elif isinstance(value, Parameter) and not isinstance(given, Parameter):
                    setattr(self, name, Parameter(given, value.requires_grad))
                else:
                    setattr(self, name, given)
        except Exception as error:  # whatever it is, the other parameters are loaded
            errors.append(
                f'While copying the parameter named "{key}", whose dimensions in the model are {value.size()} and whose '
                f"dimensions in the checkpoint are {given.size()}, an exception occurred : {error.args}."
            )
