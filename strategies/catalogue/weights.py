"""How often an operation is drawn within its family: one of five classes.

A campaign of some thousand programs is to reach every operation, and to meet those that programs are made of in many
situations. Families are weighed in `strategies.profiles`.
"""

from __future__ import annotations

STAPLE, COMMON, USUAL, RARE, NEVER = 60, 24, 8, 5, 0

_STAPLES = """
add clone copy_ div exp matmul max mean min mul reshape sub sum to transpose view
"""

_COMMON = """
abs clamp cos log maximum minimum neg pow relu sigmoid sin sqrt tanh
argsort isnan sort topk
all amax amin any argmax argmin cumsum log_softmax logsumexp norm prod softmax std var
addmm bmm dot mm mv tril triu
fill_ gather index_add index_put index_select masked_fill masked_select nonzero scatter zero_
chunk diagonal expand flatten narrow permute select split squeeze t unbind unsqueeze
cat contiguous flip repeat stack
item
"""

# Other names of what is drawn under its first, and what says little of a tensor.
_RARE = """
absolute absolute_ arccos arccosh arcsin arcsinh arctan arctan2 arctanh clip conj_physical_ divide fix float_power_ multiply
negative rad2deg deg2rad square_ subtract true_divide abs_
greater greater_equal less less_equal not_equal
ger linalg.matmul linalg.det linalg.slogdet linalg.matrix_power linalg.diagonal linalg.cross
moveaxis resolve_neg swapaxes swapaxes_ swapdims swapdims_
concat concatenate row_stack
as_tensor asarray empty_strided new_empty_strided scalar_tensor tensor tril_indices triu_indices
can_cast cpu is_signed is_complex is_floating_point is_nonzero promote_types
get_device is_conj is_neg is_inference is_same_size
"""

# Hooks, backward, numpy() and their like are statements of their own kinds; a seed is drawn where it is needed; what
# cuda does depends on the machine and on how torch was built.
_NEVER = """
cuda
alias numpy detach detach_ backward requires_grad_ retain_grad register_hook set_ manual_seed initial_seed seed from_numpy
data_ptr Generator
"""

_CLASS_OF = {
    name: weight
    for weight, names in ((STAPLE, _STAPLES), (COMMON, _COMMON), (RARE, _RARE), (NEVER, _NEVER))
    for name in names.split()
}


def weight_of(name: str, *, overload: int = 0, deprecated: bool = False) -> int:
    """The weight of an operation's overload by its public name; further overloads count half, deprecated ones hardly."""
    weight = _CLASS_OF.get(name, NEVER if name.startswith("_") else USUAL)
    if deprecated:
        return min(weight, 1)
    return weight // 2 if overload else weight
