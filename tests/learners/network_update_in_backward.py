# 2층 신경망 (과제2)
import numpy as np
from tqdm import tqdm


class NN:
    def __init__(self, D, H, C):
        self.W1 = np.random.randn(D, H) * np.sqrt(1 / D)
        self.b1 = np.zeros((1, H))
        self.W2 = np.random.randn(H, C) * np.sqrt(1 / H)
        self.b2 = np.zeros((1, C))

    def sig(self, a):
        return 1 / (1 + np.exp(-a))

    def forward(self, X):
        self.h = self.sig(X @ self.W1 + self.b1)
        o = self.h @ self.W2 + self.b2
        e = np.exp(o - np.max(o, axis=1, keepdims=True))
        self.y = e / np.sum(e, axis=1, keepdims=True)
        return self.y

    # 역전파하면서 바로 갱신한다. 오차를 (정답 - 출력)으로 두었기 때문에 더한다
    def backward(self, X, Y, lr):
        n = X.shape[0]
        delta2 = (Y - self.y) / n
        delta1 = (delta2 @ self.W2.T) * self.h * (1 - self.h)
        self.W2 += lr * self.h.T @ delta2
        self.b2 += lr * np.sum(delta2, axis=0, keepdims=True)
        self.W1 += lr * X.T @ delta1
        self.b1 += lr * np.sum(delta1, axis=0, keepdims=True)

    def loss(self, Y, y):
        return np.mean(-np.sum(Y * np.log(y + 1e-8), axis=1))

    def acc(self, Y, y):
        return np.mean(np.argmax(Y, 1) == np.argmax(y, 1)) * 100

    def train(self, X, Y, lr, epochs, batch):
        for ep in tqdm(range(epochs)):
            p = np.random.permutation(len(X))
            X, Y = X[p], Y[p]
            for s in range(0, len(X), batch):
                xb = X[s:s + batch]
                yb = Y[s:s + batch]
                self.forward(xb)
                self.backward(xb, yb, lr)
            y = self.forward(X)
            print(ep, self.loss(Y, y), self.acc(Y, y))


if __name__ == '__main__':
    from tensorflow.keras.datasets import mnist
    (x, t), _ = mnist.load_data()
    net = NN(784, 100, 10)
    net.train(x.reshape(-1, 784) / 255, np.eye(10)[t], 0.5, 10, 100)
