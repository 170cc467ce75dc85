# A vectorized Jacobian is given the rows of an identity, so it may be complex.
x = torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([0.5, -1.0]))
y = torch.autograd.functional.jacobian(lambda u: (u * u,), x, vectorize=True)
z = torch.autograd.functional.jacobian(lambda u: u * u, x)
