"""The whitelist of expressions: one pass over the syntax tree of a statement, node types dispatched by a table.

What is not named here is refused. Each checker takes the node, the `Uses` to note names and ops in, and the depth.
"""

import ast
from collections.abc import Callable
from typing import Any, NoReturn

from strategies.program.errors import ProgramError
from strategies.program.limits import MAX_EXPONENT, MAX_INTEGER, MAX_ITEMS, MAX_MADE, MAX_NESTING
from strategies.program.names import MODULES, NUMBERS, VARIABLES_HINT, is_variable, near
from strategies.program.sizes import too_large
from strategies.program.vocabulary import (
    ATTRIBUTES,
    FUNCTIONS,
    IN_FUNCTION,
    KEYWORDS,
    MAKES_FUNCTION,
    MAKES_PAIR,
    METHODS,
    NOT_IN_HOOK,
    SIZE_KEYWORDS,
    SIZES,
    STRINGS,
    TAKES_FUNCTION,
    TAKES_HOOK,
    VALUES,
)

OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}
_COMPARISONS: dict[type, str] = {
    ast.Eq: "operator.eq",
    ast.NotEq: "operator.ne",
    ast.Lt: "operator.lt",
    ast.LtE: "operator.le",
    ast.Gt: "operator.gt",
    ast.GtE: "operator.ge",
}
_UNARY: dict[type, str] = {ast.USub: "operator.neg", ast.UAdd: "operator.pos", ast.Invert: "operator.invert"}
_BINARY = {kind: f"operator.{name}" for kind, name in OPERATORS.items()}
_GROWING = (ast.Pow, ast.LShift, ast.RShift)
_MADE_HINT = "torch.func.grad(...)(...), torch.func.vjp(...)[0], torch.func.vjp(...)[1](...)"
_EXPRESSIONS_HINT = "names, literals, calls, operators, one comparison, subscripts and attributes"


class Uses:
    """What the expressions of a statement use: filled by the checkers."""

    __slots__ = ("arrays", "calls", "in_function", "items", "parameters", "reads", "replaces")

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.calls: list[str] = []
        self.items = 0
        self.parameters: frozenset[str] | None = None  # of the lambda being checked
        self.in_function = False  # whether that lambda is a function to transform, no hook
        self.arrays = False  # makes or takes NumPy arrays
        self.replaces = False  # gives a tensor other memory


def refuse(node: ast.AST, message: str, allowed: str = "") -> NoReturn:
    """Raise the error for a node; its line is that of a statement on its own, 1."""
    raise ProgramError(message, 1, getattr(node, "col_offset", 0) + 1, allowed)


def shown(name: str) -> str:
    """A name from a program for a message: short and quoted."""
    return repr(name if len(name) <= 40 else name[:37] + "...")


def expression(node: ast.expr, uses: Uses, depth: int) -> None:
    """Check an expression that stands for a value."""
    check = _CHECKS.get(type(node))
    if check is None:
        refuse(node, f"{_described(node)} has no place in a program", _EXPRESSIONS_HINT)
    if depth > MAX_NESTING:
        refuse(node, "too many expressions inside each other", f"{MAX_NESTING}")
    check(node, uses, depth + 1)


def _described(node: ast.AST) -> str:
    return {
        "JoinedStr": "an f-string",
        "NamedExpr": "an assignment inside an expression",
        "IfExp": "a conditional expression",
        "BoolOp": "and/or",
        "Lambda": "a lambda outside the arguments of a hook",
        "Dict": "a dict",
        "Set": "a set",
        "Starred": "a starred expression",
        "Slice": "a slice outside a subscript",
    }.get(type(node).__name__, f"{type(node).__name__}")


# --- literals ---


def _constant(node: ast.Constant, uses: Uses, depth: int) -> None:
    value = node.value
    if type(value) is int:
        if value > MAX_INTEGER:
            refuse(node, "an integer beyond 64 bits", "magnitudes to 2**64 - 1")
    elif type(value) is str:
        refuse(node, "a string that is not itself an argument of a call", "strings as options of calls")
    elif type(value) is bytes:
        refuse(node, "a bytes literal has no place in a program", _EXPRESSIONS_HINT)


