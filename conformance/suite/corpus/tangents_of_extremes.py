# Tangents of the larger and the smaller of two, at ties, at NaN and at bounds; integers have none.
x = torch.tensor([nan, nan, 1.0, 1.0, 1.0, inf, -inf])
y = torch.tensor([nan, 1.0, nan, 1.0, 2.0, 1.0, 1.0])
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, torch.arange(7.0))
    e = torch.autograd.forward_ad.make_dual(y, torch.arange(7.0) * -10)
    a = [torch.autograd.forward_ad.unpack_dual(torch.maximum(d, e)).tangent, torch.autograd.forward_ad.unpack_dual(torch.minimum(x, e)).tangent]
    b = [torch.autograd.forward_ad.unpack_dual(torch.fmax(d, e)).tangent, torch.autograd.forward_ad.unpack_dual(torch.fmin(d, y)).tangent]
    c = [torch.autograd.forward_ad.unpack_dual(torch.clamp(d, e, x)).tangent, torch.autograd.forward_ad.unpack_dual(torch.clamp(d, max=e)).tangent]
    f = [torch.autograd.forward_ad.unpack_dual(torch.clamp_min(d, e)).tangent, torch.autograd.forward_ad.unpack_dual(torch.clamp_max(x, e)).tangent]
    g = torch.autograd.forward_ad.unpack_dual(torch.scatter(d, 0, torch.tensor([0]), e)).tangent
    h = torch.autograd.forward_ad.unpack_dual(d[3:5].int())
    i = torch.autograd.forward_ad.unpack_dual(torch.sort(e)[1])
