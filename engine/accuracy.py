"""How accurate special functions are that are less accurate than elementary ones.

In units in the last place of the result, or of what the result changes by when its arguments do by one unit, whichever is
looser: the most that `python -m conformance.accuracy` measures against mpmath of this engine (SciPy) and of torch, rounded
up.
"""

_PSI = {"float32": 7, "float64": 6}

ACCURACY: dict[str, dict[str, int]] = {
    "digamma": _PSI,
    "polygamma": _PSI,
    "lgamma": {"float64": 12},
    "erfc": {"float64": 6},
    "igamma": {"float32": 7, "float64": 76},
    "igammac": {"float32": 8, "float64": 99},
}
"""By operation and dtype; what is not here is as accurate as the quick test asks for."""
