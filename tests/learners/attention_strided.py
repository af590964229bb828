import torch
from torch import nn


class MHSA(nn.Module):
    """Number n of a projection belongs to head n % num_heads (head index fastest).

    The heads are only a renaming of the rows of the weights, so that every order is fine as long as
    splitting and merging agree.
    """

    def __init__(self, *, num_heads, model_dim):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim, rest = divmod(model_dim, num_heads)
        assert rest == 0
        self.query = nn.Linear(model_dim, model_dim)
        self.key = nn.Linear(model_dim, model_dim)
        self.value = nn.Linear(model_dim, model_dim)
        self.output = nn.Linear(model_dim, model_dim)

    def _split(self, t):
        return t.unflatten(2, (self.head_dim, self.num_heads)).permute(0, 3, 1, 2)

    def _merge(self, t):
        return t.permute(0, 2, 3, 1).flatten(2)

    def forward(self, x, mask=None):
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        logits = torch.einsum("bhqd,bhkd->bhqk", q, k).div(self.head_dim ** 0.5)
        if mask is not None:
            logits = logits.masked_fill(~mask, -1e30)
        probabilities = logits.softmax(-1)
        return self.output(self._merge(probabilities @ v))


if __name__ == "__main__":
    print(MHSA(num_heads=2, model_dim=6)(torch.zeros(1, 4, 6)))
