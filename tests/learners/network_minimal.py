import numpy as np

# 시험 대비로 다시 구현해 봄. 학습 루프는 생략


class TwoLayer:
    def __init__(self, D, H, C):
        def xavier(i, o):
            r = np.sqrt(6.0 / (i + o))
            return np.random.uniform(-r, r, (i, o))
        self.W1, self.b1 = xavier(D, H), np.zeros(H)
        self.W2, self.b2 = xavier(H, C), np.zeros(C)

    def forward(self, X):
        Z1 = X.dot(self.W1) + self.b1
        A1 = (np.tanh(Z1 / 2) + 1) / 2
        Z2 = A1.dot(self.W2) + self.b2
        E = np.exp(Z2 - np.amax(Z2, axis=1, keepdims=True))
        A2 = E / np.sum(E, axis=1, keepdims=True)
        return A1, A2

    def loss(self, X, T):
        _, A2 = self.forward(X)
        return -np.einsum('nc,nc->', T, np.log(A2.clip(1e-12))) / X.shape[0]

    def backward(self, X, T):
        A1, A2 = self.forward(X)
        dZ2 = (A2 - T) / X.shape[0]
        dZ1 = dZ2.dot(self.W2.T) * (A1 - A1 ** 2)
        dW1 = np.einsum('nd,nh->dh', X, dZ1)
        db1 = np.einsum('nh->h', dZ1)
        dW2 = np.einsum('nh,nc->hc', A1, dZ2)
        db2 = np.einsum('nc->c', dZ2)
        return dW1, db1, dW2, db2
