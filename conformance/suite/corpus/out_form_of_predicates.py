# With duals no operation writes to out=, not even one without a derivative.
x = torch.tensor([1.0, 2.0])
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, x)
    a = torch.any(d, out=torch.tensor(True))
    b = torch.eq(d, x, out=torch.tensor([True, True]))
    c = torch.argmax(d, out=torch.tensor(0))
    e = torch.logical_not(d, out=torch.tensor([True, True]))
    f = torch.std(d, 0, out=torch.tensor(0.0))
    g = torch.softmax(d, 0, out=torch.tensor([0.0, 0.0]))
