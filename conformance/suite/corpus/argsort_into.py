# argsort with out= sorts, which has no history then.
x = torch.tensor(1)
y = torch.tensor(1.0, requires_grad=True)
torch.argsort(y, stable=True, out=x)
with torch.no_grad():
    torch.argsort(y, stable=True, out=x)
torch.argsort(y.detach(), stable=True, out=x)
torch.argsort(y, stable=True, out=y)
z = torch.tensor(1.0)
torch.argsort(z, stable=True, out=y)
