# The tangent of what is filled is a tangent that is filled, and so it has a history where that has one.
x = torch.tensor([1.0, 2.0], requires_grad=True)
v = torch.tensor(3.0, requires_grad=True)
p = torch.ones(2)
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, x)
    w = torch.autograd.forward_ad.make_dual(v, v)
    a = torch.autograd.forward_ad.unpack_dual(torch.fill(d, 1.0))
    b = torch.autograd.forward_ad.unpack_dual(torch.fill(d, w))
    c = torch.autograd.forward_ad.unpack_dual(torch.fill(p, w))
    e = torch.autograd.forward_ad.unpack_dual(torch.fill(d, v))
    f = torch.autograd.forward_ad.unpack_dual(torch.fill(torch.autograd.forward_ad.make_dual(p, p), 2.0))
    b[1].sum().backward()
