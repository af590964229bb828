import contextlib
import csv
import gzip
import hashlib
import http.server
import json
import struct
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearhead.data
from clearhead.data import Scaling, class_indices, full_name, load_data, symbol_numbers
from clearhead.formats import MNIST_SHA256, read
from clearhead.raw import Raw

SHARED = Path(__file__).parents[2] / "shared" / "data"
SPLIT_OF_SEED_0 = ["1448d336def1", "e6b2f1125733", "b49c1aed774d"]
IDX_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array):
    """An IDX file, value by value, from the format's own description."""
    kind = array.dtype.str[1:]
    letter = {"u1": "B", "i1": "b", "i2": "h", "i4": "i", "f4": "f", "f8": "d"}[kind]
    content = bytes([0, 0, IDX_CODES[kind], array.ndim])
    content += b"".join(struct.pack(">I", length) for length in array.shape)
    return content + b"".join(struct.pack(">" + letter, value) for value in array.ravel().tolist())


def images(num_images, height=3, width=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_images, height, width)).astype("u1")


def idx_folder(folder, num_train=40, num_test=7, num_classes=3, packed=True, dotted=False, prefix=""):
    """A folder as MNIST comes, with its arrays."""
    folder.mkdir(exist_ok=True)
    arrays = {}
    for part, count in (("train", num_train), ("t10k", num_test)):
        for what, array in (
            ("images", images(count, seed=count)),
            ("labels", (np.arange(count) % num_classes).astype("u1")),
        ):
            name = f"{prefix}{part}-{what}{'.' if dotted else '-'}idx{array.ndim}-ubyte"
            content = idx_bytes(array)
            path = folder / (name + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(content) if packed else content)
            arrays[part, what] = array
    return arrays


def flowers(num_rows=60, seed=0):
    """Rows of a table with two features and a class that is text; 3 classes of unlike size."""
    random = np.random.default_rng(seed)
    kinds = ["iris"] * (num_rows // 2) + ["rose"] * (num_rows // 3)
    kinds += ["aster"] * (num_rows - len(kinds))
    return [
        {"height": f"{random.normal():.3f}", "width": f"{random.normal() * 50:.2f}", "kind": kind}
        for kind in kinds
    ]


def write_csv(path, rows, delimiter=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def table(tmp_path):
    return write_csv(tmp_path / "flowers.csv", flowers())


@contextlib.contextmanager
def says(error, *parts):
    """Raises `error` in one sentence that holds every part."""
    with pytest.raises(error) as caught:
        yield
    message = str(caught.value)
    assert [part for part in parts if part not in message] == [], message
    assert "\n" not in message
    assert message[-1] in ".?"


# --- What load_data promises of every format ------------------------------------------------------


def test_the_digits_are_scikit_learns():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    expected = sklearn_datasets.load_digits()
    raw = read("digits")
    np.testing.assert_array_equal(raw.X, expected.images)
    np.testing.assert_array_equal(raw.Y, expected.target.astype(str))
    assert raw.X.dtype == np.uint8


def test_every_digit_is_in_exactly_one_part_with_its_own_label():
    raw, data = read("digits"), load_data("digits", seed=3)
    parts = [data.train, data.validation, data.test]
    X = np.concatenate([part.X for part in parts]).astype(np.float64)
    X = np.rint(X * data.scaling.spread + data.scaling.mean).astype(int)
    came = sorted((*x, int(y)) for x, y in zip(raw.X.reshape(-1, 64), raw.Y, strict=True))
    Y = np.concatenate([part.Y for part in parts])
    assert sorted((*x, y) for x, y in zip(X, Y, strict=True)) == came


def test_the_digits_split_70_15_15_in_float32_and_int64():
    data = load_data("digits")
    assert [len(part.X) for part in (data.train, data.validation, data.test)] == [1257, 270, 270]
    for part in (data.train, data.validation, data.test):
        assert part.X.dtype == np.float32
        assert part.Y.dtype == np.int64
        assert part.X.shape == (len(part.Y), 64)
    assert data.labels == tuple("0123456789")
    assert (data.shape, data.columns) == ((8, 8), ())


def test_the_scaling_knows_the_training_part_only(table):
    data = load_data("digits")
    np.testing.assert_allclose(data.train.X.mean(dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.X.std(dtype=np.float64), 1, atol=1e-6)
    data = load_data(table, target="kind")
    np.testing.assert_allclose(data.train.X.mean(axis=0, dtype=np.float64), [0, 0], atol=1e-6)
    np.testing.assert_allclose(data.train.X.std(axis=0, dtype=np.float64), [1, 1], atol=1e-6)
    assert np.abs(data.test.X.mean(axis=0)).min() > 1e-3


def test_images_share_one_mean_and_spread_while_a_table_has_one_for_each_column(table):
    assert load_data("digits").scaling.mean.shape == ()
    assert load_data(table, target="kind").scaling.spread.shape == (2,)


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    first, again, other = (load_data("digits", seed=seed) for seed in (1, 1, 2))
    for name in ("train", "validation", "test"):
        for here, there in zip(getattr(first, name), getattr(again, name), strict=True):
            np.testing.assert_array_equal(here, there)
    assert not np.array_equal(first.train.Y, other.train.Y)


def test_the_split_of_seed_0_is_the_one_that_every_platform_gives():
    data = load_data("digits")
    found = [
        hashlib.sha256(part.Y.astype("<i8").tobytes()).hexdigest()[:12]
        for part in (data.train, data.validation, data.test)
    ]
    assert found == SPLIT_OF_SEED_0


def test_training_examples_come_shuffled_even_from_a_file_sorted_by_class(table):
    Y = load_data(table, target="kind").train.Y
    assert (np.diff(Y) != 0).sum() > 10


@settings(deadline=None, max_examples=150)
@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    validation=st.one_of(st.none(), st.floats(0, 0.6)),
    seed=st.integers(0, 5),
    has_test=st.booleans(),
)
def test_a_split_is_exact_in_total_fair_to_each_class_and_trains_on_all(sizes, validation, seed, has_test):
    Y = np.repeat(np.arange(len(sizes)), sizes)
    try:
        parts = clearhead.data._split(Y, seed, validation, has_test, "made.csv")
    except ValueError:
        share = 0.15 if validation is None else validation
        fewest = min(share or 1, 1 if has_test else 0.15) * len(Y)
        num_held = (share + (not has_test) * 0.15) * len(Y)
        assert fewest < 1 or num_held > len(Y) - len(sizes) - 1, "refused without need"
        return
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(Y)))
    share = (0.1 if has_test else 0.15) if validation is None else validation
    assert abs(len(parts[1]) - share * len(Y)) <= 0.5
    assert abs(len(parts[2]) - (0 if has_test else 0.15 * len(Y))) <= 0.5
    num_rest = len(Y) - len(sizes)
    for number, size in enumerate(sizes):
        held = [(Y[part] == number).sum() for part in parts[1:]]
        assert (Y[parts[0]] == number).sum() >= 1
        assert abs(sum(held) - (size - 1) * (len(parts[1]) + len(parts[2])) / max(1, num_rest)) <= 1
        assert all(
            abs(h - (size - 1) * len(p) / max(1, num_rest)) <= 2 for h, p in zip(held, parts[1:], strict=True)
        )


