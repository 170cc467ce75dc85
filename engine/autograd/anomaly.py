"""Anomaly detection: nodes remember where they were made, and a gradient that is not a number is an error.

Source: https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
"""

from __future__ import annotations

import traceback
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.autograd.modes import _State

if TYPE_CHECKING:
    from engine.autograd.node import Node


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return _State.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection looks for gradients that are not a number."""
    return _State.check_nan


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch anomaly detection on or off. Raises TypeError for what is no bool."""
    for position, (name, value) in enumerate((("enabled", enabled), ("check_nan", check_nan)), 1):
        if not isinstance(value, bool):
            raise TypeError(
                f"set_anomaly_enabled(): argument '{name}' (position {position}) must be bool, not {type(value).__name__}"
            )
    _State.anomaly, _State.check_nan = enabled, check_nan


class detect_anomaly:
    """A block with anomaly detection; making one warns.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.detect_anomaly
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._before = (_State.anomaly, _State.check_nan)
        self._check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )

    def __enter__(self) -> None:
        set_anomaly_enabled(True, self._check_nan)

    def __exit__(self, *error: object) -> None:
        _State.anomaly, _State.check_nan = self._before


class set_detect_anomaly:
    """Switch anomaly detection at once; as a context manager, until the block ends."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (_State.anomaly, _State.check_nan)
        set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _State.anomaly, _State.check_nan = self._before


def note_forward(node: Node) -> None:
    """Remember where a node is made, and which node was running then: the graph of a gradient has parents."""
    node.metadata["traceback_"] = traceback.format_stack()[:-2]
    if _State.evaluating is not None:
        node.metadata["parent_"] = _State.evaluating


def warn_of_error(node: Node) -> None:
    """Warn of the node that failed: where it was made, and what induced that."""
    made = node.metadata.get("traceback_")
    if made is None:
        warnings.warn(
            f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during forward "
            "pass for more information.",
            UserWarning,
            stacklevel=2,
        )
        return
    warnings.warn(
        f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{''.join(made)}",
        UserWarning,
        stacklevel=2,
    )
    while (parent := node.metadata.get("parent_")) is not None:
        node = parent
        warnings.warn(
            f"\n\nPrevious calculation was induced by {node.name()}. Traceback of forward call that induced the previous "
            f"calculation:\n{''.join(node.metadata.get('traceback_', ()))}",
            UserWarning,
            stacklevel=2,
        )


def check_gradients(node: Node, grads: Any) -> None:
    """Raise RuntimeError where a gradient that a node returned holds what is not a number."""
    for index, grad in enumerate(grads):
        rows = [] if grad is None else [grad] if _State.forward is None else _State.forward.rows(grad)
        if any(np.isnan(row._array()).any() for row in rows):
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {index}th output.")
