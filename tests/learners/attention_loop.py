import torch
import torch.nn as nn
import torch.nn.functional as F
from math import sqrt


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, num_heads):
        super(MultiHeadAttention, self).__init__()
        self.d_model = d_model
        self.num_heads = num_heads
        self.d_head = int(d_model / num_heads)
        self.Wq = nn.Linear(d_model, d_model, bias=False)
        self.Wk = nn.Linear(d_model, d_model, bias=False)
        self.Wv = nn.Linear(d_model, d_model, bias=False)
        self.Wo = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, mask=None):
        # x: (batch, seq, d_model)    mask: (seq, seq)
        Q = self.Wq(x)
        K = self.Wk(x)
        V = self.Wv(x)

        outputs = []
        for i in range(self.num_heads):
            start = i * self.d_head
            end = start + self.d_head
            Qi = Q[:, :, start:end]
            Ki = K[:, :, start:end]
            Vi = V[:, :, start:end]

            score = torch.matmul(Qi, Ki.transpose(1, 2)) / sqrt(self.d_head)
            if mask is not None:
                score = score.masked_fill(mask == False, float("-inf"))
            attn = F.softmax(score, dim=2)
            outputs.append(torch.matmul(attn, Vi))

        concat = torch.cat(outputs, dim=2)
        return self.Wo(concat)


def main():
    d_model = 32
    num_heads = 4
    x = torch.randn(3, 6, d_model)
    model = MultiHeadAttention(d_model, num_heads)
    print(model)
    print("Input shape:", x.shape)
    print("Output shape:", model(x).shape)


if __name__ == "__main__":
    main()