def test_validation_takes_the_share_asked_for_and_0_leaves_an_empty_one(table):
    data = load_data(table, target="kind", validation=0.3)
    assert [len(part.X) for part in (data.train, data.validation, data.test)] == [33, 18, 9]
    data = load_data(table, target="kind", validation=0)
    assert data.validation.X.shape == (0, 2)
    assert data.validation.Y.shape == (0,)
    assert (len(data.train.X), len(data.test.X)) == (51, 9)


@pytest.mark.parametrize("validation", [-0.1, 1, 1.5, float("nan")])
def test_a_validation_that_is_no_share_is_refused(validation):
    with says(ValueError, f"validation={validation}", "0.1 holds out a tenth"):
        load_data("digits", validation=validation)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with says(ValueError, f"seed={seed}", "whole number"):
        load_data("digits", seed=seed)


def test_data_too_small_to_split_is_refused(tmp_path, table):
    path = write_csv(tmp_path / "few.csv", flowers(60)[28:32])
    with says(ValueError, "few.csv has 4 examples of 2 classes", "more examples"):
        load_data(path, target="kind", validation=0.6)
    with says(ValueError, "few.csv has 3 examples", "15% for the test"):
        load_data(write_csv(path, flowers(60)[28:31]), target="kind", validation=0)
    with says(ValueError, "flowers.csv has 60 examples", "lower validation"):
        load_data(table, target="kind", validation=0.9)


def test_data_of_one_class_is_refused(tmp_path):
    path = write_csv(tmp_path / "one.csv", flowers(60)[:20])
    with says(ValueError, "one.csv has one class only, 'iris'"):
        load_data(path, target="kind")


def test_the_source_is_enough_to_load_the_same_again_and_to_notice_a_change(table, monkeypatch):
    monkeypatch.chdir(table.parent)
    data = load_data("flowers.csv", 4, target="kind", validation=0.2)
    source = json.loads(json.dumps(data.source))
    assert source["name_or_path"] == str(table)
    checksum = source.pop("sha256")
    again = load_data(**source)
    assert again.source["sha256"] == checksum
    np.testing.assert_array_equal(again.validation.X, data.validation.X)
    changed = [*flowers()[:-1], flowers()[0]]
    write_csv(table, changed)
    assert load_data(**source).source["sha256"] != checksum


def test_the_checksum_sees_values_labels_names_and_the_test_set():
    X, Y = np.arange(6.0).reshape(3, 2), np.array(["a", "b", "ab"])
    same = Raw(X, Y, ("u", "v")).sha256()
    assert Raw(X.copy(), Y.copy(), ("u", "v")).sha256() == same
    others = [
        Raw(X + 1, Y, ("u", "v")),
        Raw(X, Y[::-1], ("u", "v")),
        Raw(X, Y, ("v", "u")),
        Raw(X, None, ("u", "v")),
        Raw(X.reshape(2, 3), Y, ("u", "v")),
        Raw(X, Y, ("u", "v"), test=Raw(X, Y)),
    ]
    assert len({same, *(other.sha256() for other in others)}) == 7


def test_importing_data_loads_neither_torch_nor_polars():
    code = "import clearhead.data, sys; sys.exit(bool({'torch', 'polars'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- Scaling --------------------------------------------------------------------------------------


def test_a_scaling_equals_the_formula_cell_by_cell():
    X = np.random.default_rng(0).normal(5, [1, 20, 300], (7, 3))
    scaling, expected = Scaling.of(X), np.empty((7, 3))
    for column in range(3):
        mean = sum(X[:, column]) / 7
        spread = (sum((x - mean) ** 2 for x in X[:, column]) / 7) ** 0.5
        expected[:, column] = [(x - mean) / spread for x in X[:, column]]
    np.testing.assert_allclose(scaling(X), expected.astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 2), (300, 40, 30)])
