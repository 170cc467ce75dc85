# A transform differentiates inference tensors, too; outside of it they are not saved for backward, not even beside a number.
with torch.inference_mode():
    x = torch.tensor([1.0, 2.0])
    y = torch.tensor(1.0, requires_grad=True)
a = torch.func.grad(lambda u: (u * u).sum())(x)
b = torch.func.jacrev(lambda u: u.clone().mul_(u))(x)
c = torch.func.grad_and_value(lambda u: u[0])(x)
d = torch.autograd.functional.jacobian(lambda u: u * u, x)
e = 1.0 % y
