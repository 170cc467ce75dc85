# With out=, that an operand requires grad is looked at before its tangent.
x = torch.tensor(1.0, requires_grad=True)
w = torch.tensor(2.0)
r = torch.tensor(0.0)
with torch.autograd.forward_ad.dual_level():
    y = torch.autograd.forward_ad.make_dual(x, w)
    torch.div(y, 1, out=x)
    torch.div(y, 1, out=r)
    z = torch.autograd.forward_ad.make_dual(w, w)
    torch.div(z, 1, out=r)
    torch.exp(w, out=z)
    torch.div(z, 1, out=x)
