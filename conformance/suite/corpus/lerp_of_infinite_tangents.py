# The tangent of lerp is that of its ends, interpolated: the way from one infinity to another is no number.
a = torch.tensor([1.5, 2.5], dtype=torch.float64)
h = torch.tensor([inf, -1.0], dtype=torch.float64)
x = torch.func.jvp(lambda u: torch.lerp(u, u * 2, 0.25), (a,), (h,))
y = torch.func.jvp(lambda u, v: torch.lerp(u, u, v), (a, a), (h, h))
z = torch.func.jvp(lambda u, v: torch.lerp(a, u, v), (a, a), (h, h))
w = torch.func.jvp(lambda v: torch.lerp(a, a * 2, v), (a,), (h,))
