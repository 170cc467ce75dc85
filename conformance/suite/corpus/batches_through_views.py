# A batch of gradients goes through a view whose base was written in place.
a = torch.tensor([[-2.0, 8.0]], requires_grad=True)
b = a.sin()
c = b[..., 0]
c.exp_()
d = torch.autograd.grad(c, [b], torch.arange(2.0).reshape(2, 1), is_grads_batched=True, retain_graph=True)
e = torch.autograd.grad(c, [a], torch.arange(2.0).reshape(2, 1), is_grads_batched=True, retain_graph=True)
f = torch.autograd.grad(c, [a], torch.ones(3, 1), is_grads_batched=True, create_graph=True)
c.backward()
