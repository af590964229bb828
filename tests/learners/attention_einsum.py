"""Multi-head attention with einsum. a = head, m = model, k = head dim, t/s = positions."""
import torch
from torch import nn, einsum


class EinsumAttention(nn.Module):
    def __init__(self, n_heads, d_model, d_head=None):
        super().__init__()
        d_head = d_head or d_model // n_heads
        self.W_Q = nn.Parameter(torch.empty(n_heads, d_model, d_head))
        self.W_K = nn.Parameter(torch.empty(n_heads, d_model, d_head))
        self.W_V = nn.Parameter(torch.empty(n_heads, d_model, d_head))
        self.W_O = nn.Parameter(torch.empty(n_heads, d_head, d_model))
        for p in self.parameters():
            nn.init.normal_(p, std=0.2)
        self.d_head = d_head

    def forward(self, x, mask=None):
        q = einsum("btm,amk->batk", x, self.W_Q)
        k = einsum("bsm,amk->bask", x, self.W_K)
        v = einsum("bsm,amk->bask", x, self.W_V)

        attn_scores = einsum("batk,bask->bats", q, k) / self.d_head**0.5
        if mask is not None:
            attn_scores = torch.where(mask, attn_scores, torch.tensor(-1e5))
        pattern = attn_scores.softmax(-1)

        z = einsum("bats,bask->batk", pattern, v)
        return einsum("batk,akm->btm", z, self.W_O)


if __name__ == "__main__":
    m = EinsumAttention(4, 32)
    x = torch.randn(1, 6, 32)
    print(m(x, torch.ones(6, 6).tril().bool()).norm())
