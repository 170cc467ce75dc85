# Within a transform the gradient of a product is made of products, else it is divided by each element, which may overflow.
x = torch.tensor([250.0, 262.0, 2.0], dtype=torch.float16)
a = torch.func.hessian(lambda u: u.prod())(x)
b = torch.func.grad(lambda u: torch.prod(u, 0))(x)
c = torch.func.jacfwd(lambda u: u.prod())(x)
d = torch.func.jacrev(lambda u: u.prod())(x)
e = torch.func.jvp(lambda u: torch.prod(u, 0), (x,), (x,))
f = torch.func.vmap(torch.func.grad(lambda u: u.prod()))(torch.stack([x, x + 1]))
h = torch.func.hessian(lambda u: u.prod())(torch.tensor([0.0, 0.0, 3.0]))