def test_images_of_any_shape_are_scaled_by_all_their_pixels(shape):
    X = np.random.default_rng(0).integers(0, 256, shape).astype("u1")
    scaling = Scaling.of(X)
    np.testing.assert_allclose([scaling.mean, scaling.spread], [X.mean(), X.std()], rtol=1e-12)
    expected = ((X - X.mean()) / X.std()).reshape(len(X), -1)
    np.testing.assert_allclose(scaling(X), expected, rtol=1e-5, atol=1e-6)
    assert scaling(X).dtype == np.float32


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i4", "?"])
def test_images_of_any_number_type_are_scaled_in_float64(kind):
    X = (np.arange(24).reshape(4, 3, 2) % 5 * 300).astype(kind)
    wide = X.astype(np.float64)
    expected = ((wide - wide.mean()) / wide.std()).astype(np.float32).reshape(4, 6)
    np.testing.assert_allclose(Scaling.of(X)(X), expected, rtol=1e-6)


def test_a_constant_column_is_exactly_0_also_for_values_never_seen():
    X = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    assert X[:, 0].std() != 0, "the rounding that this test is about"
    scaling = Scaling.of(X)
    assert scaling.spread[0] == 0
    assert (scaling(np.array([[1e9, 3.0], [-4.0, 3.0]])) == 0).all()
    assert (Scaling.of(np.full((3, 2, 2), 9, "u1"))(images(4, 2, 2)) == 0).all()


def test_a_table_is_scaled_in_float64_so_that_a_large_offset_keeps_its_digits():
    X = 1e9 + np.arange(5.0)[:, np.newaxis]
    np.testing.assert_allclose(Scaling.of(X)(X).ravel(), (np.arange(5) - 2) / 2**0.5, rtol=1e-6)


def test_a_scaling_survives_json_exactly(table):
    for scaling in (load_data("digits").scaling, load_data(table, target="kind").scaling):
        again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
        np.testing.assert_array_equal(again.mean, scaling.mean)
        np.testing.assert_array_equal(again.spread, scaling.spread)
        assert again.mean.dtype == np.float64
        assert again.mean.shape == scaling.mean.shape


def test_a_scaling_refuses_other_columns_and_numbers_that_overflow():
    scaling = Scaling.of(np.arange(6.0).reshape(2, 3))
    with says(ValueError, "X must be (examples, 3)", "(4, 2)"):
        scaling(np.ones((4, 2)))
    for low, high in ((-1.7e308, 1.7e308), (1.6e308, 1.7e308)):
        with says(ValueError, "too large", "column 2"):
            Scaling.of(np.array([[1.0, low], [2.0, high]]))


@pytest.mark.parametrize("unit", [5e-324 * 2**60, 1e-170, 1e-30, 1e30, 1e200, 1e307])
@pytest.mark.parametrize("shape", [(5, 1), (5, 1, 1)])
def test_a_scaling_does_not_depend_on_the_unit_however_small_or_large(unit, shape):
    X = np.array([1.0, 2, 3, 5, 4]).reshape(shape)
    expected = (X - 3) / 2**0.5
    np.testing.assert_allclose(Scaling.of(X * unit)(X * unit), expected.reshape(5, 1), rtol=1e-6, atol=1e-12)


def test_a_value_too_far_off_for_float32_is_infinite_without_a_warning(recwarn):
    scaling = Scaling.of(np.array([[1e-170, 1.0], [3e-170, 1.0]]))
    assert scaling(np.array([[1.0, 2.0], [-1e300, -1.7e308]])).tolist() == [[np.inf, 0], [-np.inf, 0]]
    assert [str(warning.message) for warning in recwarn] == []


# --- IDX ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
@pytest.mark.parametrize("prefix", ["", "emnist-letters-"])
def test_a_folder_as_mnist_comes_keeps_its_own_test_set(tmp_path, packed, dotted, prefix):
    arrays = idx_folder(tmp_path, packed=packed, dotted=dotted, prefix=prefix)
    raw = read(tmp_path)
    np.testing.assert_array_equal(raw.X, arrays["train", "images"])
    np.testing.assert_array_equal(raw.test.X, arrays["t10k", "images"])
    assert raw.test.Y.tolist() == [str(label) for label in arrays["t10k", "labels"]]
    data = load_data(tmp_path)
    assert [len(part.X) for part in (data.train, data.validation, data.test)] == [36, 4, 7]
    expected = (arrays["t10k", "images"].reshape(7, 6) - data.scaling.mean) / data.scaling.spread
    np.testing.assert_allclose(data.test.X, expected, rtol=1e-5, atol=1e-6)
    assert data.test.Y.tolist() == arrays["t10k", "labels"].tolist()
    assert data.shape == (3, 2)


def test_an_unpacked_file_goes_before_its_packed_one_and_test_may_be_called_test(tmp_path):
    arrays = idx_folder(tmp_path, packed=True)
    for path in tmp_path.iterdir():
        path.write_bytes(b"out of date")
    idx_folder(tmp_path, packed=False)
    for path in list(tmp_path.glob("t10k*")):
        path.rename(path.with_name(path.name.replace("t10k", "test")))
    np.testing.assert_array_equal(read(tmp_path).test.X, arrays["t10k", "images"])


def test_a_folder_with_only_train_is_split_three_ways(tmp_path):
    idx_folder(tmp_path)
    for path in list(tmp_path.glob("t10k*")):
        path.unlink()
    data = load_data(tmp_path)
    assert [len(part.X) for part in (data.train, data.validation, data.test)] == [28, 6, 6]


@pytest.mark.parametrize("kind", list(IDX_CODES))
def test_every_element_type_of_idx_is_read(tmp_path, kind):
    expected = np.arange(-12, 12).astype(kind).reshape(4, 3, 2)
    path = tmp_path / "some-images"
    path.write_bytes(idx_bytes(expected))
    raw = read(path)
    np.testing.assert_array_equal(raw.X, expected)
    assert raw.X.dtype == np.dtype(kind)
    assert raw.Y is None