def _sequence(node: ast.List | ast.Tuple, uses: Uses, depth: int) -> None:
    uses.items += len(node.elts)
    if uses.items > MAX_ITEMS:
        refuse(node, "too many elements in the literals of one statement", f"{MAX_ITEMS}")
    for element in node.elts:
        if type(element) is ast.Constant:
            _constant(element, uses, depth)
        else:
            expression(element, uses, depth)


def is_number(node: Any) -> bool:
    """Whether the node is a number literal: 1, -1.5, 2j, nan, -inf, True, 1+2j."""
    kind = type(node)
    if kind is ast.Constant:
        return isinstance(node.value, int | float | complex)
    if kind is ast.Name:
        return node.id in NUMBERS
    if kind is ast.UnaryOp:  # one sign: this must not descend into a thousand
        inner = node.operand
        return (
            type(inner) in (ast.Constant, ast.Name) and is_number(inner) and type(node.op) is not ast.Invert
        )
    return kind is ast.BinOp and _is_complex(node)


def _is_complex(node: ast.BinOp) -> bool:
    """Whether the node is a real literal plus or minus an imaginary one."""
    right = node.right
    return (
        type(right) is ast.Constant
        and type(right.value) is complex
        and type(node.op) in (ast.Add, ast.Sub)
        and type(node.left) is not ast.BinOp
        and is_number(node.left)
    )


# --- names, attributes, subscripts ---


def _name(node: ast.Name, uses: Uses, depth: int) -> None:
    name = node.id
    if uses.parameters is not None and name in uses.parameters:
        return
    if is_variable(name):
        uses.reads.add(name)
    elif name in MODULES:
        refuse(node, f"{name} stands only before a dot", f"{name}.<name>")
    elif name not in NUMBERS:
        refuse(node, f"the name {shown(name)} is not a variable", VARIABLES_HINT)


def dotted_name(node: ast.Attribute) -> str | None:
    """ "torch.nn.functional.relu" for a chain of names that starts at torch, np or prelude, otherwise None."""
    base: ast.expr = node.value
    name = node.attr
    while type(base) is ast.Attribute:
        name = f"{base.attr}.{name}"
        base = base.value
    if type(base) is ast.Name and base.id in MODULES:
        return f"{base.id}.{name}"
    return None


def receiver(node: ast.expr, uses: Uses, depth: int) -> None:
    """Check what stands before a dot or a bracket: anything that is not a literal."""
    if type(node) in (ast.Constant, ast.List, ast.Tuple) or is_number(node):
        refuse(node, "a literal has no methods, attributes or elements here", "a variable or a result")
    expression(node, uses, depth)


def _attribute(node: ast.Attribute, uses: Uses, depth: int) -> None:
    dotted = dotted_name(node)
    if dotted is not None:
        if dotted not in VALUES:
            if dotted in FUNCTIONS:
                refuse(node, f"{dotted} is a function, which must be called at once", f"{dotted}(...)")
            refuse(node, f"{shown(dotted)} is not in the vocabulary", near(dotted, "value"))
        return
    name = node.attr
    if name not in ATTRIBUTES:
        if name in METHODS:
            refuse(node, f"{name} is a method, which must be called at once", f".{name}(...)")
        refuse(node, f"the attribute {shown(name)} is not in the vocabulary", near(name, "attribute"))
    receiver(node.value, uses, depth)
    uses.calls.append("attr." + name)


def place(node: ast.Subscript, uses: Uses, depth: int) -> None:
    """Check the object and the index of a subscript, which is read, written or both."""
    receiver(node.value, uses, depth)
    index = node.slice
    if type(index) is ast.Tuple:
        uses.items += len(index.elts)
        for part in index.elts:
            _index(part, uses, depth)
    else:
        _index(index, uses, depth)


def _index(node: ast.expr, uses: Uses, depth: int) -> None:
    if type(node) is ast.Slice:
        for bound in (node.lower, node.upper, node.step):
            if bound is not None:
                expression(bound, uses, depth)
    else:
        expression(node, uses, depth)


