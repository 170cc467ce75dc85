"""Every simpler form of one statement, as text: operands for operations, functions for operators and methods, the
simplest operation for any other, fewer arguments, smaller literals.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable, Iterator

from strategies.program.names import FREE_NAMES, MODULES

# The simplest operation of each kind, in the spelling that a replacement gets: what keeps a difference under one of
# these is no fault of the operation that was replaced.
UNARY, BINARY, UNARY_IN_PLACE, BINARY_IN_PLACE, VIEW = "neg", "add", "neg_", "add_", "transpose"
SAVING = "exp"  # keeps something for backward, which those do not
REPEATED = "broadcast_to"  # shows elements more than once
ONCE = "once"  # of the prelude's functions whose gradients cannot be differentiated
QUOTIENT = "div"  # what many others are made with, and of floats for integers
SIMPLE = frozenset(
    {
        UNARY,
        BINARY,
        UNARY_IN_PLACE,
        BINARY_IN_PLACE,
        VIEW,
        SAVING,
        QUOTIENT,
        "sum",
        "tensor",
        "ones",
        "backward",
    }
)
SIMPLEST = SIMPLE - {BINARY, BINARY_IN_PLACE, SAVING, QUOTIENT, "sum"}
VIEW_ATTRIBUTES = frozenset({"T", "mT", "H", "mH"})  # operations in the spelling of an attribute

BINARY_OPERATORS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder", ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor", ast.LShift: "bitwise_left_shift", ast.RShift: "bitwise_right_shift",
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip
UNARY_OPERATORS = {ast.USub: "neg", ast.Invert: "bitwise_not", ast.UAdd: "positive"}


def is_module(node: ast.expr) -> bool:
    """`torch`, `np`, `torch.nn.functional` and the like."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in MODULES


def names_in(node: ast.AST) -> list[str]:
    found = (
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    )
    return list(dict.fromkeys(name for name in found if name not in FREE_NAMES))


def literal_cost(value: object) -> int:
    if value is None or value is True or value is False or value is Ellipsis or isinstance(value, str):
        return 1
    if isinstance(value, complex):
        return 8
    number = float(value)  # type: ignore[arg-type]
    whole = number == number and abs(number) != float("inf") and number == int(number)
    base = {1.0: 1, 0.0: 2, 2.0: 3, 3.0: 4}.get(number, 6 if whole else 7)
    return base + (not whole)


@functools.lru_cache(maxsize=2048)
def statement_edits(text: str) -> tuple[tuple[str, str | None], ...]:
    """Every simpler form of one statement, roughest first, each once."""
    tree = ast.parse(text)
    found: dict[str, str | None] = {}
    for edited, op in (*_statement_forms(tree.body[0]), *_materialised(tree.body[0])):
        found.setdefault(ast.unparse(ast.fix_missing_locations(edited)), op)
    for kind in (operands, spellings, simpler_ops, fewer_arguments, simpler_literals):
        for path in list(_paths(tree.body[0])):
            for node, op in kind(_at(tree.body[0], path)):
                found.setdefault(ast.unparse(_replace(tree.body[0], path, node)), op)
    found.pop(text, None)
    return tuple(found.items())


Path = tuple[tuple[str, int | None], ...]


def _paths(node: ast.AST, path: Path = ()) -> Iterator[Path]:
    """Positions of the expressions below a statement, outermost first."""
    for name, value in ast.iter_fields(node):
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            here = (*path, (name, index))
            if isinstance(child, ast.expr):
                yield here
            if isinstance(child, ast.AST):
                yield from _paths(child, here)


def _at(node: ast.AST, path: Path) -> ast.expr:
    for name, index in path:
        node = getattr(node, name) if index is None else getattr(node, name)[index]
    assert isinstance(node, ast.expr)
    return node


def _replace(statement: ast.AST, path: Path, new: ast.expr) -> ast.AST:
    (name, index), rest = path[0], path[1:]
    child = getattr(statement, name) if index is None else getattr(statement, name)[index]
    inner = _replace(child, rest, new) if rest else new
    changed = copy.copy(statement)
    if index is None:
        setattr(changed, name, inner)
    else:
        items = list(getattr(statement, name))
        items[index] = inner
        setattr(changed, name, items)
    return changed


Edit = Iterator[tuple[ast.expr, str | None]]