def test_images_without_labels_can_be_read_but_not_trained_on(tmp_path):
    idx_folder(tmp_path, packed=False)
    single = tmp_path / "train-images-idx3-ubyte"
    assert read(single).X.shape == (40, 3, 2)
    with says(ValueError, "has examples but not their labels"):
        load_data(single)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert read(tmp_path).test.Y is None
    with says(ValueError, "has examples but not their labels"):
        load_data(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-5], "holds 251 bytes, its header promises 256"),
        (lambda content: content + b"\0", "holds 257 bytes, its header promises 256"),
        (lambda content: content[:9], "does not begin as an IDX file does"),
        (lambda content: b"<html>", "does not begin as an IDX file does"),
        (lambda content: content[:2] + b"\x07" + content[3:], "does not begin as an IDX"),
        (lambda content: gzip.compress(content)[:-9], "is damaged or cut short"),
        (lambda content: gzip.compress(content)[:30] + b"\xff" * 40, "is damaged or cut short"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, damage, message):
    idx_folder(tmp_path, packed=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with says(ValueError, "train-images-idx3-ubyte", message, "fetch it again"):
        read(tmp_path)


def test_a_folder_that_is_no_data_set_says_what_it_found(tmp_path):
    with says(ValueError, str(tmp_path), "train-images-idx3-ubyte", "found none"):
        read(tmp_path)
    for prefix in ("emnist-letters-", "emnist-digits-"):
        idx_folder(tmp_path, prefix=prefix)
    with says(ValueError, "one data set", "emnist-"):
        read(tmp_path)


def test_labels_that_do_not_match_their_images_are_refused(tmp_path):
    idx_folder(tmp_path, packed=False)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(39, "u1")))
    with says(ValueError, "40 examples but labels (39,)"):
        read(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros(39, "u1")))
    with says(ValueError, "X in train-images-idx3-ubyte must hold numbers", "(39,)"):
        read(tmp_path)


def test_a_test_set_of_another_shape_or_with_a_strange_label_is_refused(tmp_path):
    idx_folder(tmp_path, packed=False)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(7, 5, "u1")))
    with says(ValueError, "label '5' is not among the 3 labels", "'0', '1', '2'"):
        load_data(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(images(7, 4, 2)))
    with says(ValueError, "shape (3, 2)", "tests on (4, 2)"):
        read(tmp_path)


def test_the_real_mnist_loads_with_its_own_test_set():
    if not (SHARED / "mnist").is_dir():
        pytest.skip(f"the real MNIST is not in {SHARED}")
    data = load_data(SHARED / "mnist")
    assert [len(part.X) for part in (data.train, data.validation, data.test)] == [
        54000,
        6000,
        10000,
    ]
    assert data.labels == tuple("0123456789")
    assert data.test.Y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9], "as published"
    np.testing.assert_allclose(data.scaling.mean, 0.1307 * 255, rtol=2e-3)
    np.testing.assert_allclose(data.scaling.spread, 0.3081 * 255, rtol=2e-3)
    np.testing.assert_allclose(data.train.X.std(dtype=np.float64), 1, atol=1e-5)


# --- NPZ ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("X", "Y"), ("x", "y"), ("X_train", "Y_TRAIN")])
@pytest.mark.parametrize("shape", [(40, 6), (40, 3, 2), (40, 4, 3, 2)])
def test_an_npz_of_any_usual_names_and_shapes_is_read(tmp_path, names, shape):
    X = np.random.default_rng(0).normal(size=shape)
    path = tmp_path / "some.npz"
    np.savez(path, **{names[0]: X, names[1]: np.arange(40) % 3})
    raw, data = read(path), load_data(path)
    np.testing.assert_array_equal(raw.X, X)
    assert raw.Y.tolist() == [str(i % 3) for i in range(40)]
    assert data.shape == shape[1:]
    assert data.scaling.mean.ndim == (len(shape) == 2)