def _subscript(node: ast.Subscript, uses: Uses, depth: int) -> None:
    output = _making(node, 0) if type(node.value) is ast.Call else None
    if output is not None:
        _make(output, uses, depth)
        return
    place(node, uses, depth)
    uses.calls.append("getitem")


# --- operators ---


def operand(node: ast.expr, uses: Uses, depth: int) -> None:
    """Check an operand: a sequence literal would be repeated, a string formatted."""
    if type(node) in (ast.List, ast.Tuple) or (type(node) is ast.Constant and not is_number(node)):
        refuse(
            node, "an operand is neither a string, a sequence, None nor ...", "variables, results and numbers"
        )
    expression(node, uses, depth)


def check_growth(operator: ast.operator, right: ast.expr) -> None:
    """Refuse large literals behind ** << >>: on Python integers, they cost memory and time."""
    if type(operator) in _GROWING:
        number = right.operand if type(right) is ast.UnaryOp else right
        if type(number) is ast.Constant and type(number.value) is int and number.value > MAX_EXPONENT:
            refuse(
                right, "an integer this large behind ** << >>", f"magnitudes to {MAX_EXPONENT}, or a float"
            )


def _binary(node: ast.BinOp, uses: Uses, depth: int) -> None:
    left, right = node.left, node.right
    if is_number(left) and is_number(right):
        if not _is_complex(node):
            refuse(node, "arithmetic between two literals", "its result")
        expression(left, uses, depth)
        return
    operator = type(node.op)
    check_growth(node.op, right)
    operand(left, uses, depth)
    operand(right, uses, depth)
    uses.calls.append(_BINARY[operator])


def _unary(node: ast.UnaryOp, uses: Uses, depth: int) -> None:
    operator = _UNARY.get(type(node.op))
    if operator is None:
        refuse(node, "not has no place in a program", "~")
    inner = node.operand
    if is_number(inner):
        if type(node.op) is ast.Invert or type(inner) in (ast.UnaryOp, ast.BinOp):
            refuse(node, "arithmetic on a literal", "its result")
        expression(inner, uses, depth)
        return
    operand(inner, uses, depth)
    uses.calls.append(operator)


def _compare(node: ast.Compare, uses: Uses, depth: int) -> None:
    if len(node.ops) != 1:
        refuse(node, "a chained comparison", "one comparison")
    operator = _COMPARISONS.get(type(node.ops[0]))
    if operator is None:
        refuse(node, "is, is not, in and not in have no place in a program", "== != < <= > >=")
    for side in (node.left, node.comparators[0]):
        # A tuple may be compared: x.shape == (2, 3).
        (expression if type(side) in (ast.List, ast.Tuple) else operand)(side, uses, depth)
    uses.calls.append(operator)


# --- calls ---


def _call(node: ast.Call, uses: Uses, depth: int) -> None:
    made = _making(node.func, 1)
    if made is not None:
        _make(made, uses, depth)
        _arguments(node, "", uses, depth)
        return
    name = _called(node, uses, depth)
    if name in MAKES_FUNCTION or name == MAKES_PAIR:
        refuse(node, f"what {name} makes is a function, which must be called at once", _MADE_HINT)
    _arguments(node, name, uses, depth)
    uses.calls.append(name)


def _making(node: ast.expr, position: int) -> ast.Call | None:
    """The call that makes a function, where the expression is that function; or, at another position, what comes with it."""
    pair = (
        type(node) is ast.Subscript
        and type(node.slice) is ast.Constant
        and type(node.slice.value) is int
        and node.slice.value == position
    )
    call = node.value if pair else node  # type: ignore[attr-defined]
    if type(call) is not ast.Call or type(call.func) is not ast.Attribute:
        return None
    name = (dotted_name(call.func) or "").removeprefix("torch.")
    return call if (name == MAKES_PAIR if pair else name in MAKES_FUNCTION) else None


