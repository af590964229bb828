"""A multi-layer perceptron with one hidden layer, with the interface of scikit-learn."""
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler


class TwoLayerClassifier(BaseEstimator, ClassifierMixin):
    """
    Parameters
    ----------
    n_hidden : int (default: 30)
    eta : float (default: 0.1)
    epochs : int (default: 100)
    minibatch_size : int (default: 16)
    seed : int (default: None)
    """

    def __init__(self, n_hidden=30, eta=0.1, epochs=100, minibatch_size=16, seed=None):
        self.n_hidden = n_hidden
        self.eta = eta
        self.epochs = epochs
        self.minibatch_size = minibatch_size
        self.seed = seed

    def _onehot(self, y):
        return (self.classes_ == np.asarray(y)[:, None]).astype(float)

    def _forward(self, X):
        z_h = np.dot(X, self.w_h_) + self.b_h_
        a_h = 1.0 / (1.0 + np.exp(-np.clip(z_h, -250, 250)))
        z_out = np.dot(a_h, self.w_out_) + self.b_out_
        z_out = z_out - z_out.max(axis=1, keepdims=True)
        a_out = np.exp(z_out) / np.exp(z_out).sum(axis=1, keepdims=True)
        return a_h, a_out

    def fit(self, X, y):
        """Learn weights from training data."""
        self.classes_ = np.unique(y)
        n_examples, n_features = X.shape
        n_output = len(self.classes_)
        random = np.random.RandomState(self.seed)

        # weight initialization
        self.b_h_ = np.zeros(self.n_hidden)
        self.w_h_ = random.normal(loc=0.0, scale=np.sqrt(2.0 / (n_features + self.n_hidden)),
                                  size=(n_features, self.n_hidden))
        self.b_out_ = np.zeros(n_output)
        self.w_out_ = random.normal(loc=0.0, scale=np.sqrt(2.0 / (self.n_hidden + n_output)),
                                    size=(self.n_hidden, n_output))

        self.cost_ = []
        y_enc = self._onehot(y)

        # iterate over training epochs
        for i in range(self.epochs):
            indices = np.arange(n_examples)
            random.shuffle(indices)

            for start_idx in range(0, n_examples, self.minibatch_size):
                batch_idx = indices[start_idx:start_idx + self.minibatch_size]
                X_batch, y_batch = X[batch_idx], y_enc[batch_idx]

                # forward propagation
                a_h, a_out = self._forward(X_batch)

                # backpropagation
                delta_out = (a_out - y_batch) / len(batch_idx)
                delta_h = np.dot(delta_out, self.w_out_.T) * (a_h * (1.0 - a_h))

                grad_w_h = np.dot(X_batch.T, delta_h)
                grad_b_h = np.sum(delta_h, axis=0)
                grad_w_out = np.dot(a_h.T, delta_out)
                grad_b_out = np.sum(delta_out, axis=0)

                # weight updates
                self.w_h_ -= self.eta * grad_w_h
                self.b_h_ -= self.eta * grad_b_h
                self.w_out_ -= self.eta * grad_w_out
                self.b_out_ -= self.eta * grad_b_out

            # evaluation after each epoch
            _, a_out = self._forward(X)
            cost = -np.mean(np.sum(y_enc * np.log(np.clip(a_out, 1e-10, None)), axis=1))
            self.cost_.append(cost)

        return self

    def predict_proba(self, X):
        _, a_out = self._forward(X)
        return a_out

    def predict(self, X):
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def score(self, X, y):
        return np.mean(self.predict(X) == y)


if __name__ == "__main__":
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    scaler = StandardScaler().fit(X_train)
    clf = TwoLayerClassifier(seed=1).fit(scaler.transform(X_train), y_train)
    print("test accuracy: %.3f" % clf.score(scaler.transform(X_test), y_test))
