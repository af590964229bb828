import numpy as np


class MLP:
    def __init__(self, in_features, hidden_features, out_features):
        self.in_features = in_features
        self.hidden_features = hidden_features
        self.out_features = out_features
        self.reset_parameters()

    def reset_parameters(self):
        bound1 = np.sqrt(6 / (self.in_features + self.hidden_features))
        bound2 = np.sqrt(6 / (self.hidden_features + self.out_features))
        self.W1 = np.random.uniform(-bound1, bound1, (self.in_features, self.hidden_features))
        self.W2 = np.random.uniform(-bound2, bound2, (self.hidden_features, self.out_features))
        self.b1 = np.zeros(self.hidden_features)
        self.b2 = np.zeros(self.out_features)

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        self.x = x
        self.z1 = x @ self.W1 + self.b1
        self.a1 = self.sigmoid(self.z1)
        self.logits = self.a1 @ self.W2 + self.b2
        self.probs = self.softmax(self.logits)
        return self.probs

    @staticmethod
    def sigmoid(z):
        # stable on both sides
        return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))

    @staticmethod
    def softmax(z):
        z = z - z.max(axis=-1, keepdims=True)
        return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)

    def criterion(self, probs, target):
        """Cross entropy, mean over the batch. target: one-hot."""
        return -(target * np.log(probs + 1e-9)).sum(axis=1).mean()

    def backward(self, target):
        dlogits = (self.probs - target) / len(target)
        self.dW2 = self.a1.T @ dlogits
        self.db2 = dlogits.sum(axis=0)
        da1 = dlogits @ self.W2.T
        dz1 = da1 * self.a1 * (1 - self.a1)
        self.dW1 = self.x.T @ dz1
        self.db1 = dz1.sum(axis=0)

    def step(self, lr):
        self.W1 -= lr * self.dW1
        self.b1 -= lr * self.db1
        self.W2 -= lr * self.dW2
        self.b2 -= lr * self.db2

    def accuracy(self, x, target):
        return (self(x).argmax(axis=1) == target.argmax(axis=1)).mean() * 100


def fit(model, X, Y, lr=0.1, epochs=10, batch_size=64, seed=0):
    rng = np.random.default_rng(seed)
    history = []
    for epoch in range(epochs):
        idx = rng.permutation(len(X))
        X, Y = X[idx], Y[idx]
        running = 0.0
        for i in range(0, len(X), batch_size):
            xb, yb = X[i:i + batch_size], Y[i:i + batch_size]
            probs = model(xb)
            running += model.criterion(probs, yb) * len(xb)
            model.backward(yb)
            model.step(lr)
        history.append(running / len(X))
        print(f'epoch {epoch + 1}: loss={history[-1]:.4f}')
    return history


if __name__ == '__main__':
    import torchvision

    train = torchvision.datasets.MNIST('.', download=True)
    X = train.data.numpy().reshape(-1, 784) / 255
    Y = np.eye(10)[train.targets.numpy()]
    model = MLP(784, 128, 10)
    fit(model, X, Y)
    print('acc', model.accuracy(X, Y))
