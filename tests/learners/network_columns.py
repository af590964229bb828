import numpy as np


class NeuralNet:
    """Examples are columns: X is (D, m), T is (C, m), biases are (H, 1) and (C, 1).

    cost = cross entropy / m + lambd / (2 m) * sum of the squared weights
    """

    def __init__(self, sizes, alpha=0.5, lambd=0.0):
        n0, n1, n2 = sizes
        self.alpha = alpha
        self.lambd = lambd
        self.W1 = np.random.normal(0, np.sqrt(2 / (n0 + n1)), (n1, n0))
        self.B1 = np.zeros((n1, 1))
        self.W2 = np.random.normal(0, np.sqrt(2 / (n1 + n2)), (n2, n1))
        self.B2 = np.zeros((n2, 1))

    @staticmethod
    def g(v):
        return 1 / (1 + np.exp(-v))

    @staticmethod
    def soft(v):
        u = np.exp(v - v.max(axis=0))
        return u / u.sum(axis=0)

    def run(self, X):
        V1 = self.W1 @ X + self.B1
        A = self.g(V1)
        V2 = self.W2 @ A + self.B2
        P = self.soft(V2)
        return A, P

    def cost(self, X, T):
        m = X.shape[1]
        P = self.run(X)[1]
        ce = -np.sum(T * np.log(np.clip(P, 1e-15, 1))) / m
        l2 = self.lambd / (2 * m) * (np.sum(np.square(self.W1)) + np.sum(np.square(self.W2)))
        return ce + l2

    def grad(self, X, T):
        m = X.shape[1]
        A, P = self.run(X)
        E2 = P - T
        E1 = self.W2.T @ E2 * A * (1 - A)
        dW2 = E2 @ A.T / m + self.lambd / m * self.W2
        dB2 = E2.mean(axis=1, keepdims=True)
        dW1 = E1 @ X.T / m + self.lambd / m * self.W1
        dB1 = E1.mean(axis=1, keepdims=True)
        return {'W1': dW1, 'B1': dB1, 'W2': dW2, 'B2': dB2}

    def learn(self, X, T, n_iter, batch=None):
        m = X.shape[1]
        batch = batch or m
        costs = []
        for it in range(n_iter):
            cols = np.random.permutation(m)
            for lo in range(0, m, batch):
                c = cols[lo:lo + batch]
                G = self.grad(X[:, c], T[:, c])
                for k in G:
                    setattr(self, k, getattr(self, k) - self.alpha * G[k])
            costs.append(self.cost(X, T))
        return costs

    def classify(self, X):
        return self.run(X)[1].argmax(axis=0)

    def accuracy(self, X, T):
        return (self.classify(X) == T.argmax(axis=0)).mean()
