# What a graph outside of a forward transform would keep of an inference tensor is refused as anywhere.
f = torch.tensor(1.0, requires_grad=True)
with torch.inference_mode():
    m = torch.neg(f)
n = torch.func.jvp(lambda u, v: u * v, (f, m), (f, f))
n = torch.func.jvp(lambda u: u * u, (m,), (f,))
n = torch.func.jvp(lambda u, v: u + v, (f, m), (f, f))
n = torch.func.jvp(lambda u: torch.exp(u), (m,), (m,))
n = torch.func.jvp(lambda u: u.view(1) * f, (m,), (m,))