def test_keras_names_bring_the_test_set(tmp_path):
    path = tmp_path / "keras.npz"
    X, Y = images(40), np.arange(40)[:, np.newaxis] % 4
    np.savez(path, x_train=X, y_train=Y, x_test=X[:5], y_test=Y[:5])
    data = load_data(path)
    assert [len(part.X) for part in (data.train, data.validation, data.test)] == [36, 4, 5]
    assert data.test.Y.tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("Y", "names"),
    [
        (np.array([10, 9, 10, 2]), ["10", "9", "10", "2"]),
        (np.array([3.0, -1.0, 0.0, 3.0]), ["3", "-1", "0", "3"]),
        (np.array(["cat", "dog", "", "cat"]), ["cat", "dog", "", "cat"]),
        (np.array([True, False, True, True]), ["True", "False", "True", "True"]),
        (np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]), ["1", "0", "2", "1"]),
        (np.array([[0.0, 1], [1, 0], [1, 0], [0, 1]]), ["1", "0", "0", "1"]),
        (np.array(["01", "1", "1e3", "1000"]), ["01", "1", "1e3", "1000"]),
        (np.array(["1", "2", "inf", "2"]), ["1", "2", "inf", "2"]),
        (np.array(["2.0", "-1", "2", "0"]), ["2", "-1", "2", "0"]),
        (
            np.array([2**63 - 1, 2**63 - 2, 0, 1]),
            ["9223372036854775807", "9223372036854775806", "0", "1"],
        ),
    ],
)
def test_labels_of_an_npz_become_names(tmp_path, Y, names):
    np.savez(tmp_path / "y.npz", X=np.ones((4, 3)), Y=Y)
    assert read(tmp_path / "y.npz").Y.tolist() == names


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"X": np.ones((4, 3)), "Y": np.array([[1, 1], [1, 0], [0, 1], [0, 1]])}, ["one-hot"]),
        ({"X": np.ones((4, 3)), "Y": np.full((4, 2), 0.5)}, ["one-hot", "(4, 2)"]),
        ({"X": np.ones((4, 3)), "Y": np.ones((4, 2, 2))}, ["whole numbers or text", "(4, 2, 2)"]),
        ({"X": np.ones((4, 3)), "Y": np.array([1, 2, 2.5, 3])}, ["2.5 in example 3", "classes"]),
        ({"X": np.ones((4, 3)), "Y": np.array([1, np.nan, 2, 3])}, ["nan in example 2"]),
        ({"X": np.ones((4, 3)), "Y": np.array(["1", "2.50", "3", "01"])}, ["2.50 in example 2", "classes"]),
        ({"X": np.ones((4, 3)), "Y": np.arange(5)}, ["4 examples but labels (5,)"]),
        ({"X": np.ones((4, 3)), "Y": np.array(1)}, ["4 examples but labels ()"]),
        ({"X": np.ones(4), "Y": np.arange(4)}, ["X in broken.npz must hold numbers", "(4,)"]),
        ({"X": np.ones((0, 3)), "Y": np.arange(0)}, ["one or more", "(0, 3)"]),
        ({"X": np.ones((4, 3), complex)}, ["must hold numbers", "complex128"]),
        ({"X": np.array([["a"]])}, ["must hold numbers"]),
        ({"X": np.array([[1.0, 2.0], [3.0, -np.inf]])}, ["holds -inf at (1, 1)"]),
        ({"X": np.full((2, 2, 2), np.nan)}, ["holds nan at (0, 0, 0)"]),
        ({"images": np.ones((4, 3)), "Y": np.arange(4)}, ["must hold X and Y", "images, y"]),
        ({"X": np.ones((4, 3)), "x_test": np.ones((4, 2))}, ["shape (3,)", "tests on (2,)"]),
        ({"X": np.array([{}], object)}, ["plain arrays", "np.savez"]),
    ],
)
def test_an_npz_that_cannot_be_used_says_why(tmp_path, arrays, parts):
    np.savez(tmp_path / "broken.npz", **arrays)
    with says(ValueError, *parts):
        read(tmp_path / "broken.npz")


def test_an_npz_without_labels_or_cut_short_is_named(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, X=np.ones((4, 3)))
    assert read(path).Y is None
    with says(ValueError, "has examples but not their labels"):
        load_data(path)
    path.write_bytes(path.read_bytes()[:-40])
    with says(ValueError, "some.npz is no NPZ file of plain arrays"):
        read(path)


# --- Tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_a_table_equals_what_pythons_csv_module_reads(tmp_path, delimiter, encoding):
    rows = [{**row, "꽃": "장미" if row["kind"] == "rose" else "국화"} for row in flowers()]
    path = write_csv(tmp_path / "꽃.csv", rows, delimiter, encoding)
    with path.open(encoding=encoding, newline="") as file:
        expected = list(csv.DictReader(file, delimiter=delimiter))
    raw = read(path, target="꽃", columns=["width", "height"])
    assert raw.X.tolist() == [[float(row["width"]), float(row["height"])] for row in expected]
    assert raw.Y.tolist() == [row["꽃"] for row in expected]
    assert raw.columns == ("width", "height")


def test_parquet_csv_tsv_and_packed_csv_give_the_same_data(tmp_path, table):
    frame = pl.read_csv(table)
    frame.write_parquet(tmp_path / "flowers.parquet")
    frame.write_csv(tmp_path / "flowers.tsv", separator="\t")
    (tmp_path / "flowers.csv.gz").write_bytes(gzip.compress(table.read_bytes()))
    expected = load_data(table, target="kind")
    assert expected.columns == ("height", "width")
    assert expected.labels == ("aster", "iris", "rose")
    for name in ("flowers.parquet", "flowers.tsv", "flowers.csv.gz"):
        data = load_data(tmp_path / name, target="kind")
        np.testing.assert_array_equal(data.train.X, expected.train.X)
        np.testing.assert_array_equal(data.test.Y, expected.test.Y)
        with says(ValueError, f"{name} is a table, so target (--target) must name"):
            load_data(tmp_path / name)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["10", "9", "2"], ("2", "9", "10")),
        (["3.0", "1.0", "-2"], ("-2", "1", "3")),
        (["10", "9", "b"], ("10", "9", "b")),
        (["3.00", "3", "-0.0"], ("0", "3")),
        (["1e3", "007", "+5"], ("+5", "007", "1e3")),
        (["01", "1", "10"], ("01", "1", "10")),
        (["1_0", "10", "2"], ("2", "10", "1_0")),
        (["0123", "4567", "12"], ("12", "0123", "4567")),
        (
            ["12345678901234567891.0", "12345678901234567890", "2"],
            ("2", "12345678901234567890", "12345678901234567891"),
        ),
        (["1", "2", "inf"], ("1", "2", "inf")),
        (["1.0", "1", "v1"], ("1", "1.0", "v1")),
        (["나", "가", "z"], ("z", "가", "나")),
        (['say "hi"', "a,b", " padded "], ("a,b", "padded", 'say "hi"')),
    ],
)
def test_numeric_labels_sort_as_numbers_and_others_as_letters(tmp_path, cells, labels):
    rows = [{"a": str(i), "label": cells[i % 3]} for i in range(30)]
    assert load_data(write_csv(tmp_path / "t.csv", rows), target="label").labels == labels


