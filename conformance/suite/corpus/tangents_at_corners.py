# Tangents where derivatives have corners: at zeros, at NaN, of no elements at all; some are the operand's tangent itself.
x = torch.tensor([0.0, -0.0, 1.0, -1.0])
t = torch.tensor([0.5, -1.0, 2.0, 3.0])
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, t)
    a = torch.autograd.forward_ad.unpack_dual(torch.sinc(d)).tangent
    b = torch.autograd.forward_ad.unpack_dual(torch.atan2(d, d.flip(0))).tangent
    c = torch.autograd.forward_ad.unpack_dual(torch.float_power(d, d)).tangent
    e = torch.autograd.forward_ad.unpack_dual(torch.linalg.vector_norm(d[:2], 3)).tangent
    f = torch.autograd.forward_ad.unpack_dual(torch.polar(d, d)).tangent
    g = torch.autograd.forward_ad.unpack_dual(torch.frac(d)).tangent
    h = torch.autograd.forward_ad.unpack_dual(d % 2).tangent
    i = torch.autograd.forward_ad.unpack_dual(d[:0].mean()).tangent
    j = torch.autograd.forward_ad.unpack_dual(torch.logsumexp(d[:0], 0)).tangent
    k = torch.autograd.forward_ad.unpack_dual(torch.std_mean(d[:0])[1]).tangent
    l = torch.autograd.forward_ad.unpack_dual((d / 0.0).nansum()).tangent
    m = torch.autograd.forward_ad.unpack_dual((d / d).max()).tangent
    n = torch.autograd.forward_ad.unpack_dual(torch.nextafter(x, d)).tangent
    o = torch.autograd.forward_ad.unpack_dual(torch.sgn(torch.complex(d, d))).tangent
    p = torch.autograd.forward_ad.unpack_dual(torch.angle(torch.complex(d, d))).tangent
    q = torch.autograd.forward_ad.unpack_dual(torch.scatter_add(d, 0, torch.tensor([1]), d)).tangent
    r = torch.autograd.forward_ad.unpack_dual(torch.as_strided_scatter(d, d[:2], (2,), (1,))).tangent
    s = torch.autograd.forward_ad.unpack_dual(torch.complex(d, d).float()).tangent
    d.clone().resize_(2)
