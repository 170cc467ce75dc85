# matmul refuses an out= that loses a gradient under its own name, whichever product it comes to.
x = torch.ones(2, 2, requires_grad=True)
y = torch.matmul(x, x, out=torch.empty(2, 2))
y = torch.matmul(x, x[0], out=torch.empty(2))
y = torch.matmul(x[0], x, out=torch.empty(2))
y = torch.matmul(x[0], x[0], out=torch.empty(()))
