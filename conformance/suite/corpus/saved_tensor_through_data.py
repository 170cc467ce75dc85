# A change through detach() is noticed by backward, a change through .data is not and gives another gradient.
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x.sigmoid()
y.data.zero_()
y.sum().backward()
z = x.sigmoid()
c = z.detach()
c.zero_()
z.sum().backward()
