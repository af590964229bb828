# HW2 Problem 3
# name: ____
import numpy as np


class MyNet:
    # NOTE: hidden comes first because it has the default value in our skeleton
    def __init__(self, hidden_dim, input_dim, output_dim, lr=0.01):
        self.lr = lr
        self.layer1 = {
            "weight": self.glorot_normal(input_dim, hidden_dim),
            "bias": np.zeros((1, hidden_dim)),
        }
        self.layer2 = {
            "weight": self.glorot_normal(hidden_dim, output_dim),
            "bias": np.zeros((1, output_dim)),
        }

    def glorot_normal(self, fan_in, fan_out):
        stddev = np.sqrt(2 / (fan_in + fan_out))
        return stddev * np.random.randn(fan_in, fan_out)

    def _sigmoid(self, x):
        out = np.empty_like(x, dtype=float)
        pos = x >= 0
        out[pos] = 1 / (1 + np.exp(-x[pos]))
        ex = np.exp(x[~pos])
        out[~pos] = ex / (1 + ex)
        return out

    def _d_sigmoid(self, x):
        s = self._sigmoid(x)
        return s * (1 - s)

    def _softmax(self, x):
        x = x - np.max(x, axis=1, keepdims=True)
        e = np.exp(x)
        return e / np.sum(e, axis=1, keepdims=True)

    def forward(self, x):
        u1 = np.matmul(x, self.layer1["weight"]) + self.layer1["bias"]
        v1 = self._sigmoid(u1)
        u2 = np.matmul(v1, self.layer2["weight"]) + self.layer2["bias"]
        v2 = self._softmax(u2)
        return u1, v1, u2, v2

    def loss_fn(self, pred, label):
        per_sample = -np.log(np.sum(pred * label, axis=1) + 1e-10)
        return np.mean(per_sample)

    def backward(self, x, label):
        u1, v1, u2, v2 = self.forward(x)
        ones = np.ones((1, x.shape[0]))

        grad_u2 = (v2 - label) / x.shape[0]
        grad_v1 = np.matmul(grad_u2, self.layer2["weight"].T)
        grad_u1 = grad_v1 * self._d_sigmoid(u1)

        grad1 = {"weight": np.matmul(x.T, grad_u1), "bias": np.matmul(ones, grad_u1)}
        grad2 = {"weight": np.matmul(v1.T, grad_u2), "bias": np.matmul(ones, grad_u2)}
        return grad1, grad2

    def update(self, grad1, grad2):
        for layer, grad in ((self.layer1, grad1), (self.layer2, grad2)):
            for key in ("weight", "bias"):
                layer[key] = layer[key] - self.lr * grad[key]

    def train(self, x, label, num_epoch, batch_size):
        loss_list = []
        for epoch in range(num_epoch):
            shuffle_idx = np.random.permutation(x.shape[0])
            x_s, label_s = x[shuffle_idx], label[shuffle_idx]
            num_batch = int(np.ceil(x.shape[0] / batch_size))
            epoch_loss = 0
            for b in range(num_batch):
                xb = x_s[b * batch_size:(b + 1) * batch_size]
                lb = label_s[b * batch_size:(b + 1) * batch_size]
                grad1, grad2 = self.backward(xb, lb)
                self.update(grad1, grad2)
                epoch_loss += self.loss_fn(self.forward(xb)[-1], lb) * len(xb)
            loss_list.append(epoch_loss / x.shape[0])
        return loss_list

    def accuracy(self, x, label):
        pred = self.forward(x)[-1]
        correct = np.equal(np.argmax(pred, axis=1), np.argmax(label, axis=1))
        return np.mean(correct) * 100


net = MyNet(64, 784, 10, lr=0.1)
train_x = np.load("./data/train_x.npy")
train_y = np.load("./data/train_y.npy")
losses = net.train(train_x, np.eye(10)[train_y], 30, 128)
print(net.accuracy(train_x, np.eye(10)[train_y]))
