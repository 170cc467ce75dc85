"""Transforms of functions (`torch.func`): each takes a function and gives its derivative, or its map over a dimension.

Sources: https://docs.pytorch.org/docs/stable/func.html and https://docs.pytorch.org/docs/stable/func.ux_limitations.html
"""

from engine.func.batching import vmap
from engine.func.forward import hessian, jacfwd, jvp
from engine.func.reverse import grad, grad_and_value, jacrev, vjp

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "vjp", "vmap"]
