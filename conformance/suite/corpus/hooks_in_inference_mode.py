# The node of a leaf is found behind a view, which has no history in inference mode.
x = torch.tensor(1.0, requires_grad=True)
with torch.inference_mode():
    a = torch.autograd.graph.register_multi_grad_hook((x,), lambda g: g)
with torch.inference_mode():
    b = torch.autograd.graph.get_gradient_edge(x)
with torch.inference_mode():
    c = torch.autograd.graph.register_multi_grad_hook((x,), lambda g: g, mode='any')
y = x * 2
with torch.inference_mode():
    d = torch.autograd.graph.register_multi_grad_hook((y,), lambda g: g)
y.backward()
