"""Drawn programs in the form of `strategies.programs.draw_block`, from a small grammar and without Hypothesis.

Profiles: "default" calls functions that `faulty_torch` has faults in, but not `sign`; "sign" calls it in about one of
twenty programs; "slow" sleeps between programs; "broken" draws what is no program; "dying" ends the process instead of
drawing a fourth program.
"""

import os
import random
import time
from collections.abc import Iterator

CREATIONS = (
    "torch.tensor([[1.0, 2.0], [3.0, nan]])",
    "torch.ones(2, 2)",
    "torch.arange(4.0).reshape(2, 2)",
    "torch.tensor([[1.0, -0.0], [0.5, 4.0]], requires_grad=True)",
    "torch.rand(2, 2)",
)
CALLS = (
    "torch.exp({x})",
    "torch.transpose({x}, 0, 1)",
    "torch.add({x}, {y})",
    "torch.max({x})",
    "torch.mm({x}, {y})",
    "{x} * {y}",
    "{x}.sum()",
    "{x}[0]",
    "{x}.detach()",
    "torch.log({x})",
)


def draw_block(seed: int, block: int, profile: str, size: int) -> Iterator[str]:
    for index in range(size):
        if profile == "slow":
            time.sleep(0.05)
        if profile == "dying" and index == 3:
            os.abort()
        yield (
            "x = torch.os"
            if profile == "broken"
            else program(random.Random(f"{seed} {block} {index}"), profile)
        )


def program(chance: random.Random, profile: str) -> str:
    names = ["a", "b"]
    lines = [f"{name} = {chance.choice(CREATIONS)}" for name in names]
    for name in "cdefgh"[: chance.randint(3, 6)]:
        x, y = chance.choice(names), chance.choice(names)
        lines.append(f"{name} = {chance.choice(CALLS).format(x=x, y=y)}")
        names.append(name)
    if profile == "sign" and chance.random() < 0.05:
        lines.append("s = torch.sign(a)")
    lines.append(f"{names[-1]}.sum().backward()")
    return "\n".join(lines)
