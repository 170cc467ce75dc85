"""Texts for the tests of the program language: what it accepts, and what hostile texts are made of."""

import re

from conformance.meta_tests.refused_texts import REFUSED

# What is accepted. text: kind, reads, writes, calls
ACCEPTED = {
    "x = torch.add(x, y, alpha=2)": ("assign", "x y", "x", "add"),
    "x = torch.tensor([[1.0, -2.0], [nan, inf]], dtype=torch.float32)": ("assign", "", "x", "tensor"),
    "x = torch.full((2, 3), -9223372036854775808)": ("assign", "", "x", "full"),
    "x = torch.full((2,), 1+2j, dtype=torch.complex64)": ("assign", "", "x", "full"),
    "x = y": ("assign", "y", "x", ""),
    "x = None": ("assign", "", "x", ""),
    "x = (1, -2.5, True, None, ..., -inf, 2j, [3])": ("assign", "", "x", ""),
    "x = 0x10": ("assign", "", "x", ""),
    "a, b = torch.max(x, 1, keepdim=True)": ("assign", "x", "a b", "max"),
    "(a,) = x": ("assign", "x", "a", ""),
    "y = x[0, 1:-1:2, ..., None, [0, 1], True, i]": ("assign", "i x", "y", "getitem"),
    "y = -x + ~m * (x @ w) ** 2 - 1.5": (
        "assign",
        "m w x",
        "y",
        "operator.neg operator.invert operator.matmul operator.pow operator.mul operator.add operator.sub",
    ),
    "y = 2 ** x": ("assign", "x", "y", "operator.pow"),
    "y = x << 3": ("assign", "x", "y", "operator.lshift"),
    "y = x >= -1": ("assign", "x", "y", "operator.ge"),
    "y = x.shape == (2, 3)": ("assign", "x", "y", "attr.shape operator.eq"),
    "y = (x & y | x ^ y) % 3 // 2 / 1 >> 1": (
        "assign",
        "x y",
        "y",
        "operator.and operator.xor operator.or operator.mod operator.floordiv operator.truediv operator.rshift",
    ),
    "y = x.view(2, 3).t().sum(0)": ("assign", "x", "y", "view t sum"),
    "y = (x + 1).T.grad_fn": ("assign", "x", "y", "operator.add attr.T attr.grad_fn"),
    "y = torch.div(x, 2, rounding_mode='floor')": ("assign", "x", "y", "div"),
    "u, s, v = torch.linalg.svd(x)": ("assign", "x", "s u v", "linalg.svd"),
    "(g,) = torch.autograd.grad(y.sum(), [x], create_graph=True)": (
        "assign",
        "x y",
        "g",
        "sum autograd.grad",
    ),
    "a = x.detach().numpy()": ("assign", "x", "a", "detach numpy"),
    "a = np.arange(6, dtype=np.float32)": ("assign", "", "a", "np.arange"),
    "x = torch.from_numpy(a)": ("assign", "a", "x", "from_numpy"),
    "h = x.register_hook(lambda g: g * c + x)": (
        "assign",
        "c x",
        "h",
        "operator.mul operator.add register_hook",
    ),
    "y = torch.func.grad(lambda a, b: (a * b).sum(), argnums=1)(x, z)": (
        "assign",
        "x z",
        "y",
        "func.grad operator.mul sum",
    ),
    "y = torch.func.vmap(torch.func.grad(lambda a: a.sin()), in_dims=0)(x)": (
        "assign",
        "x",
        "y",
        "func.vmap func.grad sin",
    ),
    "y = torch.func.vjp(lambda a: (a, c), x)[1](z)": ("assign", "c x z", "y", "func.vjp"),
    "y = torch.func.vjp(torch.func.jacrev(lambda a: a * a), x)[0]": (
        "assign",
        "x",
        "y",
        "func.vjp func.jacrev operator.mul",
    ),
    "y = torch.autograd.functional.jvp(lambda a: a.exp(), x, z, create_graph=True)": (
        "assign",
        "x z",
        "y",
        "exp autograd.functional.jvp",
    ),
    "y = torch.autograd.functional.jacobian(torch.func.grad(lambda a: a.sum()), x)": (
        "assign",
        "x",
        "y",
        "func.grad sum autograd.functional.jacobian",
    ),
    "x = torch.zeros(2, device='cpu').to(torch.float64, non_blocking=True)": ("assign", "", "x", "zeros to"),
    "x = torch.Tensor(2, 3).clone(memory_format=torch.contiguous_format)": (
        "assign",
        "",
        "x",
        "Tensor clone",
    ),
    "h = y.grad_fn.register_prehook(lambda g: (g[0] * 2,))": (
        "assign",
        "y",
        "h",
        "attr.grad_fn getitem operator.mul register_prehook",
    ),
    "a, b = prelude.pair(prelude.scale(x, 2))": ("assign", "x", "a b", "prelude.scale prelude.pair"),
    "y.grad_fn.metadata[0] = x": ("setitem", "x y", "", "attr.grad_fn attr.metadata setitem"),
    "g = torch.autograd.graph.get_gradient_edge(x).node": (
        "assign",
        "x",
        "g",
        "autograd.graph.get_gradient_edge attr.node",
    ),
    "x += y": ("augassign", "x y", "x", "operator.iadd"),
    "x **= 2": ("augassign", "x", "x", "operator.ipow"),
    "x[0] @= y": ("augassign", "x y", "", "getitem operator.imatmul setitem"),
    "x.grad *= 2": ("augassign", "x", "", "attr.grad operator.imul setattr.grad"),
    "x[:, 1:] = y": ("setitem", "x y", "", "setitem"),
    "x.view(-1)[0] = 1": ("setitem", "x", "", "view setitem"),
    "x.grad = None": ("setattr", "x", "", "setattr.grad"),
    "x.data = y": ("setattr", "x y", "", "setattr.data"),
    "x.requires_grad = True": ("setattr", "x", "", "setattr.requires_grad"),
    "del x, y": ("del", "x y", "x y", ""),
    "x.add_(1)": ("call", "x", "", "add_"),
    "x.grad.data.zero_()": ("call", "x", "", "attr.grad attr.data zero_"),
    "y.backward(gradient=torch.ones_like(y), retain_graph=True)": ("call", "y", "", "ones_like backward"),
    "torch.manual_seed(3)": ("call", "", "", "manual_seed"),
    "torch.set_default_dtype(torch.float64)": ("call", "", "", "set_default_dtype"),
}

