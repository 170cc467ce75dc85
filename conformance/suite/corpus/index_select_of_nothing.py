# The kernel that torch has for matrices has another error than that for vectors, for those without elements, too.
x = torch.zeros(0)
i = torch.tensor([1])
y = torch.index_select(x, 0, i)
y = torch.index_select(torch.zeros(2), 0, torch.tensor([2]))
y = torch.index_select(torch.zeros(2, 0), 0, torch.tensor([2]))
y = torch.index_select(torch.zeros(0, 2), 1, torch.tensor([2]))
y = torch.index_select(torch.zeros(0, 2), 0, i)
y = torch.index_select(x, 0, torch.tensor([], dtype=torch.int64))
