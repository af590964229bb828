import numpy as np

# i am trask 스타일로 만든 2층 신경망 (bias 없이)

def nonlin(x, deriv=False):
    if deriv:
        return x * (1 - x)      # x is already the output of nonlin
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e_x = np.exp(x - np.max(x, axis=1).reshape(-1, 1))
    return e_x / e_x.sum(axis=1).reshape(-1, 1)


class Net:
    def __init__(self, n_input, n_hidden, n_output):
        np.random.seed(1)
        # xavier
        self.syn0 = np.random.randn(n_input, n_hidden) * np.sqrt(2 / (n_input + n_hidden))
        self.syn1 = np.random.randn(n_hidden, n_output) * np.sqrt(2 / (n_hidden + n_output))

    def forward(self, X):
        l0 = X
        l1 = nonlin(np.dot(l0, self.syn0))
        l2 = softmax(np.dot(l1, self.syn1))
        return l0, l1, l2

    def backward(self, y, l0, l1, l2):
        l2_delta = (l2 - y) / len(y)
        l1_error = l2_delta.dot(self.syn1.T)
        l1_delta = l1_error * nonlin(l1, deriv=True)
        return l0.T.dot(l1_delta), l1.T.dot(l2_delta)

    def loss(self, y, l2):
        return -np.sum(y * np.log(l2 + 1e-12)) / y.shape[0]

    def train(self, X, y, alpha, iterations, batch):
        for j in range(iterations):
            idx = np.arange(len(X))
            np.random.shuffle(idx)
            for k in range(0, len(X), batch):
                rows = idx[k:k+batch]
                l0, l1, l2 = self.forward(X[rows])
                g0, g1 = self.backward(y[rows], l0, l1, l2)
                self.syn0 -= alpha * g0
                self.syn1 -= alpha * g1
            if (j % 100) == 0:
                print("Loss:" + str(self.loss(y, self.forward(X)[-1])))

    def accuracy(self, X, y):
        return 100.0 * (self.forward(X)[-1].argmax(1) == y.argmax(1)).sum() / len(X)


if __name__ == "__main__":
    X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    y = np.array([[1, 0], [0, 1], [0, 1], [1, 0]])
    net = Net(3, 8, 2)
    net.train(X, y, 1.0, 10000, 4)
    print(net.forward(X)[-1])
