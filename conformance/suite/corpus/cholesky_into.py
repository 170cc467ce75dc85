# cholesky looks at out= before it looks at numbers, and before it finds that it cannot factorize a dtype.
x = torch.linalg.cholesky(torch.ones(2, 2), out=torch.ones(2, 2, dtype=torch.bfloat16))
x = torch.linalg.cholesky(torch.ones(2, 2, dtype=torch.bfloat16), out=torch.ones(2, 2))
x = torch.linalg.cholesky(torch.ones(2, 2, dtype=torch.bfloat16, requires_grad=True), out=torch.ones(2, 2))
x = torch.linalg.cholesky(torch.ones(2, 3), out=torch.ones(2, 2, dtype=torch.bfloat16))
