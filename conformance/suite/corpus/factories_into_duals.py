# A factory cannot write over what has a tangent; random numbers of a distribution are written before that is noticed.
x = torch.tensor([0.25, 0.5, 0.75])
o = torch.zeros(3)
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x, torch.ones(3))
    o.bernoulli_(a)
    b = torch.normal(a, a, out=o)
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x, torch.ones(3))
    b = torch.rand(3, out=a)
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x, torch.ones(3))
    b = torch.empty(3, out=a)
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x, torch.ones(3))
    b = torch.arange(3, out=a)
