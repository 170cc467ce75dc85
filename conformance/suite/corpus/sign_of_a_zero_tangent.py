# A tangent of zero keeps its sign beside an operand that has none.
x = torch.tensor(-1.0, requires_grad=True)
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x * 1, torch.tensor(0.0))
    b = torch.autograd.forward_ad.unpack_dual(a / x).tangent
