"""Every way in which the reducer may make a program simpler, as text to text.

A program is a list of the texts of its top-level statements. An edit gives another such list; whether the result is a
program, and whether it still shows the difference, is for the caller to try. `score` orders programs, and the
reducer accepts only what lowers it, so that no two edits undo each other for ever.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Iterator

from conformance.expression_edits import (
    SIMPLE,
    SIMPLEST,
    VIEW_ATTRIBUTES,
    first_name,
    is_module,
    kept_keywords,
    literal_cost,
    names_in,
    plain_tensors,
    statement_edits,
)
from strategies.program.prelude import IN_MODES

Texts = list[str]

# --- Order ----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _score_of(text: str) -> tuple[int, int, int, int, int]:
    tree = ast.parse(text)
    statements = operations = spelling = arguments = cost = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            statements += 1
            operations += 4 * isinstance(node, ast.AugAssign) + 20 * isinstance(node, ast.For)
            spelling += 2 * isinstance(node, ast.AugAssign)
            cost += 4 * (isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name))
            operations += 2 * (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute))
        elif isinstance(node, ast.Call):
            operations += 2
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            operations += (name not in SIMPLE) + (name not in SIMPLEST) - (name == "tensor")
            if isinstance(node.func, ast.Attribute) and not is_module(node.func.value):
                operations -= 1  # the method itself, which is counted as an attribute
                spelling += name != "backward"
            spelling += first_name(name) != name
            arguments += len(node.args) + 2 * len(node.keywords)
        elif isinstance(node, (ast.BinOp, ast.Compare)) or (
            isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant)
        ):
            operations += 3
            spelling += 2
        elif isinstance(node, (ast.Subscript, ast.Lambda)):
            operations += 3
            spelling += 1
        elif isinstance(node, ast.Attribute) and not is_module(node.value):
            operations += 3 if node.attr in VIEW_ATTRIBUTES else 1
        elif isinstance(node, (ast.List, ast.Tuple)):
            arguments += len(node.elts) + 1
        elif isinstance(node, ast.Constant):
            cost += literal_cost(node.value)
        elif isinstance(node, ast.Name) and node.id == "prelude":
            operations += 2  # its functions are made of operations
        elif isinstance(node, ast.Attribute) and node.attr in IN_MODES:
            statements += 2  # a block, and what is in it
        elif isinstance(node, ast.Name) and node.id in ("nan", "inf"):
            cost += 5
        elif isinstance(node, ast.UnaryOp):
            cost += 1
    return statements, operations, spelling, arguments, cost


def score(texts: Texts) -> tuple[object, ...]:
    """Fewer statements, then fewer and simpler operations, canonical spellings, fewer arguments, simpler literals."""
    parts = [_score_of(text) for text in texts] or [(0, 0, 0, 0, 0)]
    joined = "\n".join(texts)
    dtypes = sum(joined.count(name) for name in ("float64", "float16", "complex", "int", "uint8", "bool"))
    return (*(sum(column) for column in zip(*parts)), dtypes, len(joined), joined)


# --- Whole statements -----------------------------------------------------------------------------------------------


def deletions(texts: Texts) -> Iterator[Texts]:
    """Without chunks of statements, large ones and late ones first."""
    size = max(1, len(texts) // 2)
    while size:
        for start in range(len(texts) - size, -1, -max(1, size)):
            yield texts[:start] + texts[start + size :]
        size //= 2


_PLAIN_MODES = {
    "set_grad_enabled(False)": "no_grad()",
    "set_grad_enabled(True)": "enable_grad()",
    "inference_mode()": "no_grad()",
}


def blocks(texts: Texts) -> Iterator[Texts]:
    """A block replaced by its body, or its body without one statement, or by one that nothing comes of; other modes by the
    plain ones."""
    for position, text in enumerate(texts):
        statement = ast.parse(text).body[0]
        if not isinstance(statement, (ast.With, ast.For)):
            continue
        before, after = texts[:position], texts[position + 1 :]
        body = [ast.unparse(inner) for inner in statement.body]
        yield before + body + after
        if isinstance(statement, ast.For):
            yield before + body * 2 + after
        for mode, plain in _PLAIN_MODES.items():
            if mode in text:
                yield [*before, text.replace(mode, plain), *after]
        for bodies in _bodies(statement.body):
            yield [*before, ast.unparse(_with_body(statement, bodies)), *after]
        made = [name for earlier in before for name in bound_names(ast.parse(earlier).body[0])]
        idle = ast.parse(f"idle = {made[0] if made else 'torch.tensor(1.0)'}").body
        yield [*before, ast.unparse(_with_body(statement, idle)), *after]


def _bodies(body: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    for position in range(len(body) - 1, -1, -1):
        rest = body[:position] + body[position + 1 :]
        if rest:
            yield rest
        inner = body[position]
        if isinstance(inner, (ast.With, ast.For)):
            yield body[:position] + inner.body + body[position + 1 :]
            for bodies in _bodies(inner.body):
                yield [*body[:position], _with_body(inner, bodies), *body[position + 1 :]]


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        own = {parameter.arg for parameter in node.args.args}
        others = {name: other for name, other in self.names.items() if name not in own}
        node.body = _Rename(others).visit(node.body)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node


def renamed(text: str, names: dict[str, str]) -> str:
    return ast.unparse(_Rename(names).visit(ast.parse(text)))


def _renamed_once(text: str, name: str, other: str) -> Iterator[str]:
    """The text with each of several uses of a name renamed by itself."""
    tree = ast.parse(text)
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    for node in uses if len(uses) > 1 else ():
        node.id = other
        yield ast.unparse(tree)
        node.id = name


def substitutions(texts: Texts) -> Iterator[Texts]:
    """An assignment dropped, the name it binds replaced in what follows by a name that stands before it; in a block by one
    of those that it was made of."""
    earlier: list[str] = []
    for position, text in enumerate(texts):
        statement = ast.parse(text).body[0]
        targets = bound_names(statement)
        if isinstance(statement, ast.Assign) and len(targets) == 1:
            for other in dict.fromkeys([*names_in(statement.value), *reversed(earlier)]):
                if other != targets[0]:
                    rest = [renamed(later, {targets[0]: other}) for later in texts[position + 1 :]]
                    yield texts[:position] + rest
                    weighted = [
                        one.replace(f"{other}.backward()", f"{other}.backward({other})") for one in rest
                    ]
                    if weighted != rest:  # of what is no longer a scalar
                        yield texts[:position] + weighted
        if isinstance(statement, (ast.With, ast.For)):
            for shorter, name, other in _substituted_within(statement):
                rest = [renamed(later, {name: other}) for later in texts[position + 1 :]]
                yield [*texts[:position], ast.unparse(shorter), *rest]
        earlier.extend(name for name in targets if name not in earlier)


def _substituted_within(block: ast.With | ast.For) -> Iterator[tuple[ast.stmt, str, str]]:
    """The block without an assignment, the name that this binds, and the name that stands for it."""
    for position, inner in enumerate(block.body):
        before, after = block.body[:position], block.body[position + 1 :]
        targets = bound_names(inner)
        if isinstance(inner, ast.Assign) and len(targets) == 1 and len(block.body) > 1:
            for other in names_in(inner.value):
                yield _with_body(block, [*before, *_all_renamed(after, targets[0], other)]), targets[0], other
        elif isinstance(inner, (ast.With, ast.For)):
            for shorter, name, other in _substituted_within(inner):
                yield _with_body(block, [*before, shorter, *_all_renamed(after, name, other)]), name, other


def _all_renamed(statements: list[ast.stmt], name: str, other: str) -> list[ast.stmt]:
    return [ast.parse(renamed(ast.unparse(one), {name: other})).body[0] for one in statements]


def _with_body(block: ast.With | ast.For, body: list[ast.stmt]) -> ast.stmt:
    changed = copy.copy(block)
    changed.body = body
    return changed


def merged_names(texts: Texts) -> Iterator[Texts]:
    """The uses of a name in a statement, or one of them, replaced by an earlier name, so that a statement that binds the
    other becomes idle."""
    earlier: list[str] = []
    for position, text in enumerate(texts):
        used = [name for name in names_in(ast.parse(text)) if name in earlier]
        for name in dict.fromkeys(used):
            for other in earlier[: earlier.index(name)]:
                for changed in (renamed(text, {name: other}), *_renamed_once(text, name, other)):
                    yield [*texts[:position], changed, *texts[position + 1 :]]
        earlier.extend(name for name in bound_names(ast.parse(text).body[0]) if name not in earlier)


# A tensor that is not row-major, whatever made it so.
_TRANSPOSED = "torch.transpose(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 0, 1)"


def alike_creations(texts: Texts) -> Iterator[Texts]:
    """The same plain data for every tensor that is made of none, at once: where shapes have to agree."""
    made: dict[int, tuple[ast.Assign, ast.Call]] = {}
    for position, text in enumerate(texts):
        statement = ast.parse(text).body[0]
        value = statement.value if isinstance(statement, ast.Assign) else None
        if isinstance(statement, ast.Assign) and isinstance(value, ast.Call) and not names_in(value):
            made[position] = statement, value
    forms = [plain_tensors(kept_keywords(call)) for _, call in made.values()]
    for alike in zip(*forms) if len(forms) > 1 else ():
        edited = list(texts)
        for (position, (statement, _)), plain in zip(made.items(), alike):
            edited[position] = f"{ast.unparse(statement.targets[0])} = {ast.unparse(plain)}"
        yield edited


def joined_statements(texts: Texts) -> Iterator[Texts]:
    """Several statements as one: a tensor that requires grad from the start, a backward pass from its root's own values,
    and all that leads to a tensor which is not row-major or is a gradient."""
    for position in range(len(texts) - 1, -1, -1):
        statement = ast.parse(texts[position]).body[0]
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield [f"{statement.targets[0].id} = {_TRANSPOSED}", *texts[position + 1 :]]
        for read in _gradients_read(statement):
            plain = texts[position].replace(read, "g")
            yield ["g = torch.tensor(1.0)", plain, *texts[position + 1 :]]
    for position, text in enumerate(texts):
        statement = ast.parse(text).body[0]
        name = _made_differentiable(statement)
        if name:
            other_names = dict.fromkeys(bound_names(statement), name)
            rest = [renamed(later, other_names) for later in texts[position + 1 :]]
        for earlier in range(position - 1, -1, -1) if name else ():
            if bound_names(ast.parse(texts[earlier]).body[0]) == [name]:
                for wanted in _differentiable(texts[earlier]):
                    yield [*texts[:earlier], wanted, *texts[earlier + 1 : position], *rest]
                break
        gradient = _gradient(statement)
        if gradient is None:
            continue
        call, given = gradient
        own = f"{ast.unparse(call.func)}({ast.unparse(call.func.value)})"  # type: ignore[attr-defined]
        for earlier in range(position - 1, -1, -1):
            if bound_names(ast.parse(texts[earlier]).body[0]) == [given]:
                yield [*texts[:earlier], *texts[earlier + 1 : position], own, *texts[position + 1 :]]
        yield [*texts[:position], own, *texts[position + 1 :]]


def _gradients_read(statement: ast.stmt) -> list[str]:
    """The texts `x.grad` in a statement."""
    return [
        ast.unparse(node)
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and node.attr == "grad" and isinstance(node.value, ast.Name)
    ]


def _made_differentiable(statement: ast.stmt) -> str | None:
    """The variable of `x.requires_grad_()`, bound or not, or `x.requires_grad = True`."""
    node: ast.AST | None = None
    if isinstance(statement, (ast.Expr, ast.Assign)) and isinstance(statement.value, ast.Call):
        node = statement.value.func
    elif isinstance(statement, ast.Assign):
        node = statement.targets[0]
    if isinstance(node, ast.Attribute) and node.attr.startswith("requires_grad"):
        return node.value.id if isinstance(node.value, ast.Name) else None
    return None


def _differentiable(text: str) -> Iterator[str]:
    """An assignment of a new tensor with `requires_grad=True`."""
    statement = ast.parse(text).body[0]
    assert isinstance(statement, ast.Assign)
    if isinstance(statement.value, ast.Call) and not names_in(statement.value):
        yield f"{text[:-1]}, requires_grad=True)"
    for data in ("1.0", "[1.0]", "[1.0, 2.0]", "[[1.0, 2.0]]"):
        yield f"{ast.unparse(statement.targets[0])} = torch.tensor({data}, requires_grad=True)"


def _gradient(statement: ast.stmt) -> tuple[ast.Call, str | None] | None:
    """The call `x.backward(G)` with a gradient that is not x, and the variable G if it is one."""
    call = statement.value if isinstance(statement, (ast.Expr, ast.Assign)) else None
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Attribute)
        or is_module(call.func.value)
    ):
        return None
    given = [*call.args, *(one.value for one in call.keywords if one.arg == "gradient")]
    if call.func.attr != "backward" or not given or ast.unparse(given[0]) == ast.unparse(call.func.value):
        return None
    return call, given[0].id if isinstance(given[0], ast.Name) else None


def bound_names(statement: ast.stmt) -> list[str]:
    if not isinstance(statement, ast.Assign):
        return []
    return [
        part.id
        for target in statement.targets
        for part in ast.walk(target)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    ]


def expressions(texts: Texts) -> Iterator[tuple[Texts, str | None]]:
    """Each expression made simpler in place; with the operation that a replacement brought in, if it did."""
    for position in range(len(texts) - 1, -1, -1):
        for text, op in statement_edits(texts[position]):
            yield [*texts[:position], text, *texts[position + 1 :]], op