BLOCKS = """\
# a comment, and an empty line

x = torch.ones(2)
with torch.no_grad():
    x += 1

    # another
    for i in range(3):
        y = x * i
        y[0] = 2
for _ in range(0):
    del y
with torch.set_grad_enabled(mode=False):
    z = 1
"""

# Blocks of the other managers.
MANAGED = """\
with torch.autograd.graph.saved_tensors_hooks(lambda t: t * x, lambda t: t):
    with torch.autograd.graph.disable_saved_tensors_hooks('bad'):
        z = x * x
with torch.autograd.set_detect_anomaly(True, check_nan=False):
    z = prelude.square(x)
with torch.autograd.graph.save_on_cpu(pin_memory=False):
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        y = prelude.double_(z)
"""

# Pieces that an attacker would like to see together, and pieces that make programs.
HOSTILE = """
    os system sys modules __class__ __dict__ __globals__ __builtins__ __import__ __subclasses__ __getattribute__
    __call__ getattr eval exec open print compile globals vars input breakpoint type object
    load save hub serialization lib memmap fromfile tofile dump dumps ctypes data_ptr storage apply_ map_ register
    torch np nan inf range x y a g lambda : = . , ( ) [ ] { } * ** @ - ~ < == 'mean' 'cpu' '/etc/passwd'
    '{0.__class__}' .format .T .data .grad .grad_fn .shape .dtype .numpy() .sum() .tolist() .item()
    .register_hook( .add( .next_functions torch.add torch.os torch.load( np.save( np.ones(2) torch.ones(2)
    torch.float32 np.float32 10**9 [0] 9 -1 2j None ...
    if else for in with del import yield await async not and is := -> # ;
""".split()
HOSTILE += ["\\", "\n", "\n    ", " ", "\t", "\r", "\0", "\x0c", "\uff54", "\ud800", "'", '"']
BASES = [*ACCEPTED, *ACCEPTED, *ACCEPTED, *ACCEPTED, *(text for text in REFUSED if len(text) < 200), BLOCKS]
_TOKEN = re.compile(r"\s+|\w+|'[^']*'|.", re.DOTALL)


def mutated(base: str, edits: list[tuple[int, int, str]]) -> str:
    """A text with pieces replaced (0), inserted (1), removed (2) or doubled (3) at positions counted in tokens."""
    tokens = _TOKEN.findall(base)
    for action, position, piece in edits:
        at = position % (len(tokens) + 1)
        new = {0: [piece], 1: [piece, *tokens[at : at + 1]], 2: [], 3: tokens[at : at + 1] * 2}[action]
        tokens[at : at + 1] = new
    return "".join(tokens)
