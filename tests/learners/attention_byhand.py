import torch

# No F.softmax, no nn.functional: everything by hand to understand it


def my_softmax(z, axis):
    z = z - z.max(dim=axis, keepdim=True).values   # for stability
    e = torch.exp(z)
    return e / e.sum(dim=axis, keepdim=True)


class MyLinear(torch.nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = torch.nn.Parameter(torch.empty(n_out, n_in))
        self.b = torch.nn.Parameter(torch.empty(n_out))
        torch.nn.init.uniform_(self.W, -n_in ** -0.5, n_in ** -0.5)
        torch.nn.init.uniform_(self.b, -n_in ** -0.5, n_in ** -0.5)

    def forward(self, x):
        return x @ self.W.T + self.b


class MHA(torch.nn.Module):
    def __init__(self, nheads, dim):
        super().__init__()
        if dim % nheads:
            raise ValueError("dim must be a multiple of nheads")
        self.nheads, self.dim = nheads, dim
        self.hdim = dim // nheads
        self.wq = MyLinear(dim, dim)
        self.wk = MyLinear(dim, dim)
        self.wv = MyLinear(dim, dim)
        self.wo = MyLinear(dim, dim)

    def heads(self, t):
        b, n, _ = t.shape
        return t.view(b, n, self.nheads, self.hdim).transpose(1, 2)

    def forward(self, x, mask=None):
        b, n, d = x.shape
        queries = self.heads(self.wq(x))
        keys = self.heads(self.wk(x))
        values = self.heads(self.wv(x))
        scores = (queries.unsqueeze(3) * keys.unsqueeze(2)).sum(-1)   # (b, h, n, n)
        scores = scores / (self.hdim ** 0.5)
        if mask is not None:
            scores = scores + (~mask) * -1e9
        probs = my_softmax(scores, axis=3)
        mixed = (probs.unsqueeze(-1) * values.unsqueeze(2)).sum(3)    # (b, h, n, k)
        together = mixed.transpose(1, 2).reshape(b, n, d)
        return self.wo(together)


mha = MHA(2, 8)
inp = torch.randn(1, 3, 8)
print(mha(inp).shape)
tri = torch.ones(3, 3).tril() == 1
print(mha(inp, tri)[0, 0])
