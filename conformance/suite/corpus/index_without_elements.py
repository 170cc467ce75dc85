# An index without elements is not looked at, whatever its dtype.
x = torch.tensor([[]], dtype=torch.complex128)
y = torch.gather(x, 1, x)