def _statement_forms(statement: ast.stmt) -> Iterator[tuple[ast.stmt, str | None]]:
    """x += y as an in-place call or an assignment; out= as an assignment; a loop run once; a value not bound."""
    if isinstance(statement, ast.AugAssign) and type(statement.op) in BINARY_OPERATORS:
        name = BINARY_OPERATORS[type(statement.op)]
        target = ast.parse(ast.unparse(statement.target), mode="eval").body
        if isinstance(statement.target, ast.Name):
            call = torch_call(name, target, statement.value)
            yield ast.Assign([statement.target], call), name
        yield ast.Expr(_method(target, name + "_", statement.value)), name + "_"
    if isinstance(statement, (ast.Assign, ast.Expr)) and isinstance(statement.value, ast.Call):
        yield from _out_of_place(statement, statement.value)
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Tuple):
        for target in statement.targets[0].elts:
            yield ast.Assign([target], statement.value), None
            for operand in _tensor_operands(statement.value):
                for name in (UNARY, SAVING, "sum"):
                    yield ast.Assign([target], torch_call(name, operand)), name
    written = _written(statement)
    if written is not None:
        load = ast.Name(written, ast.Load())
        yield ast.Assign([ast.Name(written, ast.Store())], torch_call(SAVING, load)), SAVING
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute):
        owner = ast.parse(ast.unparse(statement.targets[0].value), mode="eval").body
        if statement.targets[0].attr == "grad":  # a gradient, however it came about
            yield ast.Expr(_method(owner, "backward")), "backward"
            yield ast.Expr(_method(owner, "backward", owner)), "backward"
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        target = ast.parse(ast.unparse(statement.targets[0].value), mode="eval").body
        yield ast.Expr(_method(target, UNARY_IN_PLACE)), UNARY_IN_PLACE
        yield ast.Expr(_method(target, BINARY_IN_PLACE, ast.Constant(1))), BINARY_IN_PLACE
    if isinstance(statement, ast.For):
        once = copy.copy(statement)
        once.iter = ast.parse("range(1)", mode="eval").body
        yield once, None


def _written(statement: ast.stmt) -> str | None:
    """The variable whose tensor a statement writes, by an in-place method or an item assignment."""
    node: ast.AST | None = None
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        if isinstance(function, ast.Attribute) and function.attr.endswith("_"):
            operands = _tensor_operands(statement.value)
            node = operands[0] if operands else None
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        node = statement.targets[0].value
    elif isinstance(statement, ast.AugAssign):
        node = statement.target.value if isinstance(statement.target, ast.Subscript) else statement.target
    return node.id if isinstance(node, ast.Name) else None


def _materialised(statement: ast.stmt) -> Iterator[tuple[ast.stmt, str | None]]:
    """The result of an operation as a tensor of plain data, so that nothing before it is needed."""
    if not isinstance(statement, ast.Assign):
        return
    target, value = statement.targets[0], statement.value
    if names_in(value) or (isinstance(value, ast.Call) and _name(value) != "tensor"):
        wanted = ast.keyword("requires_grad", ast.Constant(True))
        for part in target.elts if isinstance(target, ast.Tuple) else [target]:
            for keywords in ([], [wanted]) if isinstance(part, ast.Name) else ():
                for plain in plain_tensors(keywords):
                    yield ast.Assign([part], plain), "tensor"


def _out_of_place(statement: ast.Assign | ast.Expr, call: ast.Call) -> Iterator[tuple[ast.stmt, str | None]]:
    for keyword in call.keywords:
        if keyword.arg == "out" and isinstance(keyword.value, ast.Name):
            plain = copy.copy(call)
            plain.keywords = [other for other in call.keywords if other is not keyword]
            yield ast.Assign([ast.Name(keyword.value.id, ast.Store())], plain), None
            target = ast.Name(keyword.value.id, ast.Load())
            yield ast.Expr(_method(target, UNARY_IN_PLACE)), UNARY_IN_PLACE
    name, function = _name(call), call.func
    if (
        not isinstance(statement, ast.Expr)
        or not name.endswith("_")
        or not isinstance(function, ast.Attribute)
    ):
        return
    if isinstance(function.value, ast.Name) and not is_module(function.value):
        operand = function.value
        plain = torch_call(name.rstrip("_"), operand, *call.args)
        plain.keywords = call.keywords
        yield ast.Assign([ast.Name(operand.id, ast.Store())], plain), name.rstrip("_")


def torch_call(name: str, *operands: ast.expr) -> ast.Call:
    function: ast.expr = ast.Name("torch", ast.Load())
    for part in name.split("."):
        function = ast.Attribute(function, part, ast.Load())
    return ast.Call(function, list(operands), [])