def _make(node: ast.Call, uses: Uses, depth: int) -> None:
    """Check a call that makes a function."""
    if depth > MAX_NESTING or sum(map(TAKES_FUNCTION.__contains__, uses.calls)) >= MAX_MADE:
        refuse(node, "too many functions made of functions", f"{MAX_MADE}")
    name = _called(node, uses, depth)
    uses.calls.append(name)
    _arguments(node, name, uses, depth + 1)


def _arguments(node: ast.Call, name: str, uses: Uses, depth: int) -> None:
    for position, argument in enumerate(node.args):
        made = _making(argument, 1) if position == 0 and name in TAKES_FUNCTION else None
        if type(argument) is ast.Lambda:
            _hook(argument, name, uses, depth)
        elif made is not None:
            _make(made, uses, depth)
        else:
            _argument(argument, name, uses, depth)
    sized = name in SIZES
    for keyword in node.keywords:
        if keyword.arg not in KEYWORDS:
            _refuse_keyword(keyword)
        sized = sized or keyword.arg in SIZE_KEYWORDS
        _argument(keyword.value, name, uses, depth)
    if sized and too_large(name, node):
        refuse(node, "literals that ask for too large a tensor", "2**20 elements")


def _called(node: ast.Call, uses: Uses, depth: int) -> str:
    """Check what is called and return its name as `Statement.calls` has it."""
    function = node.func
    if type(function) is not ast.Attribute:
        refuse(
            node,
            "only functions of torch, np and prelude and methods can be called",
            "torch.<name>(...), x.<name>(...)",
        )
    dotted = dotted_name(function)
    if dotted is None:
        name = function.attr
        if name not in METHODS:
            refuse(function, f"the method {shown(name)} is not in the vocabulary", near(name, "method"))
        receiver(function.value, uses, depth)
        uses.replaces = uses.replaces or name == "set_"
    else:
        if dotted not in FUNCTIONS:
            refuse(function, f"{shown(dotted)} is not in the vocabulary", near(dotted, "function"))
        name = dotted.removeprefix("torch.")
    if name.startswith("np.") or name in ("numpy", "from_numpy"):
        uses.arrays = True
    if uses.parameters is not None and name in (
        NOT_IN_HOOK - IN_FUNCTION if uses.in_function else NOT_IN_HOOK
    ):
        refuse(node, f"a hook may not call {name}", "ops on tensors")
    return name


def _argument(node: ast.expr, name: str, uses: Uses, depth: int) -> None:
    if type(node) is ast.Constant and type(node.value) is str:
        text = node.value
        if text not in STRINGS:
            refuse(node, f"the string {shown(text)} is no option of an op", "STRINGS of vocabulary.py")
    else:
        expression(node, uses, depth)


def _refuse_keyword(keyword: ast.keyword) -> NoReturn:
    if keyword.arg is None:
        refuse(keyword, "** has no place in a call", "keywords by name")
    refuse(
        keyword, f"the keyword {shown(keyword.arg)} is not in the vocabulary", near(keyword.arg, "keyword")
    )


def _hook(node: ast.Lambda, name: str, uses: Uses, depth: int) -> None:
    if name not in TAKES_HOOK | TAKES_FUNCTION:
        refuse(node, f"{name} does not take a lambda", ", ".join(sorted(TAKES_HOOK | TAKES_FUNCTION)))
    uses.in_function = name in TAKES_FUNCTION
    hook(node, uses, depth)
    uses.in_function = False


def hook(node: ast.Lambda, uses: Uses, depth: int) -> None:
    """Check a lambda that something may take."""
    if uses.parameters is not None:
        refuse(node, "a lambda inside a lambda", "one expression")
    given = node.args
    if given.posonlyargs or given.vararg or given.kwonlyargs or given.kwarg or given.defaults:
        refuse(node, "a hook takes plain parameters", "lambda g: <expression>")
    names = [parameter.arg for parameter in given.args]
    if not all(map(is_variable, names)) or len(set(names)) != len(names):
        refuse(node, "the parameters of a hook are different variables", VARIABLES_HINT)
    uses.parameters = frozenset(names)
    expression(node.body, uses, depth)
    uses.parameters = None


_CHECKS: dict[type, Callable[[Any, Uses, int], None]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.Call: _call,
}
