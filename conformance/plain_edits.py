"""Edits that put a plain program in the place of all that leads to one statement, as text to text.

What still shows a difference then is no fault of what was left out. So a fault of hooks, of modes or of the backward pass
itself comes down to one program, whatever the operations and ways by which longer programs reach it; no sequence of small
steps leads there, since shapes have to agree at each of them.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from conformance.edits import Texts, renamed
from conformance.expression_edits import is_module, names_in
from conformance.opnames import canonical_op, is_backward
from strategies.program.prelude import IN_MODES, IN_PLACE

LEAF = "g = torch.tensor(1.0, requires_grad=True)"
MODES = tuple(f"torch.{mode}" for mode in ("set_grad_enabled", *IN_MODES.values()))


def hook_bodies(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """What a hook does, on a tensor of its own: then the difference shows at the operation, not at the backward pass."""
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            body = node.body if isinstance(node, ast.Lambda) and len(node.args.args) == 1 else None
            if isinstance(body, ast.Call) and isinstance(body.func, ast.Attribute):
                names = {node.args.args[0].arg: "g"}  # type: ignore[attr-defined]
                yield (
                    ["g = torch.tensor(1.0)", renamed(ast.unparse(body), names)],
                    canonical_op(body.func.attr),
                )


def prelude_writes(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """What functions of the prelude write with, on a tensor of its own: then the difference shows at that operation."""
    for node in ast.walk(ast.parse("\n".join(texts))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "prelude" and node.attr in IN_PLACE:
            for number in ("1.0", "1"):
                yield [f"g = torch.tensor({number})", "g.mul_(2)"], "mul_"
            return


def plain_histories(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """All that leads to a tensor as the exponential of a leaf: a difference that any history shows is not of this one. Then
    as the first operation that leads there, which may show it alone."""
    plain: list[tuple[Texts, str | None]] = []
    own: list[tuple[Texts, str | None]] = []
    first, op = None, None
    for position, text in enumerate(texts):
        statement = ast.parse(text).body[0]
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        target, rest = statement.targets[0].id, texts[position + 1 :]
        used = names_in(statement.value)
        if first is None and used:
            first = renamed(ast.unparse(statement.value), dict.fromkeys(used, "g"))
            called = statement.value.func if isinstance(statement.value, ast.Call) else None
            op = canonical_op(called.attr) if isinstance(called, ast.Attribute) else None
        plain.append(([LEAF, f"{target} = torch.exp(g)", *rest], "exp"))
        if first is not None:
            own.append(([LEAF, f"{target} = {first}", *rest], op))
    yield from reversed(plain)
    yield from reversed(own)


def plain_functions(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """What is differentiated or mapped as the negative or the exponential of one tensor that stands for all: a difference that
    any function shows is not of this one."""
    for text in texts:
        tree = ast.parse(text)
        bodies = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.args.args]
        if not bodies or "hook" in text:
            continue
        given = dict.fromkeys(names_in(tree), "g")
        for op in ("neg", "exp"):
            for node in bodies:
                node.args.args = node.args.args[:1]
                node.body = ast.parse(f"torch.{op}({node.args.args[0].arg})", mode="eval").body
                given.pop(node.args.args[0].arg, None)
            for data in ("2.0", "[1.0, 2.0]"):
                yield [f"g = torch.tensor({data})", renamed(ast.unparse(tree), given)], op


def plain_passes(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """A backward pass from one leaf, to itself or to another, with the options that it has: of no gradient that is given, of
    one, or of a batch. A difference that any pass shows is not of what this one goes through. `vectorize=True` is documented
    as one pass of a batch."""
    for call in _calls(texts):
        name = call.func.attr  # type: ignore[attr-defined]
        flags = [ast.unparse(one) for one in call.keywords if isinstance(one.value, ast.Constant)]
        if "vectorize=True" in flags:
            name, flags = "grad", ["is_grads_batched=True"]
        elif not is_backward(ast.unparse(call.func)):
            continue
        into, of = ("inputs=", "grad_tensors=") if name == "backward" else ("", "")
        for leaves in ([LEAF], [LEAF, LEAF.replace("g", "h", 1)]):
            for gradient in ([], [f"{of}torch.tensor(1.0)"], [f"{of}torch.tensor([1.0, 2.0])"]):
                options = ", ".join([f"{into}{leaves[-1][0]}", *gradient, *flags])
                yield [*leaves, f"u = torch.autograd.{name}(g, {options})"], name


def plain_nodes(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """A hook of a node, on that of an operation that saves nothing: a difference that any node's hook shows is not of how
    this node is come by."""
    for call in _calls(texts):
        hook = call.args[0] if call.args else None
        if not isinstance(hook, ast.Lambda) or is_module(call.func.value):  # type: ignore[attr-defined]
            continue
        name = call.func.attr  # type: ignore[attr-defined]
        if name == "register_prehook" or (name == "register_hook" and len(hook.args.args) == 2):
            plain = renamed(ast.unparse(hook), dict.fromkeys(names_in(hook), "g"))
            yield (
                [LEAF, "h = torch.neg(g)", "n = h.grad_fn", f"n.{name}({plain})", "h.backward()"],
                "backward",
            )


def plain_blocks(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """A block in a mode with nothing in it, and an operation after it: a difference that is there is not of what was done in
    the block, nor of what the mode was before."""
    for node in ast.walk(ast.parse("\n".join(texts))):
        mode = ast.unparse(node.items[0].context_expr) if isinstance(node, ast.With) else ""
        for plain in dict.fromkeys(
            [mode.replace("(True)", "(False)"), mode] if mode.startswith(MODES) else []
        ):
            yield [LEAF, f"with {plain}:\n    idle = g", "u = torch.neg(g)"], "neg"


def plain_modes(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """A function that a mode decorates, as a block in that mode."""
    for position, text in enumerate(texts):
        for node in ast.walk(ast.parse(text)):
            mode = IN_MODES.get(node.attr) if isinstance(node, ast.Attribute) else None
            if mode is not None and ast.unparse(node) == f"prelude.{node.attr}":  # type: ignore[attr-defined]
                body = textwrap.indent(text.replace(ast.unparse(node), "torch.neg"), "    ")
                yield [*texts[:position], f"with torch.{mode}():\n{body}", *texts[position + 1 :]], "neg"


def _calls(texts: Texts) -> list[ast.Call]:
    nodes = ast.walk(ast.parse("\n".join(texts)))
    return [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]


# What stands for a whole program, which is tried first: where it holds, little is left to do.
WHOLE = (plain_nodes, plain_passes, plain_blocks)
PARTS = (hook_bodies, prelude_writes, plain_modes, plain_histories, plain_functions)
