"""A small transformer encoder: embeddings, blocks (pre-norm), classifier head."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class PositionalEmbedding(nn.Module):
    def __init__(self, vocab_size, max_len, d_model):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, d_model)
        self.pos = nn.Embedding(max_len, d_model)

    def forward(self, idx):
        return self.tok(idx) + self.pos(torch.arange(idx.shape[1], device=idx.device))


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, d_model, n_heads, p_drop=0.1):
        super().__init__()
        self.n_heads = n_heads
        self.d_head = d_model // n_heads
        self.kqv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.p_drop = p_drop

    def forward(self, x, mask=None):
        B, T, D = x.shape
        # (B, T, 3D) -> (3, B, heads, T, d_head); the order is key, query, value
        k, q, v = self.kqv(x).view(B, T, 3, self.n_heads, self.d_head).permute(2, 0, 3, 1, 4)
        scores = q @ k.mT / self.d_head ** 0.5
        if mask is not None:
            scores = scores.masked_fill(mask.logical_not(), torch.finfo(scores.dtype).min)
        att = scores.softmax(dim=-1)
        att = F.dropout(att, p=self.p_drop, training=self.training)
        y = (att @ v).transpose(1, 2).reshape(B, T, D)
        return self.out(y)


class FeedForward(nn.Module):
    def __init__(self, d_model, d_ff, p_drop=0.1):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d_model, d_ff),
            nn.GELU(),
            nn.Linear(d_ff, d_model),
            nn.Dropout(p_drop),
        )

    def forward(self, x):
        return self.net(x)


class Block(nn.Module):
    def __init__(self, d_model, n_heads, d_ff):
        super().__init__()
        self.norm1 = nn.LayerNorm(d_model)
        self.attn = MultiHeadSelfAttention(d_model, n_heads)
        self.norm2 = nn.LayerNorm(d_model)
        self.ff = FeedForward(d_model, d_ff)

    def forward(self, x, mask=None):
        x = x + self.attn(self.norm1(x), mask)
        x = x + self.ff(self.norm2(x))
        return x


class Classifier(nn.Module):
    def __init__(self, vocab_size, max_len, d_model, n_heads, n_layers, n_classes):
        super().__init__()
        self.embed = PositionalEmbedding(vocab_size, max_len, d_model)
        self.blocks = nn.ModuleList(Block(d_model, n_heads, 4 * d_model) for _ in range(n_layers))
        self.head = nn.Linear(d_model, n_classes)

    def forward(self, idx, mask=None):
        x = self.embed(idx)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x.mean(dim=1))


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Classifier(vocab_size=50, max_len=16, d_model=24, n_heads=3, n_layers=2, n_classes=4)
    idx = torch.randint(50, (8, 16))
    labels = torch.randint(4, (8,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(20):
        loss = F.cross_entropy(model(idx), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
