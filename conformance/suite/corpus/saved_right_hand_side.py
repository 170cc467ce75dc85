# The right-hand side of cholesky_solve is saved for backward: neither may it change nor be an inference tensor.
x = torch.ones(2, 1)
y = torch.cholesky_solve(x, torch.eye(2).requires_grad_())
x.add_(1)
y.sum().backward()
with torch.inference_mode():
    z = torch.ones(2, 1)
w = torch.cholesky_solve(z, torch.eye(2).requires_grad_())
