import numpy
import scipy.special


# neural network class definition
class NeuralNetwork:

    # initialise the neural network
    def __init__(self, number_of_inputs, number_of_hidden, number_of_outputs, learning_rate=0.3):
        self.number_of_inputs = number_of_inputs
        self.number_of_hidden = number_of_hidden
        self.number_of_outputs = number_of_outputs
        self.learning_rate = learning_rate
        self.initialize_weights()

    def initialize_weights(self):
        # xavier: variance is 2 / (fan in + fan out)
        hidden_deviation = numpy.sqrt(2 / (self.number_of_inputs + self.number_of_hidden))
        output_deviation = numpy.sqrt(2 / (self.number_of_hidden + self.number_of_outputs))
        self.weights_input_hidden = numpy.random.normal(
            0.0, hidden_deviation, (self.number_of_inputs, self.number_of_hidden))
        self.weights_hidden_output = numpy.random.normal(
            0.0, output_deviation, (self.number_of_hidden, self.number_of_outputs))
        self.bias_hidden = numpy.zeros((1, self.number_of_hidden))
        self.bias_output = numpy.zeros((1, self.number_of_outputs))

    def activation_function(self, x):
        return scipy.special.expit(x)

    def softmax(self, scores):
        exponentials = numpy.exp(scores - numpy.max(scores, axis=1, keepdims=True))
        return exponentials / numpy.sum(exponentials, axis=1, keepdims=True)

    # the forward pass: everything is remembered for the backward pass
    def feedforward(self, inputs):
        self.inputs = inputs
        self.hidden_inputs = numpy.dot(inputs, self.weights_input_hidden) + self.bias_hidden
        self.hidden_outputs = self.activation_function(self.hidden_inputs)
        self.final_inputs = numpy.dot(self.hidden_outputs, self.weights_hidden_output) + self.bias_output
        self.final_outputs = self.softmax(self.final_inputs)
        return self.final_outputs

    # backpropagate the errors, and remember the gradients
    def backpropagate(self, targets):
        batch_size = targets.shape[0]

        output_errors = (self.final_outputs - targets) / batch_size
        hidden_errors = numpy.dot(output_errors, self.weights_hidden_output.T)
        hidden_deltas = hidden_errors * self.hidden_outputs * (1.0 - self.hidden_outputs)

        self.gradient_hidden_output = numpy.dot(self.hidden_outputs.T, output_errors)
        self.gradient_bias_output = numpy.sum(output_errors, axis=0, keepdims=True)
        self.gradient_input_hidden = numpy.dot(self.inputs.T, hidden_deltas)
        self.gradient_bias_hidden = numpy.sum(hidden_deltas, axis=0, keepdims=True)

    def update_weights(self):
        self.weights_hidden_output -= self.learning_rate * self.gradient_hidden_output
        self.weights_input_hidden -= self.learning_rate * self.gradient_input_hidden
        self.bias_output -= self.learning_rate * self.gradient_bias_output
        self.bias_hidden -= self.learning_rate * self.gradient_bias_hidden

    def cross_entropy(self, targets, outputs):
        clipped = numpy.clip(outputs, 1e-12, 1.0)
        return -numpy.mean(numpy.sum(targets * numpy.log(clipped), axis=1))

    def accuracy_percent(self, targets, outputs):
        predicted_labels = outputs.argmax(axis=1)
        correct_labels = targets.argmax(axis=1)
        return 100.0 * numpy.mean(predicted_labels == correct_labels)

    # train the neural network
    def train(self, inputs, targets, epochs, batch_size):
        number_of_examples = inputs.shape[0]
        losses = []
        for epoch in range(epochs):
            shuffled_indices = numpy.random.permutation(number_of_examples)
            for first in range(0, number_of_examples, batch_size):
                chosen = shuffled_indices[first:first + batch_size]
                self.feedforward(inputs[chosen])
                self.backpropagate(targets[chosen])
                self.update_weights()
            losses.append(self.cross_entropy(targets, self.feedforward(inputs)))
        return losses

    # query the neural network
    def query(self, inputs_list):
        inputs = numpy.array(inputs_list, ndmin=2)
        return self.feedforward(inputs)


# load the mnist training data CSV file into a list
training_data_file = open("mnist_dataset/mnist_train_100.csv", 'r')
training_data_list = training_data_file.readlines()
training_data_file.close()

inputs = []
targets = []
for record in training_data_list:
    all_values = record.split(',')
    inputs.append((numpy.asarray(all_values[1:], dtype=float) / 255.0 * 0.99) + 0.01)
    target = numpy.zeros(10)
    target[int(all_values[0])] = 1.0
    targets.append(target)

n = NeuralNetwork(784, 100, 10, 0.3)
n.train(numpy.array(inputs), numpy.array(targets), epochs=5, batch_size=10)
print("accuracy =", n.accuracy_percent(numpy.array(targets), n.query(inputs)))
