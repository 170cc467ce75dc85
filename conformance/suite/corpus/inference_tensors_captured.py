# A transform keeps inference tensors that it captures for its own backward, and works in inference mode; a graph of the user's
# cannot keep them.
with torch.inference_mode():
    x = torch.tensor([1.0, 2.0])
    a = torch.func.grad(lambda u: (x * u * u).sum())(x)
    b = torch.func.jacfwd(lambda u: x * u)(torch.ones(2))
    c = torch.func.jvp(lambda u: u * u * x, (x,), (x,))
    d = a.is_inference()
y = torch.tensor([1.0, 2.0])
e = torch.func.hessian(lambda u: (u.pow(x) * u * x).sum())(y)
f = torch.func.jvp(lambda u: u * x, (y,), (x,))
g = torch.vmap(torch.func.grad(lambda u: (u * x).sum()))(torch.ones(3, 2))
with torch.autograd.forward_ad.dual_level():
    h = torch.autograd.forward_ad.make_dual(torch.ones(2), torch.ones(2))
    i = torch.cumprod(h * x, 0).pow(x)
y.requires_grad_()
j = torch.func.vjp(lambda u: u + x, y)[0]
k = torch.func.grad(lambda u: (u * x).sum())(y)
