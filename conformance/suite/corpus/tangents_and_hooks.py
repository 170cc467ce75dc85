# Tangents are no part of a graph, so that they save nothing; matrix products multiply by tangents that are not there.
x = torch.tensor([[1.0, inf], [1.0, 1.0]])
with torch.autograd.graph.saved_tensors_hooks(lambda t: 1.0, lambda t: t):
    with torch.autograd.forward_ad.dual_level():
        d = torch.autograd.forward_ad.make_dual(x, torch.ones(2, 2))
        a = torch.autograd.forward_ad.unpack_dual(torch.exp(d)).tangent
        b = torch.autograd.forward_ad.unpack_dual(torch.prod(d)).tangent
        c = torch.autograd.forward_ad.unpack_dual(torch.addmm(x, d, x)).tangent
        e = torch.autograd.forward_ad.unpack_dual(torch.mm(torch.ones(2, 2), d)).tangent