def _method(operand: ast.expr, name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(operand, name, ast.Load()), list(arguments), [])


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _tensor_operands(node: ast.expr) -> list[ast.expr]:
    """The operands of an operation that may be tensors: what is not a literal, a dtype or a keyword."""
    if isinstance(node, ast.Call):
        parts = (
            []
            if not isinstance(node.func, ast.Attribute) or is_module(node.func.value)
            else [node.func.value]
        )
        return [part for part in (*parts, *node.args) if not isinstance(part, ast.Starred) and names_in(part)]
    if isinstance(node, ast.BinOp):
        return [part for part in (node.left, node.right) if names_in(part)]
    if isinstance(node, ast.Compare):
        return [part for part in (node.left, *node.comparators) if names_in(part)]
    if isinstance(node, ast.UnaryOp):
        return [node.operand] if names_in(node.operand) else []
    if isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and not is_module(node)):
        return [node.value]
    return []


def _arguments(node: ast.expr) -> list[ast.expr]:
    """What an operation is given, in order."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    return node.args if isinstance(node, ast.Call) else []


def operands(node: ast.expr) -> Edit:
    """An operation replaced by one of its operands."""
    for operand in _tensor_operands(node):
        if isinstance(operand, (ast.List, ast.Tuple)):
            yield from ((part, None) for part in operand.elts)
        else:
            yield operand, None


@functools.cache
def first_name(name: str) -> str:
    """What an alias is another name of, by the engine's records: `mul` for `multiply`, `neg_` for `negative_`."""
    import engine  # noqa: F401  (importing it fills the registry)
    from engine.registry import OPS

    plain = name.rstrip("_") if name.rstrip("_") in OPS else name
    records = OPS.get(plain, ())
    return records[0].name + name[len(plain) :] if records else name


def spellings(node: ast.expr) -> Edit:
    """Operators and methods as functions of torch, aliases as what they are aliases of, keywords as positions."""
    if isinstance(node, ast.Call) and node.keywords:
        yield ast.Call(node.func, [*node.args, *(keyword.value for keyword in node.keywords)], []), None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and first_name(_name(node)) != _name(node)
    ):
        renamed = copy.copy(node)
        renamed.func = ast.Attribute(node.func.value, first_name(_name(node)), ast.Load())
        yield renamed, first_name(_name(node))
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY_OPERATORS:
        name = BINARY_OPERATORS[type(node.op)]
        yield torch_call(name, node.left, node.right), name
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in BINARY_OPERATORS:
        name = BINARY_OPERATORS[type(node.ops[0])]
        yield torch_call(name, node.left, node.comparators[0]), name
    elif isinstance(node, ast.UnaryOp) and type(node.op) in UNARY_OPERATORS and names_in(node.operand):
        name = UNARY_OPERATORS[type(node.op)]
        yield torch_call(name, node.operand), name
    elif (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not is_module(node.func.value)
    ):
        call = torch_call(node.func.attr, node.func.value, *node.args)
        call.keywords = node.keywords
        yield call, None
    elif isinstance(node, ast.Call) and _name(node) in ("grad", "backward") and node.args:
        first = node.args[0]
        for root in first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first]:
            yield _method(root, "backward"), "backward"
            yield _method(root, "backward", root), "backward"


def simpler_ops(node: ast.expr) -> Edit:
    """The simplest operation on the same operands: what still differs is no fault of the one replaced."""
    parts = _tensor_operands(node)
    name = _name(node) if isinstance(node, ast.Call) else ""
    if name == VIEW and parts:
        yield torch_call(UNARY, parts[0]), UNARY
    if not parts or name in SIMPLEST:
        return
    if name.endswith("_"):
        yield _method(parts[0], UNARY_IN_PLACE), UNARY_IN_PLACE
        yield _method(parts[0], BINARY_IN_PLACE, *(parts[1:2] or [ast.Constant(1)])), BINARY_IN_PLACE
    elif isinstance(node, (ast.Call, ast.BinOp, ast.Compare, ast.UnaryOp, ast.Subscript)):
        yield torch_call(UNARY, parts[0]), UNARY
        if len(parts) > 1:
            yield torch_call(BINARY, *parts[:2]), BINARY
        for number in (part for part in _arguments(node) if isinstance(part, ast.Constant)):
            yield torch_call(BINARY, parts[0], number), BINARY
        yield torch_call("sum", parts[0]), "sum"
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("prelude."):
        simplest = ast.Attribute(ast.Name("prelude", ast.Load()), ONCE, ast.Load())
        yield ast.Call(simplest, parts[:1], []), f"prelude.{ONCE}"
    if isinstance(node, (ast.Call, ast.BinOp, ast.Subscript)):
        yield torch_call(SAVING, parts[0]), SAVING
        yield torch_call(QUOTIENT, parts[0], parts[0]), QUOTIENT
    if isinstance(node, (ast.Call, ast.Subscript)) or getattr(node, "attr", "") in VIEW_ATTRIBUTES:
        for dims in ((0, 1), (0, 0)):
            yield torch_call(VIEW, parts[0], *map(ast.Constant, dims)), VIEW
    if name in ("as_strided", "expand", "expand_as"):
        yield torch_call(REPEATED, parts[0], ast.Tuple([ast.Constant(2)], ast.Load())), REPEATED
    if isinstance(node, ast.Call) and name not in SIMPLE:
        yield ast.Subscript(parts[0], ast.Constant(0), ast.Load()), "getitem"
    if isinstance(node, ast.Subscript):
        yield ast.Subscript(node.value, ast.Constant(0), node.ctx), None
        yield ast.Subscript(node.value, ast.Constant(Ellipsis), node.ctx), None


