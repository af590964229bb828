from typing import Any

import torch
from torch import Tensor, nn


class AttentionHead(nn.Module):
    """One head, dim_in -> dim_k"""

    def __init__(self, dim_in: int, dim_k: int):
        super().__init__()
        self.q = nn.Linear(dim_in, dim_k)
        self.k = nn.Linear(dim_in, dim_k)
        self.v = nn.Linear(dim_in, dim_k)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Any = None) -> Tensor:
        return scaled_dot_product_attention(self.q(query), self.k(key), self.v(value), mask)


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, mask: Any = None) -> Tensor:
    temp = query.bmm(key.transpose(1, 2))
    scale = query.size(-1) ** 0.5
    temp = temp / scale
    if mask is not None:
        temp = temp + torch.zeros_like(temp).masked_fill(~mask, float("-inf"))
    softmax = torch.nn.functional.softmax(temp, dim=-1)
    return softmax.bmm(value)


class MultiHeadAttention(nn.Module):
    """All heads one after the other, their outputs concatenated"""

    def __init__(self, num_heads: int, dim_in: int, dim_k: int = None):
        super().__init__()
        dim_k = dim_k or dim_in // num_heads
        self.heads = nn.ModuleList(
            [AttentionHead(dim_in, dim_k) for _ in range(num_heads)]
        )
        self.linear = nn.Linear(num_heads * dim_k, dim_in)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Any = None) -> Tensor:
        return self.linear(
            torch.cat([head(query, key, value, mask) for head in self.heads], dim=-1)
        )


if __name__ == "__main__":
    mha = MultiHeadAttention(num_heads=2, dim_in=8)
    t = torch.randn(4, 6, 8)
    print(mha(t, t, t).size())
