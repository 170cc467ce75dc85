# What has a tangent is not resized, whatever it is resized to; what it is resized like may have one.
x = torch.tensor([1.0, 2.0])
z = torch.tensor(3.0)
with torch.autograd.forward_ad.dual_level():
    y = torch.autograd.forward_ad.make_dual(x, x)
    y.resize_as_(z)
    y.resize_as_(y)
    y.resize_(2)
    z.resize_as_(y)
    z.resize_as_(x)
