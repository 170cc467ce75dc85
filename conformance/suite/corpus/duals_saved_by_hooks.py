# A dual whose result is saved by a pack hook.
x = torch.tensor(1.0)
with torch.autograd.forward_ad.dual_level():
    y = torch.autograd.forward_ad.make_dual(x, x)
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        x.requires_grad_()
        z = torch.exp(y)
        t = torch.autograd.forward_ad.unpack_dual(z).tangent
