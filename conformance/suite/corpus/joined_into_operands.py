# What is joined into one of its operands is refused when that has been resized, which warns.
x = torch.tensor(1)
torch.hstack([x], out=x)
y = torch.tensor([1])
torch.stack([y], out=y)
torch.vstack([torch.tensor([2])], out=y)
z = torch.zeros(0)
z.bernoulli_(torch.ones(2))