def test_a_table_of_any_kind_of_parquet_column_is_read_as_numbers(tmp_path):
    frame = pl.DataFrame(
        {
            "whole": [1, 2, 3],
            "flag": [True, False, True],
            "words": ["1.5", " 2 ", "-3e2"],
            "label": [1.0, 2.0, 1.0],
        }
    ).with_columns(pl.col("whole").cast(pl.UInt8))
    frame.write_parquet(tmp_path / "t.parquet")
    raw = read(tmp_path / "t.parquet", target="label")
    assert raw.X.tolist() == [[1, 1, 1.5], [2, 0, 2], [3, 1, -300]]
    assert raw.Y.tolist() == ["1", "2", "1"]


@settings(deadline=None, max_examples=60)
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_numbers_are_read_to_the_last_bit(numbers, tmp_path_factory):
    path = tmp_path_factory.mktemp("bits") / "t.csv"
    path.write_text("a,b\n" + "".join(f"{number!r},1\n" for number in numbers))
    assert read(path).X[:, 0].tolist() == numbers


def test_a_table_to_train_on_needs_a_target_and_lists_its_columns(table):
    with says(ValueError, "flowers.csv is a table, so target (--target)", "one of: height, width, kind"):
        load_data(table)
    with says(ValueError, "target='kin' is not a column of flowers.csv", "one of: height, width, kind"):
        load_data(table, target="kin")
    with says(ValueError, "'kin' is not a column of flowers.csv, which has height, width, kind;", "--target"):
        read(table, target="kin")


def test_a_list_of_very_many_columns_is_cut_short(tmp_path):
    path = write_csv(tmp_path / "wide.csv", [{f"c{i}": "1" for i in range(25)}])
    with says(ValueError, "c0, c1", "c19 and 5 more"):
        load_data(path)


def test_features_are_picked_by_name_and_missing_ones_are_named(table):
    assert read(table, columns=["width"]).columns == ("width",)
    assert read(table, columns=["width"]).Y is None
    with says(ValueError, "flowers.csv lacks", "'depth', 'age'", "it has height, width, kind"):
        read(table, columns=["depth", "width", "age"])


@pytest.mark.parametrize("missing", ["", " ", "NA", "NaN", "nan", "null", "?", "n/a"])
@pytest.mark.parametrize("column", ["width", "kind"])
def test_a_missing_value_is_named_by_row_and_column(tmp_path, missing, column):
    rows = flowers()
    rows[6][column] = missing
    path = write_csv(tmp_path / "gaps.csv", rows)
    with says(ValueError, f"column {column!r} is missing in row 7 (line 8) of gaps.csv", "fill"):
        load_data(path, target="kind")


def test_the_line_of_a_row_counts_empty_lines_and_cells_of_several_lines(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_text('\na,"b\nc",label\n\n1,2,x\r\n3,4,"y\nz"\n\n\n5,,x\n6,,x\n')
    with says(ValueError, "column 'b\\nc' is missing in row 3 (line 10)", "(2 such rows)"):
        read(path, target="label")


def test_empty_lines_are_no_rows(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_text("\n\na,b\n1,2\n\n3,4\n,\n\n\n")
    assert read(path).X.tolist() == [[1, 2], [3, 4]]
    path.write_bytes(b"a,b\r1,2\r3,4\r")
    assert read(path).X.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("infinite", ["inf", "-Infinity", "1e400"])
def test_an_infinite_value_is_named_by_row_and_column(tmp_path, infinite):
    rows = flowers()
    rows[2]["height"] = infinite
    with says(ValueError, "column 'height' is infinite in row 3 (line 4) of gaps.csv"):
        load_data(write_csv(tmp_path / "gaps.csv", rows), target="kind")


@pytest.mark.parametrize("word", ["tall", "1,5", "0x10", "1_000", "2020-01-01"])
def test_text_among_the_features_is_named_by_column_row_and_value(tmp_path, word):
    rows = flowers()
    rows[4]["height"] = word
    with says(ValueError, "column 'height'", f"'{word}'", "row 5 (line 6)", "must be numbers"):
        load_data(write_csv(tmp_path / "words.csv", rows), target="kind")


def test_parquet_names_the_row_alone_and_refuses_what_is_no_number(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1.0, None, 2.0], "b": [1.0, 2.0, float("inf")]}).write_parquet(path)
    with says(ValueError, "column 'a' is missing in row 2 of t.parquet"):
        read(path)
    with says(ValueError, "column 'b' is infinite in row 3 of t.parquet"):
        read(path, columns=["b"])
    pl.DataFrame({"a": [[1], [2]], "b": [1, 2]}).write_parquet(path)
    with says(ValueError, "column 'a' holds List(Int64)"):
        read(path)
    path.write_bytes(path.read_bytes()[:-20])
    with says(ValueError, "t.parquet is a damaged Parquet file"):
        read(path)


