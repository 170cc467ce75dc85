# Jacobians by tensors without elements have a history all the same.
x = torch.tensor([], requires_grad=True)
a = torch.func.hessian(lambda u: (u * u).sum())(x)
b = torch.func.jacfwd(lambda u: u * u)(x)
c = torch.func.jacrev(lambda u: u * u)(x)
