# What a transform returns may be laid out in any way; what is kept beside it and written to it depends on that.
x = torch.ones(3, 2).transpose(0, 1)
y = torch.vmap(lambda u: torch.neg(u), out_dims=1)(x)
z = torch.func.jacfwd(lambda u, v: torch.std(u, 1), 1)(torch.ones(2, 2), torch.ones(4, 1))
with torch.autograd.forward_ad.dual_level():
    t = torch.ones(3, 2)
    a = torch.autograd.forward_ad.make_dual(y, t)
    a[...] = 1.0
    b = torch.autograd.forward_ad.make_dual(z, torch.ones(2, 4, 1))
z.add_(1)
