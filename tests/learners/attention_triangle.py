import torch
import torch.nn as nn
import torch.nn.functional as F


class MaskedSelfAttention(nn.Module):
    """Decoder self-attention: position t sees 0..t. The mask is made on the fly."""

    def __init__(self, emb, heads=3):
        super().__init__()
        assert emb % heads == 0
        self.emb, self.heads = emb, heads

        self.tokeys = nn.Linear(emb, emb, bias=False)
        self.toqueries = nn.Linear(emb, emb, bias=False)
        self.tovalues = nn.Linear(emb, emb, bias=False)
        self.unifyheads = nn.Linear(emb, emb)

    def forward(self, x):
        b, t, e = x.size()
        h = self.heads
        s = e // h

        keys = self.tokeys(x)
        queries = self.toqueries(x)
        values = self.tovalues(x)

        keys = keys.view(b, t, h, s).transpose(1, 2).contiguous().view(b * h, t, s)
        queries = queries.view(b, t, h, s).transpose(1, 2).contiguous().view(b * h, t, s)
        values = values.view(b, t, h, s).transpose(1, 2).contiguous().view(b * h, t, s)

        # scale both instead of the product: saves memory
        queries = queries / (s ** (1 / 4))
        keys = keys / (s ** (1 / 4))

        dot = torch.bmm(queries, keys.transpose(1, 2))
        # -- dot has size (b*h, t, t) containing raw weights

        allowed = torch.tril(torch.ones(t, t, device=x.device)).bool()
        dot = torch.where(allowed, dot, torch.full_like(dot, -1e9))

        dot = F.softmax(dot, dim=2)
        # -- dot now contains row-wise normalized weights

        out = torch.bmm(dot, values).view(b, h, t, s)
        out = out.transpose(1, 2).contiguous().view(b, t, s * h)
        return self.unifyheads(out)


if __name__ == '__main__':
    att = MaskedSelfAttention(emb=12)
    x = torch.randn(2, 5, 12)
    y = att(x)
    x[:, 3] = 0
    print("past unchanged:", torch.allclose(att(x)[:, :3], y[:, :3]))  # should be True
