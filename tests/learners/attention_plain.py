"""Multi-head self-attention, homework 4."""
import math

import torch
import torch.nn as nn


class CustomMultiHeadAttention(nn.Module):
    def __init__(self, num_heads, model_dim):
        super().__init__()
        assert model_dim % num_heads == 0, "model_dim must be divisible by num_heads"
        self.num_heads = num_heads
        self.model_dim = model_dim
        self.head_dim = model_dim // num_heads

        self.query_proj = nn.Linear(model_dim, model_dim)
        self.key_proj = nn.Linear(model_dim, model_dim)
        self.value_proj = nn.Linear(model_dim, model_dim)
        self.out_proj = nn.Linear(model_dim, model_dim)

    def split_heads(self, x):
        # (B, T, M) -> (B, heads, T, head_dim)
        batch, length, _ = x.shape
        x = x.view(batch, length, self.num_heads, self.head_dim)
        return x.transpose(1, 2)

    def merge_heads(self, x):
        # (B, heads, T, head_dim) -> (B, T, M)
        batch, _, length, _ = x.shape
        x = x.transpose(1, 2).contiguous()
        return x.view(batch, length, self.model_dim)

    def forward(self, x, mask=None):
        q = self.split_heads(self.query_proj(x))
        k = self.split_heads(self.key_proj(x))
        v = self.split_heads(self.value_proj(x))

        scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(self.head_dim)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = torch.softmax(scores, dim=-1)

        context = torch.matmul(weights, v)
        output = self.out_proj(self.merge_heads(context))
        return output


if __name__ == "__main__":
    torch.manual_seed(0)
    attention = CustomMultiHeadAttention(num_heads=8, model_dim=64)
    x = torch.randn(2, 10, 64)
    out = attention(x)
    print("output:", out.shape)
    causal = torch.tril(torch.ones(10, 10, dtype=torch.bool))
    print("with mask:", attention(x, causal).shape)