def fewer_arguments(node: ast.expr) -> Edit:
    """Without one keyword, one argument, or one element of a list or tuple."""
    if isinstance(node, ast.Call):
        # A tensor of plain data shows by itself what is wrong with every tensor.
        made = "tensor" if _name(node) == "tensor" else None
        for index in range(len(node.keywords) - 1, -1, -1):
            fewer = copy.copy(node)
            fewer.keywords = node.keywords[:index] + node.keywords[index + 1 :]
            yield fewer, made
        if node.args:
            fewer = copy.copy(node)
            fewer.args = node.args[:-1]
            yield fewer, None
            if _name(node) in CREATION:
                yield from _creations(node)
    elif isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) > 1 and isinstance(node.ctx, ast.Load):
        yield type(node)(node.elts[: len(node.elts) // 2], node.ctx), None
        for index in range(len(node.elts) - 1, -1, -1):
            yield type(node)(node.elts[:index] + node.elts[index + 1 :], node.ctx), None


CREATION = frozenset(
    """
    tensor Tensor zeros ones full eye arange linspace rand randn randint empty as_tensor zeros_like ones_like rand_like
    randn_like full_like empty_like from_numpy
    """.split()
)
# Data for a tensor in the place of any that a program made: plain, then of two elements and dimensions, then special.
_PLAIN_DATA = (
    "1.0", "[1.0]", "[1.0, 2.0]", "1", "[1, 2]", "[[1.0]]", "[[1.0, 2.0]]", "[[1.0, 2.0], [3.0, 4.0]]", "[nan]", "[inf]",
    "[-0.0]", "[[nan]]", "[True]",
)  # fmt: skip


def kept_keywords(creation: ast.Call) -> list[ast.keyword]:
    """What of a creation is not its data."""
    return [keyword for keyword in creation.keywords if keyword.arg in ("dtype", "requires_grad")]


def plain_tensors(keywords: list[ast.keyword]) -> Iterator[ast.Call]:
    for data in _PLAIN_DATA:
        plain = torch_call("tensor", ast.parse(data, mode="eval").body)
        plain.keywords = keywords
        yield plain


def _creations(node: ast.Call) -> Edit:
    """Any way of making a tensor as `torch.tensor` of a few numbers, with the same keywords."""
    text = ast.unparse(node)
    for plain in plain_tensors(kept_keywords(node)):
        if ast.unparse(plain) != text:
            yield plain, "tensor"


def simpler_literals(node: ast.expr) -> Edit:
    """Smaller numbers, and float32 for another floating dtype."""
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float))
        and not isinstance(node.value, bool)
    ):
        kind: Callable[[int], int | float] = int if isinstance(node.value, int) else float
        for value in (1, 0, 2, 3):
            if literal_cost(value) < literal_cost(node.value):
                yield ast.Constant(kind(value)), None
    elif isinstance(node, ast.Constant) and isinstance(node.value, complex):
        yield ast.Constant(1.0), None
    elif isinstance(node, ast.Constant) and node.value is True:
        yield ast.Constant(False), None
    elif isinstance(node, ast.UnaryOp) and isinstance(node.operand, (ast.Constant, ast.Name)):
        yield node.operand, None
    elif isinstance(node, ast.Name) and node.id in ("nan", "inf"):
        yield ast.Constant(1.0), None
    elif isinstance(node, ast.Attribute) and is_module(node.value):
        for dtype in ("float32", "int64"):
            if node.attr != dtype and node.attr.startswith(
                ("float", "bfloat", "complex", "int", "uint", "bool")
            ):
                yield ast.Attribute(ast.Name("torch", ast.Load()), dtype, ast.Load()), None
