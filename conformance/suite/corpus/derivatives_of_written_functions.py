# Derivatives of functions that write in place are those of the same functions that do not, in each mode and to order three.
x = torch.tensor([-2.0, -1.5])
a = torch.func.hessian(lambda u: u.clone().mul_(u).pow_(3).sum())(x)
b = torch.func.hessian(lambda u: u.clone().div_(u * u).sum())(x)
c = torch.func.jacfwd(torch.func.jacfwd(lambda u: u.clone().mul_(u).sum()))(x)
d = torch.func.jacrev(torch.func.hessian(lambda u: (u.clone().mul_(u) * u).sum()))(x)
e = torch.func.jacrev(torch.func.jacrev(torch.func.jacrev(lambda u: (u * u * u).sum())))(x)
