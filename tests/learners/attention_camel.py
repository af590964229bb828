import torch, math
from torch import nn

class multiHeadSelfAttention(nn.Module):

    def __init__(self, modelDim, numHeads, useBias=True):
        super().__init__()
        self.modelDim = modelDim
        self.numHeads = numHeads
        self.headDim = modelDim//numHeads
        self.queryProj = nn.Linear(modelDim, modelDim, bias=useBias)
        self.keyProj = nn.Linear(modelDim, modelDim, bias=useBias)
        self.valueProj = nn.Linear(modelDim, modelDim, bias=useBias)
        self.outProj = nn.Linear(modelDim, modelDim, bias=useBias)

    def splitHeads(self, t):
        # no transpose here: einsum finds the axes by name
        return t.reshape(t.shape[0], t.shape[1], self.numHeads, self.headDim)

    def computeScores(self, Q, K):
        return torch.einsum('bthd,bshd->bhts', Q, K)/math.sqrt(self.headDim)

    def applyMask(self, scores, mask):
        # mask: (B,1,T,S) or (T,S), True=keep
        if mask is None:
            return scores
        return scores.masked_fill(mask==0, -1e20)

    def forward(self, query, key, value, mask=None):
        Q = self.splitHeads(self.queryProj(query))
        K = self.splitHeads(self.keyProj(key))
        V = self.splitHeads(self.valueProj(value))
        scores = self.applyMask(self.computeScores(Q, K), mask)
        weights = torch.softmax(scores, dim=3)
        heads = torch.einsum('bhts,bshd->bthd', weights, V)
        return self.outProj(heads.reshape(heads.shape[0], heads.shape[1], self.modelDim))


mhsa = multiHeadSelfAttention(32, 4)
x = torch.rand((2,9,32))
print(mhsa(x,x,x).shape)
