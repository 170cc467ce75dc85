# What an in-place operation saves of its operand has a tangent, too: forwards over backward through writes.
a = torch.tensor([0.5, 8.0], dtype=torch.float64, requires_grad=True)
b = torch.autograd.functional.hessian(lambda u: u.clone().mul_(u).mean(), a, vectorize=True, outer_jacobian_strategy='forward-mode')
c = torch.func.jacfwd(torch.func.jacfwd(torch.func.grad(lambda u: u.clone().pow_(u).mul_(u).sum())))(a)
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(a, torch.ones_like(a))
    e = d.clone()
    e[:1].mul_(d[1])
    f = torch.autograd.grad(e.sum(), d)[0]
    g = torch.autograd.forward_ad.unpack_dual(f).tangent
