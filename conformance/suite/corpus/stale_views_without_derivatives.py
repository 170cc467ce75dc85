# A view that has no history is refused by what would record, also where nothing is to be differentiated.
x = torch.tensor([1.0], requires_grad=True)
with torch.no_grad():
    a = x.view(1)
torch.autograd.graph.increment_version(x)
b = torch.nonzero_static(a, size=1)
b = torch.argsort(a)
b = torch.isfinite(a)
b = torch.isnan(a)
b = torch.allclose(a, a)
with torch.no_grad():
    b = torch.argsort(a)
    b = torch.isfinite(a)
