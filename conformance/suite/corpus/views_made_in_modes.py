# A view keeps the mode that it was made in: inference mode for good, no_grad until a function gives several views of it.
x = torch.ones(4, 4, requires_grad=True)
a = x * 2
with torch.inference_mode():
    b = a[:2]
with torch.no_grad():
    c = b[0]
    d = a.unbind()[0]
    e = a[0]
f = b.unbind()[0]
g = e.split(2)[0]
c.mul_(2)
f.mul_(2)
d.mul_(2)
g.mul_(2)
