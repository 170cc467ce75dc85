# Tensors made in inference mode track nothing and cannot enter a recorded graph as saved tensors.
w = torch.tensor([1.0, 2.0], requires_grad=True)
with torch.inference_mode():
    a = torch.ones(2)
    b = w * a
    b.add_(1)
    v = b[0]
    with torch.inference_mode(False):
        c = w * 2
a.add_(1)
d = a * w
e = a + w
a.requires_grad_()
f = a.clone()
g = f * w
g.sum().backward()
h = b.requires_grad
