# Aliases of an inference tensor: detach() and .data count writes outside inference mode and not inside, view(dtype) is a
# normal tensor, and a tensor that is given normal data has no counter all the same.
with torch.inference_mode():
    a = torch.ones(2, 4)
    b = torch.ones(2, 4, requires_grad=True)
c = a.detach()
d = a.data
e = a.view(torch.float32)
c.mul_(2)
d.mul_(2)
e.mul_(2)
with torch.inference_mode():
    c.mul_(2)
    d.mul_(torch.ones(1))
    e.mul_(2)
    f = c.detach()
    b.resize_(2)
e.requires_grad_()
g = torch.asarray(b)
torch.exp(b, out=a)
torch.mul(b, 2, out=b)
a.data = torch.ones(3)
h = a.detach()
h.mul_(2)
i = a.view(-1)
torch.autograd.graph.increment_version(a)