def test_true_and_false_among_the_features_are_1_and_0_as_in_parquet(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,label\ntrue,True,true\n false ,FALSE,false\n")
    raw = read(path, target="label")
    assert raw.X.tolist() == [[1, 1], [0, 0]]
    assert raw.Y.tolist() == ["true", "false"]


def test_labels_that_are_measurements_are_refused(tmp_path):
    rows = [{"a": str(i), "price": str(i + 0.5 * (i == 8))} for i in range(30)]
    path = write_csv(tmp_path / "prices.csv", rows)
    with says(ValueError, "target 'price' holds 8.5 in row 9 (line 10)", "classes"):
        load_data(path, target="price")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("a,b,a\n1,2,3\n", ["two columns named 'a'", "rename one"]),
        ("a,label\n", ["no rows below its header"]),
        ("label\nx\ny\n", ["no feature columns beside 'label'"]),
        ("", ["t.csv is empty", "column names"]),
        ("\n\n", ["t.csv is empty"]),
        (",b,label\n0,1,x\n1,2,y\n", ["a column without a name", "row numbers"]),
        ("a,label\n1,x\n1,2,x\n", ["row 2 (line 3) of t.csv has 3 instead of 2 cells", "separators"]),
        ("a,b,label\n1,2,x\n\n,,\n3\n4,5,x\n", ["row 2 (line 5) of t.csv has 1 instead of 3 cells"]),
        ("a,label\n1,x\n,,\n", ["row 2 (line 3) of t.csv has 3 instead of 2 cells"]),
        (f'a,label\n1,x\n"{"2" * 140_000}\n', ["cannot be read as a table", "field limit", "quotes"]),
        ('a,label\n"1,x\n2,y\n', []),
    ],
)
def test_a_table_that_is_not_one_says_why(tmp_path, content, parts):
    (tmp_path / "t.csv").write_text(content)
    with says(ValueError, "t.csv", *parts):
        read(tmp_path / "t.csv", target="label")


def test_naming_a_column_of_what_has_none_is_refused(tmp_path):
    with says(ValueError, "target='kind' names columns", "digits has none"):
        load_data("digits", target="kind")
    with says(ValueError, "columns=['a'] names columns"):
        read("digits", columns=["a"])
    idx_folder(tmp_path)
    with says(ValueError, "target='kind' names columns"):
        load_data(tmp_path, target="kind")


def test_a_text_file_is_a_table_for_whoever_names_its_target(tmp_path):
    path = write_csv(tmp_path / "flowers.txt", flowers())
    assert load_data(path, target="kind").columns == ("height", "width")
    assert read(path, columns=()).X.ndim == 1


# --- Text -----------------------------------------------------------------------------------------


def test_a_text_trains_on_nine_tenths_and_every_symbol_is_followed_by_the_next(tmp_path):
    text = "to be, or not to be: that is the question.\n" * 5
    path = tmp_path / "play.txt"
    path.write_text(text)
    data = load_data(path)
    symbols = sorted(set(text))
    ids = [symbols.index(symbol) for symbol in text]
    end = int(0.9 * len(ids))
    assert data.labels == tuple(symbols)
    assert (data.train.X.tolist(), data.train.Y.tolist()) == (ids[: end - 1], ids[1:end])
    assert (data.validation.X.tolist(), data.validation.Y.tolist()) == (ids[end:-1], ids[end + 1 :])
    assert data.test.X.shape == data.test.Y.shape == (0,)
    assert data.train.X.dtype == data.train.Y.dtype == np.int64
    assert np.shares_memory(data.train.X, data.train.Y)
    assert (data.scaling, data.shape, data.columns) == (None, (), ())


def test_validation_overrides_the_tenth_of_a_text(tmp_path):
    path = tmp_path / "abc.md"
    path.write_text("abcde" * 8)
    assert len(load_data(path, validation=0.25).validation.X) == 9
    data = load_data(path, validation=0)
    assert (len(data.train.X), len(data.validation.X)) == (39, 0)


def test_tiny_shakespeare_is_as_nanogpt_splits_it():
    path = SHARED / "text" / "tinyshakespeare.txt"
    if not path.exists():
        pytest.skip(f"no {path}")
    data = load_data(path)
    assert len(data.labels) == 65
    assert (len(data.train.X) + 1, len(data.validation.X) + 1) == (1003854, 111540)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_korean_text_is_read_in_either_encoding_with_any_line_ends(tmp_path, encoding):
    path = tmp_path / "시.txt"
    path.write_bytes("나 보기가\r\n역겨워\r가실 때에는\n".encode(encoding))
    assert "".join(map(chr, read(path).X)) == "나 보기가\n역겨워\n가실 때에는\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_with_its_mark_is_read_as_excel_writes_it(tmp_path, encoding):
    path = tmp_path / "unicode.txt"
    path.write_bytes("\ufeffa\t꽃\r\n1\t장미\r\n2\t국화\r\n".encode(encoding))
    raw = read(path, target="꽃")
    assert (raw.X.tolist(), raw.Y.tolist(), raw.columns) == ([[1], [2]], ["장미", "국화"], ("a",))
    assert "".join(map(chr, read(path).X)) == "a\t꽃\n1\t장미\n2\t국화\n"
    path.write_bytes(path.read_bytes()[:-1])
    with says(ValueError, "unicode.txt is of no kind known here", "UTF-16"):
        read(path)


def test_a_text_too_short_to_learn_from_is_refused(tmp_path):
    path = tmp_path / "short.txt"
    for content in ("", "abcdef", "a" * 100):
        path.write_text(content)
        with says(ValueError, f"short.txt has {len(content)} characters", "2 distinct"):
            load_data(path)


def test_other_text_is_numbered_by_the_symbols_that_were_learnt(tmp_path):
    path = tmp_path / "other.txt"
    path.write_text("cab😀")
    X = read(path).X
    assert symbol_numbers(X[:3], ("a", "b", "c")).tolist() == [2, 0, 1]
    with says(ValueError, "symbol '😀' is not among the 3 symbols", "'a', 'b', 'c'"):
        symbol_numbers(X, ("a", "b", "c"))


def test_labels_are_found_in_any_order_and_a_strange_one_is_named():
    labels = ("2", "10", "9")
    assert class_indices(np.array(["9", "2", "10", "9"]), labels).tolist() == [2, 0, 1, 2]
    with says(ValueError, "label '7'", "'2', '10', '9'"):
        class_indices(np.array(["9", "7"]), labels)


