# What a function gives for a single example is no view of it that stands for all.
x = torch.tensor([1.0], requires_grad=True)
y = torch.vmap(lambda u: torch.neg(u))(x)
z = torch.transpose(y, 0, 0)
torch.autograd.backward(x, inputs=[y])
torch.neg_(y)
z.backward()
