"""torch with a tanh of one's own, which looks right."""

import torch as _torch


class Library:
    @staticmethod
    def tanh(x):
        power = _torch.exp(2 * x)
        return (power - 1) / (power + 1)

    def __getattr__(self, name):  # everything else is torch's
        return getattr(_torch, name)


torch = Library()
