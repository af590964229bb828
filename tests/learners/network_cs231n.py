from __future__ import print_function

import numpy as np
import matplotlib.pyplot as plt


class TwoLayerNet(object):
  """
  A two-layer fully-connected neural network. The net has an input dimension of
  N, a hidden layer dimension of H, and performs classification over C classes.
  We train the network with a softmax loss function and L2 regularization on the
  weight matrices. The network uses a sigmoid nonlinearity after the first fully
  connected layer.

  input - fully connected layer - sigmoid - fully connected layer - softmax
  """

  def __init__(self, input_size, hidden_size, output_size):
    """
    W1: First layer weights; has shape (D, H)
    b1: First layer biases; has shape (H,)
    W2: Second layer weights; has shape (H, C)
    b2: Second layer biases; has shape (C,)
    """
    self.params = {}
    self.params['W1'] = np.random.randn(input_size, hidden_size) / np.sqrt(input_size)
    self.params['b1'] = np.zeros(hidden_size)
    self.params['W2'] = np.random.randn(hidden_size, output_size) / np.sqrt(hidden_size)
    self.params['b2'] = np.zeros(output_size)

  def loss(self, X, y=None, reg=0.0):
    """
    Compute the loss and gradients for a two layer fully connected neural network.

    Inputs:
    - X: Input data of shape (N, D). Each X[i] is a training sample.
    - y: Vector of training labels, 0 <= y[i] < C. If it is not passed we only
      return scores.
    - reg: Regularization strength.
    """
    # Unpack variables from the params dictionary
    W1, b1 = self.params['W1'], self.params['b1']
    W2, b2 = self.params['W2'], self.params['b2']
    N, D = X.shape

    # Compute the forward pass
    hidden = 1. / (1. + np.exp(-(X.dot(W1) + b1)))
    scores = hidden.dot(W2) + b2

    # If the targets are not given then jump out, we're done
    if y is None:
      return scores

    # Compute the loss
    shifted = scores - scores.max(axis=1, keepdims=True)
    exp_scores = np.exp(shifted)
    probs = exp_scores / exp_scores.sum(axis=1, keepdims=True)
    correct_logprobs = -np.log(probs[np.arange(N), y] + 1e-12)
    data_loss = np.sum(correct_logprobs) / N
    reg_loss = reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    loss = data_loss + reg_loss

    # Backward pass: compute gradients
    grads = {}
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N

    grads['W2'] = hidden.T.dot(dscores) + 2 * reg * W2
    grads['b2'] = np.sum(dscores, axis=0)

    dhidden = dscores.dot(W2.T)
    dsum = dhidden * (1 - hidden) * hidden

    grads['W1'] = X.T.dot(dsum) + 2 * reg * W1
    grads['b1'] = np.sum(dsum, axis=0)

    return loss, grads

  def train(self, X, y, X_val, y_val,
            learning_rate=1e-3, learning_rate_decay=0.95,
            reg=5e-6, num_epochs=10,
            batch_size=200, verbose=False):
    """
    Train this neural network using stochastic gradient descent.
    """
    num_train = X.shape[0]
    loss_history = []
    train_acc_history = []
    val_acc_history = []

    for epoch in range(num_epochs):
      order = np.random.permutation(num_train)
      for start in range(0, num_train, batch_size):
        idx = order[start:start + batch_size]
        X_batch = X[idx]
        y_batch = y[idx]

        # Compute loss and gradients using the current minibatch
        loss, grads = self.loss(X_batch, y=y_batch, reg=reg)
        loss_history.append(loss)

        for p in self.params:
          self.params[p] -= learning_rate * grads[p]

      # Check accuracy
      train_acc = (self.predict(X) == y).mean()
      val_acc = (self.predict(X_val) == y_val).mean()
      train_acc_history.append(train_acc)
      val_acc_history.append(val_acc)

      # Decay learning rate
      learning_rate *= learning_rate_decay

      if verbose:
        print('epoch %d / %d: loss %f' % (epoch, num_epochs, loss))

    return {
      'loss_history': loss_history,
      'train_acc_history': train_acc_history,
      'val_acc_history': val_acc_history,
    }

  def predict(self, X):
    """
    Returns:
    - y_pred: for all i, y_pred[i] = c means that X[i] is predicted to have class c
    """
    y_pred = np.argmax(self.loss(X), axis=1)
    return y_pred


def rel_error(x, y):
  """ returns relative error """
  return np.max(np.abs(x - y) / (np.maximum(1e-8, np.abs(x) + np.abs(y))))


if __name__ == '__main__':
  from cs231n.data_utils import load_CIFAR10
  plt.rcParams['figure.figsize'] = (10.0, 8.0)
  X_train, y_train, X_test, y_test = load_CIFAR10('cs231n/datasets/cifar-10-batches-py')
  net = TwoLayerNet(32 * 32 * 3, 50, 10)
  stats = net.train(X_train, y_train, X_test, y_test, learning_rate=1e-3, reg=0.25, verbose=True)
  plt.plot(stats['loss_history'])
  plt.show()
