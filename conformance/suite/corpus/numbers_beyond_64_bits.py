# Item assignment takes integers of 64 bits, whatever the dtype; fill_ and factories take what the dtype can hold.
x = torch.ones(2)
x[0] = 18446744073709551615
x[0] = 9223372036854775808
x[0] = -9223372036854775808
x.fill_(18446744073709551615)
y = torch.ones(2, dtype=torch.complex64)
y[:] = 9223372036854775808
z = torch.tensor(1.0, True)
