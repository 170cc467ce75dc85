# Signed zeros, infinities and NaN through arithmetic, extrema, sorting and comparison.
x = torch.tensor([0.0, -0.0, inf, -inf, nan, 1.0])
a = -x
b = x * -0.0
c = x / 0.0
d = torch.max(x)
e = torch.maximum(x, torch.zeros(6))
f = torch.fmax(x, torch.zeros(6))
g = torch.sort(x)
h = x.argmax()
k = torch.eq(x, x)
m = torch.sign(x)
n = torch.round(torch.tensor([0.5, 1.5, -0.5, 2.5]))
o = x.clamp(-1, 1)
p = torch.sqrt(x)
q = x.sum()
r = torch.nan_to_num(x)
