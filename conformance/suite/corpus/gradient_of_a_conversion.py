# The gradient of a conversion has the dtype of what was converted, also where the leaf takes gradients of any.
x = torch.tensor([1.0, 2.0], requires_grad=True)
x.grad_dtype = None
y = x.bfloat16() * 2
y.sum().backward()
x.grad = None
y = x.to(torch.complex64)
y.backward(torch.tensor([1j, 2.0 + 1j]))
x.grad = None
y = torch.zeros(2, dtype=torch.float64)
y.copy_(x)
y.sum().backward()
z = torch.neg(x)
z.grad_dtype = torch.float32
