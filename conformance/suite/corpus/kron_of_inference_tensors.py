# What kron saves is a view of its operands, which inference tensors may not be.
with torch.inference_mode():
    a = torch.ones(2, 2)
x = torch.ones(2, 2, requires_grad=True)
y = torch.kron(x, a)
z = torch.kron(a, x)
b = torch.kron(a, a)
