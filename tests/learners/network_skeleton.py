import numpy as np
from typing import Dict, Tuple


class TwoLayerNN:
    """
    Implement a 2-layer Neural Network.
    """

    def __init__(self, input_dim: int, num_hiddens: int, num_classes: int):
        """
        Do NOT modify this function.
        """
        self.input_dim = input_dim
        self.num_hiddens = num_hiddens
        self.num_classes = num_classes
        self.params = self.initialize_parameters(input_dim, num_hiddens, num_classes)

    def initialize_parameters(self, input_dim: int, num_hiddens: int, num_classes: int) -> Dict[str, np.ndarray]:
        """
        initialize weights with Xavier Initialization and biases with zeros
        """
        # ========= EDIT HERE ========
        a1 = np.sqrt(6 / (input_dim + num_hiddens))
        a2 = np.sqrt(6 / (num_hiddens + num_classes))
        params = {
            "W1": np.random.uniform(low=-a1, high=a1, size=(input_dim, num_hiddens)),
            "b1": np.zeros(num_hiddens),
            "W2": np.random.uniform(low=-a2, high=a2, size=(num_hiddens, num_classes)),
            "b2": np.zeros(num_classes),
        }
        # ============================
        return params

    def forward(self, X: np.ndarray) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
        """
        Define and perform the feed forward step of a two-layer neural network.
        """
        # ========= EDIT HERE ========
        ff_dict = {}
        ff_dict["z1"] = X @ self.params["W1"] + self.params["b1"]
        ff_dict["a1"] = self.sigmoid(ff_dict["z1"])
        ff_dict["z2"] = ff_dict["a1"] @ self.params["W2"] + self.params["b2"]
        y = self.softmax(ff_dict["z2"])
        ff_dict["y"] = y
        # ============================
        return y, ff_dict

    def backward(self, X, Y, ff_dict) -> Dict[str, np.ndarray]:
        """
        Perform back-propagation; only gradients are returned.
        """
        # ========= EDIT HERE ========
        grads = {}
        batch_size = X.shape[0]
        error = ff_dict["y"] - Y
        grads["dW2"] = ff_dict["a1"].T @ error / batch_size
        grads["db2"] = np.sum(error, axis=0) / batch_size
        error_hidden = (error @ self.params["W2"].T) * self.sigmoid_derivative(ff_dict["z1"])
        grads["dW1"] = X.T @ error_hidden / batch_size
        grads["db1"] = np.sum(error_hidden, axis=0) / batch_size
        # ============================
        return grads

    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def sigmoid_derivative(self, z):
        return self.sigmoid(z) * (1 - self.sigmoid(z))

    def softmax(self, z):
        exp_z = np.exp(z - np.max(z, axis=1, keepdims=True))
        return exp_z / np.sum(exp_z, axis=1, keepdims=True)

    def compute_loss(self, Y: np.ndarray, Y_hat: np.ndarray) -> float:
        """
        Computes cross entropy loss.
        """
        Y_hat = np.clip(Y_hat, 1e-10, 1 - 1e-10)
        return -np.mean(np.sum(Y * np.log(Y_hat), axis=1))

    def evaluate(self, Y: np.ndarray, Y_hat: np.ndarray) -> float:
        """
        Computes accuracy in percent.
        """
        correct = 0
        for label, prediction in zip(Y, Y_hat):
            if np.argmax(label) == np.argmax(prediction):
                correct += 1
        return correct / Y.shape[0] * 100

    def train_step(self, X_batch, Y_batch, lr: float) -> float:
        y, ff_dict = self.forward(X_batch)
        loss = self.compute_loss(Y_batch, y)
        grads = self.backward(X_batch, Y_batch, ff_dict)
        self.params["W1"] -= lr * grads["dW1"]
        self.params["b1"] -= lr * grads["db1"]
        self.params["W2"] -= lr * grads["dW2"]
        self.params["b2"] -= lr * grads["db2"]
        return loss

    def train(self, X, Y, X_val, Y_val, lr, n_epochs, batch_size, log_interval=1):
        best_accuracy = -1
        best_epoch = -1
        for epoch in range(n_epochs):
            indices = np.arange(len(X))
            np.random.shuffle(indices)
            X, Y = X[indices], Y[indices]
            epoch_loss = 0
            n_batches = 0
            for start in range(0, len(X), batch_size):
                end = min(start + batch_size, len(X))
                epoch_loss += self.train_step(X[start:end], Y[start:end], lr)
                n_batches += 1
            if (epoch + 1) % log_interval == 0:
                y_val, _ = self.forward(X_val)
                accuracy = self.evaluate(Y_val, y_val)
                print(f"[Epoch {epoch + 1}] loss {epoch_loss / n_batches:.4f} validation accuracy {accuracy:.2f}")
                if accuracy > best_accuracy:
                    best_accuracy, best_epoch = accuracy, epoch
        return best_accuracy, best_epoch
