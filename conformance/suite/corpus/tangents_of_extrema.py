# The tangent of the greater of two is the second one's and a part of the difference, which is NaN beside an infinite one.
x = torch.tensor([inf, 1.0, 2.0, -inf, nan])
y = torch.tensor([0.5, inf, 2.0, 1.0, 1.0])
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x, x)
    b = torch.autograd.forward_ad.make_dual(y, y)
    c = torch.autograd.forward_ad.unpack_dual(torch.maximum(a, y))
    d = torch.autograd.forward_ad.unpack_dual(torch.min(x, b))
    e = torch.autograd.forward_ad.unpack_dual(torch.fmax(a, b))
    f = torch.autograd.forward_ad.unpack_dual(torch.fmin(b, a))
