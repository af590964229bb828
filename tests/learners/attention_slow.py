# Slow on purpose! I wanted to see every number.
import torch
import torch.nn as nn
import math


class SlowAttention(nn.Module):
    def __init__(self, num_heads, model_dim):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = model_dim // num_heads
        self.wq = nn.ModuleList()
        self.wk = nn.ModuleList()
        self.wv = nn.ModuleList()
        for h in range(num_heads):
            self.wq.append(nn.Linear(model_dim, self.head_dim, bias=False))
            self.wk.append(nn.Linear(model_dim, self.head_dim, bias=False))
            self.wv.append(nn.Linear(model_dim, self.head_dim, bias=False))
        self.wo = nn.Linear(num_heads * self.head_dim, model_dim, bias=False)

    def one_head(self, q, k, v, mask):
        n = len(q)
        rows = []
        for i in range(n):
            scores = []
            for j in range(n):
                s = torch.dot(q[i], k[j]) / math.sqrt(self.head_dim)
                if mask is not None and not mask[i][j]:
                    s = torch.tensor(-float("inf"))
                scores.append(s)
            scores = torch.stack(scores)
            exps = torch.exp(scores - scores.max())
            weights = exps / exps.sum()
            row = torch.zeros(self.head_dim)
            for j in range(n):
                row = row + weights[j] * v[j]
            rows.append(row)
        return torch.stack(rows)

    def forward(self, x, mask=None):
        outputs = []
        for sentence in x:
            heads = []
            for h in range(self.num_heads):
                q = self.wq[h](sentence)
                k = self.wk[h](sentence)
                v = self.wv[h](sentence)
                heads.append(self.one_head(q, k, v, mask))
            outputs.append(torch.cat(heads, dim=1))
        return self.wo(torch.stack(outputs))


if __name__ == "__main__":
    print(SlowAttention(2, 4)(torch.randn(1, 3, 4)))
