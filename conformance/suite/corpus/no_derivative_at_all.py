# What torch has no rule about for autograd, not even that there is no derivative: refused with tangents, and with gradients
# when backward comes to it.
w = torch.tensor([1.0, 2.0], requires_grad=True)
i = torch.tensor([1, 2])
a = torch.bincount(i, w)
b = a.grad_fn
a.sum().backward()
n = torch.nonzero_static(w, size=1)
x = torch.tensor([1.0, 2.0])
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, x)
    c = torch.nonzero_static(d, size=1)
    e = torch.bincount(i, d)
