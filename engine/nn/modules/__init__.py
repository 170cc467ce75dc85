"""The modules of `torch.nn`."""

from __future__ import annotations

from engine.nn.modules import module
from engine.nn.modules.activation import ReLU
from engine.nn.modules.container import ModuleList, Sequential
from engine.nn.modules.flatten import Flatten
from engine.nn.modules.linear import Identity, Linear
from engine.nn.modules.loss import MSELoss
from engine.nn.modules.module import Module
