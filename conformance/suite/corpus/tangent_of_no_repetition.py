# The tangent of what is repeated is repeated itself, so that it has a history where there are no elements, too.
a = torch.tensor([[8.0, 6.0], [-3.0, -2.0]], requires_grad=True)
with torch.autograd.forward_ad.dual_level():
    b = torch.autograd.forward_ad.make_dual(a, a)
    c = b.tile((0, 1))
    d = torch.autograd.forward_ad.unpack_dual(c).tangent
    e = torch.autograd.forward_ad.unpack_dual(b.repeat(2, 1)).tangent
e.sum().backward()
