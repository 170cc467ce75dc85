"""Programs about aliasing: every view by every state of its base by every write, through the view and through the base.

Each makes a base `a` (of a leaf `x`), a view `v` of it, writes, and looks at what the backward pass makes of it, twice
differentiated. What a state or a write comes to on a view that refuses it is part of the comparison.

Sources: https://docs.pytorch.org/docs/stable/tensor_view.html,
https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd and
https://docs.pytorch.org/docs/stable/autograd.html#in-place-operations-on-tensors
"""

from __future__ import annotations

from collections.abc import Iterator

DATA = "[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]"
COMPLEX_DATA = "[[1+1j, 2j], [3-1j, 4+2j]]"

# How a view of `a` (2 x 4) is made. What gives several outputs is taken apart, so that another of them is alive.
VIEWS = {
    "narrow": "v = a.narrow(-1, 1, 2)", "select": "v = a.select(0, 1)", "transpose": "v = a.transpose(0, -1)", "t": "v = a.t()",
    "permute": "v = a.permute(1, 0)", "movedim": "v = a.movedim(0, -1)", "swapaxes": "v = a.swapaxes(0, 1)", "T": "v = a.T",
    "mT": "v = a.mT", "expand": "v = a.expand(2, 2, 4)", "expand-as-it-is": "v = a.expand(2, 4)",
    "broadcast_to": "v = a[:, :1].broadcast_to(2, 3)", "view": "v = a.view(4, 2)", "view-as-it-is": "v = a.view(2, 4)",
    "view_as": "v = a.view_as(torch.ones(8))", "reshape": "v = a.reshape(-1)", "reshape-copy": "v = a.t().reshape(-1)",
    "flatten": "v = a.flatten()", "unflatten": "v = a.unflatten(-1, (2, 2))", "ravel": "v = a.ravel()",
    "squeeze": "v = a[:1].squeeze()", "unsqueeze": "v = a.unsqueeze(0)", "unfold": "v = a.unfold(-1, 2, 2)",
    "unfold-overlapping": "v = a.unfold(-1, 2, 1)", "diagonal": "v = a.diagonal()",
    "as_strided": "v = a.as_strided((2, 2), (4, 1), 1)", "as_strided-overlapping": "v = a.as_strided((2, 2), (1, 1))",
    "unbind": "v, u = a.unbind()", "split": "u, v = a.split(1)", "chunk": "v, u = a.chunk(2, -1)",
    "tensor_split": "v, u = a.tensor_split(2, -1)", "hsplit": "v, u = a.hsplit(2)", "detach": "v = a.detach()",
    "data": "v = a.data", "view-dtype": "v = a.view(torch.float32)", "view-other-dtype": "v = a.view(torch.int32)",
    "contiguous": "v = a.contiguous()", "integer": "v = a[1]", "slice": "v = a[:, ::2]", "ellipsis": "v = a[...]",
    "newaxis": "v = a[None]", "element": "v = a[1, 2]", "view_as_complex": "v = torch.view_as_complex(a.view(2, 2, 2))",
    "broadcast_tensors": "v, u = torch.broadcast_tensors(a, torch.ones(2, 4))", "view-of-view": "v = a[1:].t()[1:3]",
    "view-of-part": "v = a.unbind()[1].view(2, 2)",
}  # fmt: skip
COMPLEX_VIEWS = {
    "real": "v = a.real", "imag": "v = a.imag", "view_as_real": "v = torch.view_as_real(a)",
    "real-part-of-view_as_real": "v = torch.view_as_real(a)[..., 0]",
    "there-and-back": "v = torch.view_as_complex(torch.view_as_real(a).view(4, 2))",
}  # fmt: skip

