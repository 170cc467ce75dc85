# A branch without grad gives its value and no gradient; modes nest and end with their block, also after an error.
x = torch.tensor([3.0, -1.0], requires_grad=True)
with torch.no_grad():
    a = x * 2
    with torch.enable_grad():
        b = x * 2
    y = torch.ones(2) + torch.ones(3)
    c = x * 2
d = x * a + b
with torch.set_grad_enabled(False):
    e = d * 2
    x.mul_(2)
d.sum().backward()
torch.is_grad_enabled()
