"""Modules and what they are made of (`torch.nn`).

Source: https://docs.pytorch.org/docs/stable/nn.html
"""

from __future__ import annotations

from engine.nn import functional, init, modules, parameter
from engine.nn.modules import Flatten, Identity, Linear, Module, ModuleList, MSELoss, ReLU, Sequential
from engine.nn.parameter import Buffer, Parameter