# --- What is no data ------------------------------------------------------------------------------


def test_a_path_that_is_not_there_names_what_is_close(tmp_path):
    (tmp_path / "flowers.csv").write_text("a,b\n1,2\n")
    with says(FileNotFoundError, "flower.csv", "digits, mnist", "Did you mean flowers.csv?"):
        load_data(tmp_path / "flower.csv")
    with says(FileNotFoundError, "digit is neither a name", "Did you mean digits?"):
        load_data("digit")
    with says(FileNotFoundError, "neither a name (digits, mnist) nor a file or folder."):
        read(tmp_path / "no" / "such" / "thing")


def test_an_empty_name_is_refused_and_not_taken_for_this_folder():
    for function in (load_data, read):
        with says(ValueError, "name_or_path=''", "digits, mnist, or a file or folder"):
            function("")


def test_a_tilde_is_the_home_folder_and_an_unknown_user_is_a_plain_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, place in (("~/t.csv", "t.csv"), ("~$t.csv", "~$t.csv")):
        write_csv(tmp_path / place, flowers())
        assert full_name(name) == str(tmp_path / place)
        assert read(name, target="kind").columns == ("height", "width")
        assert load_data(name, target="kind").source["name_or_path"] == full_name(name)
    with says(FileNotFoundError, "~nobody-here/t.csv is neither a name"):
        read("~nobody-here/t.csv")


def test_what_no_format_explains_is_refused_with_the_formats(tmp_path):
    for name in ("sheet.xlsx", "photo.png", "table.csv"):
        (tmp_path / name).write_bytes(b"PK\x03\x04\0\0\xff\xfe binary \0")
        with says(ValueError, name, "Parquet", "NPZ", "IDX", "text"):
            read(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_web_page_saved_under_the_name_of_a_format_is_not_read_as_a_text(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_text("<html>404</html>")
    with says(ValueError, f"t{suffix} is no {suffix} file", "fetch it again"):
        load_data(path)


# --- MNIST by name --------------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror of a small MNIST on this machine, its checksums, and an empty cache."""
    site, cache = tmp_path / "site", tmp_path / "cache"
    arrays = idx_folder(site)
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in site.iterdir()}
    assert set(sums) == set(MNIST_SHA256), "the published names"
    server = http.server.HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    server.asked, server.site, server.cache, server.arrays = [], site, cache, arrays
    monkeypatch.setattr("clearhead.formats.MNIST_SHA256", sums)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(cache / name))
    monkeypatch.setenv("CLEARHEAD_MNIST_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_mnist_is_fetched_once_from_the_mirror_and_loaded(mirror):
    for _ in range(2):
        data = load_data("mnist")
        assert [len(part.X) for part in (data.train, data.validation, data.test)] == [36, 4, 7]
        assert data.source["name_or_path"] == "mnist"
    assert sorted(mirror.asked) == sorted(f"/{name}" for name in files_in(mirror.site))
    assert files_in(mirror.cache) == files_in(mirror.site)
    np.testing.assert_array_equal(read("mnist").X, mirror.arrays["train", "images"])


def test_a_corrupted_download_is_refused_and_leaves_nothing_in_the_cache(mirror):
    path = mirror.site / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"!")
    with says(OSError, "train-images-idx3-ubyte.gz has SHA-256", "damaged", "--data FOLDER"):
        load_data("mnist")
    assert path.name not in files_in(mirror.cache)
    path.write_bytes(whole)
    assert len(load_data("mnist").train.X) == 36, "the next try finds a clean cache"


def test_a_write_that_fails_leaves_nothing_in_the_cache(mirror, monkeypatch):
    def full(source, target):
        raise OSError("No space left on device.")

    with monkeypatch.context() as patched, says(OSError, "No space left", "--data FOLDER"):
        patched.setattr("os.replace", full)
        load_data("mnist")
    assert files_in(mirror.cache) == []


@pytest.mark.parametrize("place", ["clearhead", "clearhead/mnist"])
def test_a_cache_that_cannot_be_written_says_what_to_do_instead(mirror, place):
    (mirror.cache / place).parent.mkdir(parents=True)
    (mirror.cache / place).write_text("a file where a folder should be")
    with says(OSError, "mnist cannot be kept in", str(mirror.cache), "pass a folder", "--data FOLDER"):
        load_data("mnist")


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(mirror):
    expected = load_data("mnist").source["sha256"]
    (mirror.cache / "clearhead" / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"broken")
    assert load_data("mnist").source["sha256"] == expected
    assert mirror.asked.count("/t10k-labels-idx1-ubyte.gz") == 2


def test_a_mirror_without_the_file_or_no_network_says_what_to_do_instead(mirror, monkeypatch):
    for path in list(mirror.site.iterdir()):
        path.unlink()
    with says(ConnectionError, "mnist could not be fetched from http://127.0.0.1", "404", "--data"):
        load_data("mnist")
    monkeypatch.setenv("CLEARHEAD_MNIST_URL", "http://127.0.0.1:1/")
    with says(ConnectionError, "http://127.0.0.1:1/t", "--data FOLDER"):
        load_data("mnist")
    monkeypatch.setenv("CLEARHEAD_MNIST_URL", "nonsense")
    with says(ConnectionError, "nonsense/t", "--data FOLDER"):
        load_data("mnist")
    assert files_in(mirror.cache) == []


def test_a_folder_called_mnist_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    idx_folder(tmp_path / "mnist")
    assert len(load_data("./mnist").train.X) == len(load_data(Path("mnist")).train.X) == 36
