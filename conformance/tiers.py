"""Which differences count how much: the tier of every aspect, which comes first, and which error texts are documented."""

from __future__ import annotations

import re

DOCUMENTED, INCIDENTAL, REFERENCE = "documented", "incidental", "reference"
RANGE, UNDECIDED = "range", "undecided"

# Which tier an aspect is in, and why. An aspect of an accumulated gradient ("grad.dtype", ...) is in the tier of the
# aspect itself. Where the reason names a condition, `tier_of` decides it.
TIERS: dict[str, tuple[str, str]] = {
    "crash": (DOCUMENTED, "no documented operation ends the process"),
    "hang": (DOCUMENTED, "every program ends within its time limit on the reference"),
    "memory": (DOCUMENTED, "every program fits its memory limit on the reference"),
    "raised": (DOCUMENTED, "whether a call is an error is its meaning; here the candidate's alone"),
    "not raised": (
        DOCUMENTED,
        "the same, where the candidate returned: what it returned may come from memory that was written since",
    ),
    "error type": (DOCUMENTED, "programs catch errors by type"),
    "error text": (
        INCIDENTAL,
        "documented for the texts of DOCUMENTED_TEXTS only, which are compared as they are; torch rewords the others at "
        "will, and they are compared without numbers",
    ),
    "type": (DOCUMENTED, "tensor, number, tuple or named tuple: the signature says which"),
    "attribute": (DOCUMENTED, "an attribute that can be read is part of the interface"),
    "dtype": (DOCUMENTED, "Tensor Attributes: promotion rules, and dtype="),
    "shape": (DOCUMENTED, "broadcasting and every function's own page"),
    "aliasing": (
        DOCUMENTED,
        "Tensor Views; incidental for results of autograd.grad and of transforms, which may share or not",
    ),
    "offset": (DOCUMENTED, "Tensor Views"),
    "strides": (
        DOCUMENTED,
        "Tensor Views; incidental where no address depends on them, and for autograd.grad",
    ),
    "contiguity": (DOCUMENTED, "Tensor Views; incidental for autograd.grad, as strides"),
    "values": (DOCUMENTED, "the function's own page"),
    "signed zero": (
        DOCUMENTED,
        "IEEE 754 decides the sign where it decides the bits; incidental for complex numbers, whose products torch "
        "computes in two ways within one tensor, for operations of several roundings, and for the greater of two zeros",
    ),
    "reference values": (
        REFERENCE,
        "the candidate is within its bound of the wide result, and the reference is not, though it is in wider dtypes: "
        "nothing that the candidate does wrong",
    ),
    "range": (
        RANGE,
        "infinite, NaN or 0 on one side where something overflows or underflows on the way: formulas differ in that",
    ),
    "requires_grad": (DOCUMENTED, "Autograd mechanics"),
    "is_leaf": (DOCUMENTED, "Tensor.is_leaf"),
    "grad_fn": (
        INCIDENTAL,
        "documented: whether there is one, and the name where it is the called operation's",
    ),
    "graph": (
        INCIDENTAL,
        "Autograd mechanics: documented are the leaves that a gradient reaches, which of them from where, and the inputs of "
        "a node that require no grad; how operations are composed of others is not",
    ),
    "grad": (DOCUMENTED, "Tensor.grad: whether there is one"),
    "retains_grad": (DOCUMENTED, "Tensor.retains_grad"),
    "version": (
        DOCUMENTED,
        "Autograd mechanics: changes are counted from where a name is first seen, not absolutely",
    ),
    "warnings": (DOCUMENTED, "deprecations and the like: the category, not the text"),
    "partial effect": (
        INCIDENTAL,
        "what a failing call has written is nowhere stated; documented for what it cannot write",
    ),
}

# What picks one of equal numbers: torch's vector and scalar code pick different ones of 0.0 and -0.0.
EITHER_ZERO = frozenset(
    "max min maximum minimum fmax fmin amax amin aminmax clamp clip clamp_min clamp_max".split()
)
# The layout of a tensor: what follows from an incidental difference in one of these is incidental too.
LAYOUT = frozenset({"strides", "offset", "contiguity", "aliasing"})
# How the nodes of a graph are called and composed, apart from its leaves: what is computed from such a tensor shows it again.
INNER_GRAPH = "inner graph"
# What is recorded of a tensor's history.
GRAPH = frozenset({"grad_fn", "graph"})
# What shows in a name that a node was read into.
OF_NODES = GRAPH | {"type", "attribute"}
# What the graph of the differing tensor explains.
ABOUT_GRAPHS = GRAPH | {"requires_grad", "is_leaf"}
# Differences of an exception or a warning alone: no later state depends on them.
TRANSIENT = frozenset({"error type", "error text", "warnings"})

# Which difference names the cause where one statement shows several, first to last.
PRECEDENCE = {aspect: rank for rank, aspect in enumerate(TIERS)}

# What a text says of the one case and not of the rule: addresses, sizes, numbers that are no part of a name.
_CASE = re.compile(r"0x[0-9a-f]+|[\[(][-\d, ]*[\])]|(?<![\w.])-?\d+(\.\d+)?(e[-+]?\d+)?")


def without_numbers(text: str) -> str:
    """An error text without addresses, sizes and numbers, so that it is the same wherever it comes from."""
    return _CASE.sub("#", text)


# Error texts that the documents show (SEMANTICS section 10). What the groups match is part of the text, numbers too;
# "(?:.*)" is what the documents leave out.
DOCUMENTED_TEXTS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(grad can be implicitly created only for scalar outputs)",
        r"(element \d+ of tensors does not require grad and does not have a grad_fn)",
        r"(Trying to backward through the graph a second time)(?:.*)(Specify retain_graph=True)(?:.*)",
        r"(a leaf Variable that requires grad is being used in an in-place operation\.)",
        r"(one of the variables needed for gradient computation has been modified by an inplace operation: "
        r"\[[^\]]*\[[^\]]*\]\])(?:[^;]*)( is at version \d+; expected version \d+ instead\.)(?:.*)",
        r"(Mismatch in shape: grad_output\[\d+\] has a shape of .*)",
        r"(Can't call numpy\(\) on Tensor that requires grad\. Use tensor\.detach\(\)\.numpy\(\) instead\.)",
        r"(\w+\(\): functions with out=\.\.\. arguments don't support automatic differentiation, "
        r"but one of the arguments requires grad\.)",
        r"(you can only change requires_grad flags of leaf variables\.)(?:.*)",
        r"(view size is not compatible with input tensor's size and stride)(?:.*)(Use \.reshape\(\.\.\.\) instead\.)",
    )
)


def documented_text_differs(got: str, want: str) -> bool:
    """True where `want` is a text the documents show and `got` does not say the same."""
    for pattern in DOCUMENTED_TEXTS:
        expected = pattern.search(want)
        if expected:
            found = pattern.search(got)
            return found is None or found.groups() != expected.groups()
    return False
