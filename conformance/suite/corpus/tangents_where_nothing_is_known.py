# A slice whose norm is not a number is left alone, and so is its tangent; prefixes of a sum before an infinity are finite.
x = torch.tensor([[nan, 2.0], [3.0, 4.0]])
y = torch.tensor([1 + 1j, inf, 3.0])
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x, torch.ones(2, 2))
    b = torch.autograd.forward_ad.unpack_dual(torch.renorm(a, 2, 0, 1.0))
    c = torch.autograd.forward_ad.unpack_dual(a.renorm_(3, 1, 1.0))
    d = torch.autograd.forward_ad.make_dual(y, torch.ones(3) + 0j)
    e = torch.autograd.forward_ad.unpack_dual(torch.logcumsumexp(d, 0))
    f = torch.autograd.forward_ad.unpack_dual(torch.atanh(torch.autograd.forward_ad.make_dual(y, y)))
    g = torch.autograd.forward_ad.unpack_dual(d.cumprod_(0))
