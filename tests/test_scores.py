import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from clearhead.scores import Scores

LABELS = ("ant", "bee", "cat", "dog")


def assert_equals_scikit_learn(true, guessed):
    classes = range(len(LABELS))
    scores = Scores.of(true, guessed, LABELS)
    np.testing.assert_array_equal(scores.confusion, confusion_matrix(true, guessed, labels=classes))
    precision, recall, f1, counts = precision_recall_fscore_support(
        true, guessed, labels=classes, zero_division=np.nan
    )
    np.testing.assert_allclose(scores.precision, 100 * precision)
    np.testing.assert_allclose(scores.recall, 100 * recall)
    np.testing.assert_allclose(scores.f1, 100 * f1)
    np.testing.assert_array_equal(scores.confusion.sum(axis=1), counts)
    np.testing.assert_allclose(scores.accuracy, 100 * accuracy_score(true, guessed))


def test_scores_by_hand():
    scores = Scores.of(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 1]), ("a", "b", "c"))
    assert scores.confusion.tolist() == [[2, 1, 0], [0, 1, 1], [0, 1, 0]]
    assert scores.accuracy == 50
    np.testing.assert_allclose(scores.precision, [100, 100 / 3, 0])
    np.testing.assert_allclose(scores.recall, [200 / 3, 50, 0])
    np.testing.assert_allclose(scores.f1, [80, 40, 0])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_scores_equal_scikit_learns_also_for_classes_without_examples(pairs):
    assert_equals_scikit_learn(*np.array(pairs).T)


def test_a_class_without_examples_has_no_recall_and_one_never_guessed_no_precision():
    scores = Scores.of(np.array([0, 0, 1]), np.array([0, 2, 2]), LABELS)
    np.testing.assert_array_equal(np.isnan(scores.recall), [False, False, True, True])
    np.testing.assert_array_equal(np.isnan(scores.precision), [False, True, False, True])
    np.testing.assert_array_equal(np.isnan(scores.f1), [False, False, False, True])


def test_the_commonest_errors_come_first_and_right_answers_never():
    true = np.array([0] * 9 + [1] * 3 + [2] * 5 + [3] * 2)
    guessed = np.array([0] * 8 + [1] + [3] * 3 + [0] * 2 + [2] * 3 + [3] * 2)
    scores = Scores.of(true, guessed, LABELS)
    errors = [(3, "bee", "dog"), (2, "cat", "ant"), (1, "ant", "bee")]
    assert scores.most_confused() == errors
    assert scores.most_confused(most=2) == errors[:2]
    assert Scores.of(true, true, LABELS).most_confused() == []


@pytest.mark.parametrize("labels", [list(LABELS), LABELS])
def test_labels_are_kept_in_order(labels):
    assert Scores.of(np.array([3]), np.array([3]), labels).labels == LABELS
