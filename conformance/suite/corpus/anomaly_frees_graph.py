# A gradient that is not a number ends a backward under anomaly detection after the node that made it has given up what it
# saved, so another backward meets a freed graph.
x = torch.tensor([4.0], requires_grad=True)
y = torch.sqrt(x)
g = torch.tensor([nan])
with torch.autograd.set_detect_anomaly(True):
    y.backward(g)
y.backward(g)
z = x.grad
