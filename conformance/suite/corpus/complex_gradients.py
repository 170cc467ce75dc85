# The gradient of a real function of complex numbers is the conjugate one; views as real share memory.
z = torch.tensor([1 + 2j, -0.5 + 1j], requires_grad=True)
a = (z * z.conj_physical()).real.sum()
a.backward()
g = z.grad.clone()
z.grad = None
z.abs().sum().backward()
h = z.grad.clone()
z.grad = None
r = torch.view_as_real(z)
(r * torch.tensor([1.0, 2.0])).sum().backward()
w = torch.zeros(2, dtype=torch.complex64)
w.real.copy_(torch.tensor([1.0, 2.0]))
v = w.imag
v.add_(3)
(z * 2).sum().backward()
