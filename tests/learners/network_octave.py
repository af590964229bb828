# ex4 of the machine learning class, from Octave to Python. Examples are rows,
# Theta1 is (hidden, input + 1) and the first column is the bias.
import numpy as np
from scipy.io import loadmat


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoidGradient(z):
    g = sigmoid(z)
    return g * (1 - g)


def softmax(z):
    z = z - np.max(z, axis=1, keepdims=True)
    return np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)


def randInitializeWeights(L_in, L_out):
    epsilon_init = np.sqrt(6) / np.sqrt(L_in + L_out)
    W = np.random.rand(L_out, L_in) * 2 * epsilon_init - epsilon_init
    # bias column
    return np.hstack([np.zeros((L_out, 1)), W])


def feedForward(Theta1, Theta2, X):
    m = X.shape[0]
    a1 = np.hstack([np.ones((m, 1)), X])
    z2 = a1 @ Theta1.T
    a2 = np.hstack([np.ones((m, 1)), sigmoid(z2)])
    z3 = a2 @ Theta2.T
    a3 = softmax(z3)
    return a1, z2, a2, z3, a3


def nnCostFunction(Theta1, Theta2, X, Y, lambda_=0.0):
    m = X.shape[0]
    a1, z2, a2, z3, a3 = feedForward(Theta1, Theta2, X)

    # cost
    J = -np.sum(Y * np.log(a3 + 1e-12)) / m
    # regularization, not of the bias column
    J += lambda_ / (2 * m) * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))

    # backpropagation
    d3 = a3 - Y
    d2 = (d3 @ Theta2[:, 1:]) * sigmoidGradient(z2)
    Theta1_grad = d2.T @ a1 / m
    Theta2_grad = d3.T @ a2 / m

    Theta1_grad[:, 1:] += lambda_ / m * Theta1[:, 1:]
    Theta2_grad[:, 1:] += lambda_ / m * Theta2[:, 1:]

    return J, Theta1_grad, Theta2_grad


def trainNN(X, Y, hidden_layer_size, alpha, lambda_, num_epochs, batch_size):
    input_layer_size = X.shape[1]
    num_labels = Y.shape[1]
    Theta1 = randInitializeWeights(input_layer_size, hidden_layer_size)
    Theta2 = randInitializeWeights(hidden_layer_size, num_labels)
    J_history = []
    for i in range(num_epochs):
        sel = np.random.permutation(X.shape[0])
        for k in range(0, len(sel), batch_size):
            batch = sel[k:k + batch_size]
            J, Theta1_grad, Theta2_grad = nnCostFunction(Theta1, Theta2, X[batch], Y[batch], lambda_)
            Theta1 = Theta1 - alpha * Theta1_grad
            Theta2 = Theta2 - alpha * Theta2_grad
            J_history.append(J)
    return Theta1, Theta2, J_history


def predict(Theta1, Theta2, X):
    a3 = feedForward(Theta1, Theta2, X)[-1]
    return np.argmax(a3, axis=1)


data = loadmat('ex4data1.mat')
X = data['X']
y = data['y'].ravel() % 10
Y = np.eye(10)[y]
Theta1, Theta2, J_history = trainNN(X, Y, 25, 0.8, 1.0, 50, 100)
pred = predict(Theta1, Theta2, X)
print('Training Set Accuracy: %f' % (np.mean(pred == y) * 100))
