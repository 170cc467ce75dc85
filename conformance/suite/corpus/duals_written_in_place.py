# Backward names the tensor that was written by the order of torch's derivatives: tangents of products and quotients first.
x = torch.tensor([1.5, 2.5], requires_grad=True)
y = torch.tensor([1.25, 2.0], requires_grad=True)
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.make_dual(x * 1, y * 1)
    c = torch.autograd.forward_ad.make_dual(y * 1, x * 2)
    a.fmod_(c)
    c.mul_(a)
    a.addcmul_(c, c)
    c.fmod_(a)
    t = torch.autograd.forward_ad.unpack_dual(c)
    t.tangent.sum().backward()
with torch.autograd.forward_ad.dual_level():
    z = torch.autograd.forward_ad.make_dual(y * 0.25, torch.ones(2))
    w = z.logit()
    w.sum().backward()
