# What cannot be cast into out= is refused before that is resized.
x = torch.tensor([True])
torch.min(torch.tensor(1), out=x)
torch.max(torch.tensor([1, 2]), out=x)
torch.max(torch.tensor(True), out=x)
torch.max(torch.tensor(1.5), out=torch.tensor([1]))
