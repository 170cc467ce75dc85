# What a hook unpacks of an operation's result has the tangent that the result had.
x = torch.tensor(1.0)
with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
    with torch.autograd.forward_ad.dual_level():
        d = torch.autograd.forward_ad.make_dual(x, torch.tensor(1.0))
        d.requires_grad_()
        y = torch.exp(d)
        g, = torch.autograd.grad(y, d, create_graph=True)
        h = torch.autograd.forward_ad.unpack_dual(g)
with torch.autograd.graph.allow_mutation_on_saved_tensors():
    y = torch.autograd.functional.hessian(lambda u: torch.exp(u), x, vectorize=True, outer_jacobian_strategy='forward-mode')
with torch.autograd.graph.saved_tensors_hooks(lambda t: t * 2, lambda t: t / 2):
    with torch.autograd.forward_ad.dual_level():
        d = torch.autograd.forward_ad.make_dual(x, torch.tensor(1.0))
        d.requires_grad_()
        e = torch.tanh(d) * d
        g, = torch.autograd.grad(e, d, create_graph=True)
        h = torch.autograd.forward_ad.unpack_dual(g)
with torch.autograd.graph.allow_mutation_on_saved_tensors():
    y = torch.autograd.functional.hessian(lambda u: u ** 2, x, vectorize=True, outer_jacobian_strategy='forward-mode')