# What the base is, and the mode that the view is made in. `{v}` is the line that makes the view.
STATES = {
    "plain": "x = torch.tensor({data})\na = x\n{v}\n",
    "leaf": "x = torch.tensor({data}, requires_grad=True)\na = x\n{v}\n",
    "computed": "x = torch.tensor({data}, requires_grad=True)\na = x * 2\n{v}\n",
    "saved": "x = torch.tensor({data}, requires_grad=True)\na = x.exp()\n{v}\np = v * v\n",
    "view": "x = torch.tensor({data}, requires_grad=True)\ny = x * 2\na = y[:]\n{v}\n",
    "written": "x = torch.tensor({data}, requires_grad=True)\na = x * 2\na[0] = w\n{v}\n",
    "no_grad": "x = torch.tensor({data}, requires_grad=True)\na = x * 2\nwith torch.no_grad():\n    {v}\n",
    "leaf-no_grad": "x = torch.tensor({data}, requires_grad=True)\na = x\nwith torch.no_grad():\n    {v}\n",
    "inference_mode": "x = torch.tensor({data}, requires_grad=True)\na = x * 2\nwith torch.inference_mode():\n    {v}\n",
    "requires-grad-later": "x = torch.tensor({data})\na = x\n{v}\na.requires_grad_()\n",
    "inference-tensor": "with torch.inference_mode():\n    x = torch.tensor({data})\na = x\n{v}\n",
    "retained": "x = torch.tensor({data}, requires_grad=True)\na = x * 2\n{v}\na.retain_grad()\nv.retain_grad()\n",
}  # fmt: skip

# Writes to `{t}`.
WRITES = {
    "number": "{t}.mul_(2)", "differentiable": "{t}.mul_(w)", "saves-result": "{t}.tanh_()", "item": "{t}[..., 0] = w",
    "augmented": "{t} += 1", "fill_": "{t}.fill_(w)", "copy_": "{t}.copy_(w)", "copy_-of-alias": "{t}.copy_({t}.detach())",
    "out": "torch.mul({t}, 2, out={t})", "out-detached": "torch.mul({t}.detach(), 2, out={t}.detach())",
    "no_grad": "with torch.no_grad():\n    {t}.mul_(2)", "inference_mode": "with torch.inference_mode():\n    {t}.mul_(2)",
    "detach": "{t}.detach().mul_(2)", "data": "{t}.data.mul_(2)", "numpy": "n = {t}.detach().numpy()\nn *= 2",
    "function": "prelude.double_({t})", "set_": "{t}.set_(torch.ones(3))",
    "set_-no_grad": "with torch.no_grad():\n    {t}.set_()",
    "resize_": "{t}.resize_(2)", "as_strided_": "{t}.as_strided_((2,), (1,))", "transpose_": "{t}.transpose_(0, -1)",
    "t_": "{t}.t_()", "squeeze_": "{t}.squeeze_()", "unsqueeze_": "{t}.unsqueeze_(0)", "detach_": "{t}.detach_()",
    "requires_grad_": "{t}.requires_grad_()", "replaced": "{t}.data = torch.ones(2, 2)",
    "failing": "{t}.add_(torch.ones(5, 5, 5))",
    "twice": "{t}.mul_(w)\n{t}.view(-1).mul_(2)",
}  # fmt: skip
# Through the base instead of the view: one of each kind.
BASE_WRITES = (
    "differentiable",
    "no_grad",
    "inference_mode",
    "set_-no_grad",
    "transpose_",
    "detach_",
    "replaced",
)

_LEAF = "w = torch.tensor(0.5, requires_grad=True)\n"
_END = """y = v.sum() + a.sum()
y.backward(retain_graph=True)
g = torch.autograd.grad((a * a * a).sum(), [x, w], create_graph=True, allow_unused=True)
h = torch.autograd.grad(g[0].sum(), [x, w], allow_unused=True)
"""


def names() -> list[str]:
    """The views: those of real tensors, then those of complex ones."""
    return [*VIEWS, *COMPLEX_VIEWS]


def programs_of(view: str, max_examples: int) -> Iterator[str]:
    """The programs about one view, at most about so many, spread so that each write and each state is there.

    With `max_examples` 432 every write meets every state.
    """
    data = DATA if view in VIEWS else COMPLEX_DATA
    line = VIEWS.get(view) or COMPLEX_VIEWS[view]
    writes = [write.format(t="v") for write in WRITES.values()]
    writes += [WRITES[name].format(t="a") for name in BASE_WRITES]
    share = max(1, len(STATES) * len(writes) // max_examples)
    turn = names().index(view)
    for i, state in enumerate(STATES.values()):
        start = _LEAF + state.format(data=data, v=line)
        for j, write in enumerate(writes):
            if (turn + i + j) % share == 0:
                yield f"{start}{write}\n{_END}"
