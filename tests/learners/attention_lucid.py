import torch
from torch import nn

# helpers

def exists(val):
    return val is not None

def default(val, d):
    return val if exists(val) else d

# classes

class Attention(nn.Module):
    def __init__(self, dim, heads = 8, dim_head = 64, dropout = 0.):
        super().__init__()
        inner_dim = dim_head * heads

        self.heads = heads
        self.scale = dim_head ** -0.5

        self.attend = nn.Softmax(dim = -1)
        self.dropout = nn.Dropout(dropout)

        self.to_qkv = nn.Linear(dim, inner_dim * 3, bias = False)
        self.to_out = nn.Sequential(
            nn.Linear(inner_dim, dim),
            nn.Dropout(dropout)
        )

    def forward(self, x, mask = None):
        b, n, _, h = *x.shape, self.heads

        qkv = self.to_qkv(x).chunk(3, dim = -1)
        # b n (h d) -> b h n d
        q, k, v = map(lambda t: t.reshape(b, n, h, -1).permute(0, 2, 1, 3), qkv)

        dots = torch.einsum('b h i d, b h j d -> b h i j', q, k) * self.scale

        if exists(mask):
            # mask: b j (padding) or b i j
            mask = mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]
            mask_value = -torch.finfo(dots.dtype).max
            dots = dots.masked_fill(~mask, mask_value)

        attn = self.attend(dots)
        attn = self.dropout(attn)

        out = torch.einsum('b h i j, b h j d -> b h i d', attn, v)
        # b h n d -> b n (h d)
        out = out.permute(0, 2, 1, 3).reshape(b, n, -1)
        return self.to_out(out)


if __name__ == '__main__':
    attn = Attention(dim = 128, heads = 4, dim_head = 16)
    img_tokens = torch.randn(2, 65, 128)
    assert attn(img_tokens).shape == (2, 65, 128)
