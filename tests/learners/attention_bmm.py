import torch
from torch import nn


class multi_head_attention(nn.Module):
    def __init__(self, num_heads, model_dim):
        super().__init__()
        self.nh = num_heads
        self.hd = model_dim // num_heads
        self.W_q = nn.Linear(model_dim, num_heads * self.hd)
        self.W_k = nn.Linear(model_dim, num_heads * self.hd)
        self.W_v = nn.Linear(model_dim, num_heads * self.hd)
        self.W_o = nn.Linear(num_heads * self.hd, model_dim)

    def forward(self, x, attn_mask=None):
        """attn_mask: (B, T, T) bool, True = look"""
        bs, n, _ = x.size()
        # fold the heads into the batch: (bs * nh, n, hd)
        q = self.W_q(x).reshape(bs, n, self.nh, self.hd).transpose(1, 2).reshape(bs * self.nh, n, self.hd)
        k = self.W_k(x).reshape(bs, n, self.nh, self.hd).transpose(1, 2).reshape(bs * self.nh, n, self.hd)
        v = self.W_v(x).reshape(bs, n, self.nh, self.hd).transpose(1, 2).reshape(bs * self.nh, n, self.hd)

        att = torch.bmm(q, k.transpose(1, 2))
        att /= self.hd ** .5
        if attn_mask is not None:
            attn_mask = attn_mask.repeat_interleave(self.nh, dim=0)
            att = att.masked_fill(~attn_mask, -1e9)
        att = att.softmax(2)

        out = torch.bmm(att, v)
        out = out.reshape(bs, self.nh, n, self.hd).transpose(1, 2).reshape(bs, n, self.nh * self.hd)
        return self.W_o(out)


model = multi_head_attention(4, 20)
data = torch.randn(2, 3, 20)
result = model(data)
print(result.shape)
