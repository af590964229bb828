"""The language against slow loops over plain numbers, its laws, and every error sentence."""

import contextlib
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearhead.evaluation import CELL, OVER, PAIR, Evaluation
from clearhead.formula import AXES, RESERVED, WORDS, FormulaError, parse, values_in

N, D, H, C, B, T, S, M, A, K, F = 5, 4, 3, 2, 2, 6, 7, 4, 3, 2, 5
SIZES = {
    "N": N,
    "D": D,
    "H": H,
    "C": C,
    "B": B,
    "T": T,
    "S": S,
    "M": M,
    "A": A,
    "K": K,
    "AK": A * K,
    "F": F,
}


def letters(text):
    return tuple(text.split(",")) if text else ()


def evaluate(formula, shape, **inputs):
    """A formula on inputs `name=(axes, array)`."""
    values = {name: array for name, (_, array) in inputs.items()}
    axes = {name: letters(text) for name, (text, _) in inputs.items()}
    return Evaluation(values, axes).result(parse(formula), letters(shape))


def draw(axes, seed=0):
    """Random numbers with these axes, as evaluate takes them."""
    sizes = [SIZES[axis] for axis in letters(axes)]
    return axes, np.random.default_rng([seed, len(axes)]).normal(size=sizes)


def table(shape, cell):
    """The array whose every cell is worked out alone, from its indices."""
    result = np.empty([SIZES[axis] for axis in letters(shape)])
    for index in np.ndindex(*result.shape):
        result[index] = cell(*index)
    return result


def agrees(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


# Parsing


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", ("value", "a")),
        ("normed_2", ("value", "normed_2")),
        ("N", ("axis", "N")),
        ("AK", ("axis", "AK")),
        ("X", ("value", "X")),
        ("100", ("number", 100.0)),
        ("0.5", ("number", 0.5)),
        ("-a + b", ("+", ("neg", ("value", "a")), ("value", "b"))),
        ("a - b - c", ("-", ("-", ("value", "a"), ("value", "b")), ("value", "c"))),
        ("a / b ⊙ c", ("⊙", ("/", ("value", "a"), ("value", "b")), ("value", "c"))),
        ("a b / √K", ("/", ("product", ("value", "a"), ("value", "b")), ("√", ("axis", "K")))),
        ("a b c", ("product", ("product", ("value", "a"), ("value", "b")), ("value", "c"))),
        ("a bᵀ", ("product", ("value", "a"), ("ᵀ", ("value", "b")))),
        ("√a²", ("√", ("²", ("value", "a")))),
        ("(√a)²", ("²", ("√", ("value", "a")))),
        ("aᵀᵀ", ("ᵀ", ("ᵀ", ("value", "a")))),
        ("√√a", ("√", ("√", ("value", "a")))),
        ("2 (a + b)", ("product", ("number", 2.0), ("+", ("value", "a"), ("value", "b")))),
        ("[a > b]", (">", ("value", "a"), ("value", "b"))),
        ("[a = -1]", ("=", ("value", "a"), ("neg", ("number", 1.0)))),
        ("a where b - c", ("where", ("value", "a"), ("-", ("value", "b"), ("value", "c")))),
        ("σ(a)", ("σ", ("value", "a"))),
        ("Σ_BT(a)", ("Σ", "BT", ("value", "a"))),
        ("softmax_S(a where b)", ("softmax", "S", ("where", ("value", "a"), ("value", "b")))),
        ("reshape(a)", ("reshape", ("value", "a"))),
        ("\ta+b ", ("+", ("value", "a"), ("value", "b"))),
    ],
)
def test_a_formula_becomes_the_tree_that_the_grammar_says(text, tree):
    assert parse(text) == tree


def test_a_tree_survives_json():
    tree = parse("-mean_N(Σ_C(Y ⊙ log(y))) + 0.5 [a > b]")

    def tuples(part):
        return tuple(map(tuples, part)) if isinstance(part, list) else part

    assert tuples(json.loads(json.dumps(tree))) == tree


def test_the_values_of_a_tree_are_named_and_its_axes_and_words_are_not():
    assert values_in(parse("softmax_C(value number) / N + axis")) == {"value", "number", "axis"}


@pytest.mark.parametrize(
    ("text", "character", "says"),
    [
        ("", 1, "expected a value, a number, an axis or a word, got the end; put one here"),
        ("X W1 +", 7, "expected a value, a number, an axis or a word, got the end"),
        ("X W1 + )", 8, "expected a value, a number, an axis or a word, got )"),
        ("a - -b", 5, "expected a value, a number, an axis or a word, got -"),
        ("ᵀ", 1, "expected a value, a number, an axis or a word, got ᵀ"),
        ("where a", 1, "expected a value, a number, an axis or a word, got where"),
        ("X * W1", 3, "'*' is not in the language; write a product side by side"),
        ("X é W", 3, "is not in the language"),
        ("z₁", 2, "'₁' is not in the language"),
        ("(a + b", 7, "expected ), got the end; put ) here"),
        ("σ a", 3, "expected (, got a; put ( here"),
        ("σ", 2, "expected (, got the end"),
        ("[a]", 3, "expected > or =, got ]; put > or = here"),
        ("[a > b", 7, "expected ], got the end"),
        ("a)", 2, "expected the end; take ')' away or put a sign before it"),
        ("a where b where c", 11, "expected the end; take 'where' away"),
        ("a > b", 3, "expected the end; take '>' away"),
        ("relu(z1)", 1, "'relu' is not a word of the language; use one of σ exp"),
        ("1 - h(1 - h)", 5, "'h' is not a word of the language; use one of"),
        ("mean(a)", 1, "mean lacks the axes to go over; write mean_N(...), say"),
        ("2 Σ(a)", 3, "Σ lacks the axes"),
        ("softmax_Q(a)", 9, "'Q' is not a row of axes, each once, for softmax to go over; choose"),
        ("Σ_NN(a)", 3, "'NN' is not a row of axes"),
        ("Σ_X(a)", 3, "'X' is not a row of axes"),
        ("mean_N a", 8, "expected (, got a"),
        ("a + reshape(b)", 5, "reshape is not alone; make the rest a step of its own"),
        ("reshape(b) a", 1, "reshape is not alone"),
        ("-reshape(b)", 2, "reshape is not alone"),
        ("reshape(reshape(b))", 9, "reshape is not alone"),
    ],
)
def test_a_text_outside_the_language_is_refused_at_its_character(text, character, says):
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert f"{text!r}, character {character}: " in str(caught.value)
    assert says in str(caught.value)


@given(st.text(alphabet="aNAK1.+-⊙/ᵀ²√()[]>= _σΣmean", max_size=12))
def test_any_text_is_parsed_or_refused_and_nothing_else(text):
    with contextlib.suppress(FormulaError):
        assert parse(text)


def test_every_word_is_reserved():
    assert sorted(RESERVED) == sorted([*AXES, *WORDS, *OVER, "where"])
    assert set(WORDS) == {*CELL} - {"neg", "²", "√"} | {"split", "merge", "reshape"}


# Cell by cell

SCALARS = {
    "neg": ("-x", lambda x: -x),
    "²": ("x²", lambda x: x * x),
    "√": ("√x", math.sqrt),
    "σ": ("σ(x)", lambda x: 1 / (1 + math.exp(-x))),
    "exp": ("exp(x)", math.exp),
    "log": ("log(x)", math.log),
    "tanh": ("tanh(x)", math.tanh),
    "gelu": ("gelu(x)", lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
}


@pytest.mark.parametrize("axes", ["", "H", "N,H", "B,A,T,S"])
@pytest.mark.parametrize("word", CELL)
def test_a_word_of_one_number_is_the_loop_over_cells(word, axes):
    formula, scalar = SCALARS[word]
    x = np.abs(draw(axes)[1]) if word in ("√", "log") else draw(axes)[1]
    agrees(evaluate(formula, axes, x=(axes, x)), table(axes, lambda *i: scalar(float(x[i]))))


PAIRS = {
    "+": ("x + y", lambda x, y: x + y),
    "-": ("x - y", lambda x, y: x - y),
    "⊙": ("x ⊙ y", lambda x, y: x * y),
    "/": ("x / y", lambda x, y: x / y),
    ">": ("[x > y]", lambda x, y: 1.0 if x > y else 0.0),
    "=": ("[x = y]", lambda x, y: 1.0 if x == y else 0.0),
    "where": ("x where y", lambda x, y: x if y else -math.inf),
}
PATTERNS = ["|", "N,H|N,H", "N,H|H", "H|N,H", "N,H|N", "N,H|", "|N,H", "B,A,T,S|A,S", "T,A|B,A,T,S",
            "B,T,M|M,T"]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("sign", PAIR)
def test_a_sign_between_two_meets_axes_by_name_in_every_pattern(sign, pattern):
    formula, scalar = PAIRS[sign]
    left, right = pattern.split("|")
    more = max(left, right, key=len)
    x, y = np.rint(draw(left, 1)[1]), np.rint(2 * draw(right, 2)[1])
    if sign == "/":
        y = y + 0.5

    def cell(*index):
        at = dict(zip(letters(more), index, strict=True))
        pick = [array[tuple(at[axis] for axis in letters(axes))] for array, axes in ((x, left), (y, right))]
        return scalar(*pick)

    agrees(evaluate(formula, more, x=(left, x), y=(right, y)), table(more, cell))


def test_the_order_of_the_operands_changes_nothing():
    X, W1, b1 = draw("N,D"), draw("D,H"), draw("H")
    agrees(evaluate("b1 + X W1", "N,H", X=X, W1=W1, b1=b1),
           evaluate("X W1 + b1", "N,H", X=X, W1=W1, b1=b1))  # fmt: skip


@pytest.mark.parametrize(("left", "right"), [("N,H", "H,N"), ("N", "H"), ("B,T", "T,M"), ("S", "T")])
@pytest.mark.parametrize("formula", ["x + y", "x ⊙ y", "x / y", "[x = y]", "x where y"])
def test_axes_in_no_clear_order_do_not_meet(formula, left, right):
    with pytest.raises(FormulaError, match=r"\[.*\] and \[.*\] do not meet: one side must have all"):
        evaluate(formula, left, x=draw(left), y=draw(right))


# Side by side


def test_a_product_is_the_loop_over_the_inner_axis():
    (_, x), (_, w) = X, W = draw("N,D"), draw("D,H")
    expected = table("N,H", lambda n, h: sum(x[n, d] * w[d, h] for d in range(D)))
    agrees(evaluate("X W", "N,H", X=X, W=W), expected)


@pytest.mark.parametrize("plain", ["", "N,D", "B,A,T,S"])
def test_a_product_with_a_number_is_plain(plain):
    _, x = X = draw(plain)
    agrees(evaluate("2.5 X", plain, X=X), table(plain, lambda *i: 2.5 * x[i]))
    agrees(evaluate("X y", plain, X=X, y=("", 3.0)), table(plain, lambda *i: 3 * x[i]))


def test_a_product_meets_the_axes_before_by_name():
    (_, w), (_, v) = weights, values = draw("B,A,T,S"), draw("B,A,S,K")
    expected = table("B,A,T,K", lambda b, a, t, k: sum(w[b, a, t, s] * v[b, a, s, k] for s in range(S)))
    agrees(evaluate("w v", "B,A,T,K", w=weights, v=values), expected)


def test_a_product_repeats_axes_that_one_side_lacks():
    (_, x), (_, w) = X, W = draw("B,T,M"), draw("M,F")
    rows = table("B,T,F", lambda b, t, f: sum(x[b, t, m] * w[m, f] for m in range(M)))
    agrees(evaluate("X W", "B,T,F", X=X, W=W), rows)
    (_, x), (_, w) = X, W = draw("T,M"), draw("B,M,F")
    columns = table("B,T,F", lambda b, t, f: sum(x[t, m] * w[b, m, f] for m in range(M)))
    agrees(evaluate("X W", "B,T,F", X=X, W=W), columns)
    (_, x), (_, w) = X, W = draw("A,B,T,M"), draw("B,M,F")
    mixed = table("A,B,T,F", lambda a, b, t, f: sum(x[a, b, t, m] * w[b, m, f] for m in range(M)))
    agrees(evaluate("X W", "A,B,T,F", X=X, W=W), mixed)


def test_a_row_alone_may_stand_on_the_left_of_a_product():
    (_, x), (_, w) = X, W = draw("M"), draw("B,M,F")
    expected = table("B,F", lambda b, f: sum(x[m] * w[b, m, f] for m in range(M)))
    agrees(evaluate("X W", "B,F", X=X, W=W), expected)


def test_products_go_from_left_to_right():
    a, b, c = draw("N,D", 1), draw("D,H", 2), draw("H,C", 3)
    agrees(evaluate("a b c", "N,C", a=a, b=b, c=c), a[1] @ b[1] @ c[1])


def test_keys_and_queries_meet_in_a_product_where_they_are_the_same_tokens():
    x, dk = draw("B,T,M", 1)[1], np.random.default_rng(2).normal(size=(B, T, K))
    made = evaluate("Σ_B(dkᵀ x)", "K,M", dk=("B,S,K", dk), x=("B,T,M", x))
    expected = table("K,M", lambda k, m: sum(dk[b, t, k] * x[b, t, m] for b in range(B) for t in range(T)))
    agrees(made, expected)
    with pytest.raises(ValueError, match="S and T meet in a product, got 7 and 6; pass as"):
        evaluate("dkᵀ x", "B,K,M", dk=draw("B,S,K"), x=draw("B,T,M"))


@pytest.mark.parametrize(
    ("left", "right"), [("N,D", "N,D"), ("N,D", "H"), ("N,D", "D"), ("T,M", "S,M"), ("N", "H,D")]
)
def test_axes_that_do_not_fit_side_by_side_are_named(left, right):
    says = rf"last axis of \[{left}\] must be the last but one of \[{right}\]; use ᵀ, or ⊙"
    with pytest.raises(FormulaError, match=says):
        evaluate("x y", "N,H", x=draw(left), y=draw(right))


def test_an_axis_never_stands_twice_in_what_is_made():
    with pytest.raises(FormulaError, match=r"axes \[D,D\] have one twice; swap sides, or one with ᵀ"):
        evaluate("Xᵀ X", "D,D", X=draw("N,D"))
    with pytest.raises(FormulaError, match=r"axes \[B,A,A,T,K\] have one twice"):
        evaluate("split(x)", "B,A,T,K", x=draw("B,A,T,AK"), A=("", A))


def test_the_mark_of_a_transpose_swaps_the_last_two_axes():
    _, x = X = draw("B,A,T,S")
    agrees(evaluate("Xᵀ", "B,A,S,T", X=X), table("B,A,S,T", lambda b, a, s, t: x[b, a, t, s]))
    with pytest.raises(FormulaError, match=r"ᵀ needs two axes or more, got \[H\]; use it on such a value"):
        evaluate("bᵀ", "H", b=draw("H"))


# Over axes


def softmax(row):
    powers = [math.exp(z) for z in row]
    return [power / sum(powers) for power in powers]


def norm(row):
    mean = sum(row) / len(row)
    variance = sum((z - mean) ** 2 for z in row) / len(row)
    return [(z - mean) / math.sqrt(variance + 1e-5) for z in row]


LISTS = {
    "Σ": sum,
    "mean": lambda row: sum(row) / len(row),
    "argmax": lambda row: row.index(max(row)),
    "softmax": softmax,
    "norm": norm,
}


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("axes", ["N", "N,H", "B,T,M", "B,A,T,S"])
def test_a_word_over_axes_is_the_loop_over_lists_along_every_choice_of_axes(over, axes):
    _, x = X = draw(axes)
    named = letters(axes)
    for count in range(1, len(named) + 1):
        for along in itertools.permutations(named, count):
            kept = [axis for axis in named if axis not in along]
            places = [named.index(axis) for axis in along]
            expected = np.empty(x.shape if over in ("softmax", "norm") else [SIZES[axis] for axis in kept])
            for outer in np.ndindex(*[SIZES[axis] for axis in kept]):
                inner = list(np.ndindex(*[x.shape[place] for place in places]))
                cells = []
                for index in inner:
                    at = dict(zip([*kept, *along], [*outer, *index], strict=True))
                    cells.append(tuple(at[axis] for axis in named))
                made = LISTS[over]([float(x[cell]) for cell in cells])
                if over in ("softmax", "norm"):
                    for cell, number in zip(cells, made, strict=True):
                        expected[cell] = number
                else:
                    expected[outer] = made
            shape = axes if over in ("softmax", "norm") else ",".join(kept)
            np.testing.assert_allclose(
                evaluate(f"{over}_{''.join(along)}(X)", shape, X=X),
                expected,
                rtol=1e-11,
                atol=1e-13,
            )


def test_heads_side_by_side_are_one_axis_where_there_is_one_and_two_where_there_are_two():
    joined, apart = draw("B,AK"), draw("B,A,K")
    agrees(evaluate("Σ_AK(x)", "B", x=joined), joined[1].sum(axis=1))
    agrees(evaluate("Σ_AK(x)", "B", x=apart), apart[1].sum(axis=(1, 2)))
    agrees(evaluate("Σ_BAK(x)", "", x=joined), joined[1].sum())


def test_the_likeliest_is_the_first_of_equals():
    assert evaluate("argmax_N(x)", "", x=("N", [1, 3, 3, 0])) == 1


def test_a_word_over_an_axis_that_is_not_there_says_which_are():
    with pytest.raises(FormulaError, match=r"Σ_NT goes over \[N,T\], but is given \[N,H\]; name axes of"):
        evaluate("Σ_NT(x)", "H", x=draw("N,H"))


def test_nothing_allowed_is_nothing_given():
    mask = np.ones((T, S), bool)
    mask[2] = False
    mask[:, 4] = False
    made = evaluate("softmax_S(x where m)", "T,S", x=draw("T,S"), m=("T,S", mask))
    agrees(made.sum(axis=1), [1, 1, 0, 1, 1, 1])
    assert not made[:, 4].any()


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=6), st.floats(-1e4, 1e4))
def test_softmax_sums_to_one_and_a_shift_changes_nothing(numbers, shift):
    shares = evaluate("softmax_N(x)", "N", x=("N", numbers))
    shifted = evaluate("softmax_N(x + s)", "N", x=("N", numbers), s=("", shift))
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-14)
    np.testing.assert_allclose(shares, shifted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_numbers_overflow_nowhere(dtype):
    x = "N", np.array([-1e4, 0, 1e4], dtype)
    np.testing.assert_array_equal(evaluate("softmax_N(x)", "N", x=x), [0, 0, 1])
    np.testing.assert_array_equal(evaluate("σ(x)", "N", x=x), [0, 0.5, 1])
    np.testing.assert_array_equal(evaluate("gelu(x)", "N", x=x), [0, 0, 1e4])
    np.testing.assert_array_equal(evaluate("tanh(x)", "N", x=x), [-1, 0, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logarithm_of_nothing_is_that_of_the_smallest_normal_number(dtype):
    made = evaluate("log(x)", "N", x=("N", np.array([0, -1, 1], dtype)))
    np.testing.assert_array_equal(made, [np.log(np.finfo(dtype).tiny)] * 2 + [0])


def test_a_number_that_is_none_stays_visible():
    x = "N", [np.nan, 1]
    assert np.isnan(evaluate("softmax_N(x)", "N", x=x)).all()
    assert np.isnan(evaluate("log(x)", "N", x=x)[0])


def test_a_batch_of_nothing_is_nothing():
    made = evaluate("softmax_C(x)", "N,C", x=("N,C", np.empty((0, C))))
    assert made.shape == (0, C)
    assert evaluate("Σ_N(x)", "C", x=("N,C", np.empty((0, C)))).tolist() == [0, 0]
    assert evaluate("softmax_C(x)", "N,C", x=("N,C", np.empty((N, 0)))).shape == (N, 0)


# Lengths, heads and shapes


def test_an_axis_alone_is_its_length():
    assert evaluate("N", "", x=draw("N,H")) == N
    agrees(evaluate("x / √H", "N,H", x=draw("N,H")), draw("N,H")[1] / math.sqrt(H))
    assert evaluate("T", "", x=draw("N,H"), T=("", 9)) == 9


def test_two_of_heads_head_and_both_give_the_third():
    assert evaluate("K", "", x=draw("AK"), A=("", A)) == K
    assert evaluate("A", "", x=draw("AK"), y=draw("K")) == A
    assert evaluate("AK", "", x=draw("A"), y=draw("K")) == A * K


@pytest.mark.parametrize("token", "TS")
def test_split_puts_one_head_after_the_other_and_merge_puts_them_back(token):
    _, x = X = draw(f"B,{token},AK")
    heads = evaluate("split(X)", f"B,A,{token},K", X=X, A=("", A))
    agrees(heads, table(f"B,A,{token},K", lambda b, a, t, k: x[b, t, a * K + k]))
    agrees(evaluate("merge(x)", f"B,{token},AK", x=(f"B,A,{token},K", heads)), x)


def test_split_and_merge_say_what_they_need():
    with pytest.raises(FormulaError, match=r"split needs T,AK last, got \[B,T,M\]; use it on such a value"):
        evaluate("split(x)", "B,A,T,K", x=draw("B,T,M"), A=("", A))
    with pytest.raises(FormulaError, match=r"merge needs A,T,K last, got \[B,T,A,K\]"):
        evaluate("merge(x)", "B,T,AK", x=draw("B,T,A,K"))
    with pytest.raises(FormulaError, match=r"length of A is not known.*give the function a parameter A"):
        evaluate("split(x)", "B,A,T,K", x=draw("B,T,AK"))


def test_reshape_keeps_the_reading_order():
    _, x = X = draw("B,T,M")
    agrees(evaluate("reshape(X)", "T,B,M", X=X).ravel(), x.ravel())
    agrees(evaluate("reshape(X)", "N,M", X=X), x.reshape(B * T, M))
    agrees(evaluate("reshape(X - 1)", "D,N", X=X, D=("", 3)), x.reshape(3, -1) - 1)
    for shape in ("N,D", "T,M", "N,H,M"):
        with pytest.raises(FormulaError, match=r"the shape \(2, 6, 4\) cannot be read as .*missing lengths"):
            evaluate("reshape(X)", shape, X=X)


def test_a_length_that_is_nowhere_is_asked_for():
    with pytest.raises(FormulaError, match="length of B is not known, as no input has that axis; give"):
        evaluate("x / B", "N", x=draw("N"))


# The value's axes


@pytest.mark.parametrize(("made", "shape"), [("B,T,M", "B,S,M"), ("B,S,M", "B,T,M"), ("T", "S")])
def test_keys_and_queries_stand_for_each_other_in_the_value(made, shape):
    assert evaluate("x", shape, x=draw(made)).shape == draw(made)[1].shape


@pytest.mark.parametrize(
    ("made", "shape"),
    [("B,S,T", "B,T,S"), ("N,H", "H,N"), ("N", "H"), ("N", ""), ("N,H", "N"), ("T", "N")],
)
def test_any_other_difference_from_the_values_axes_is_an_error(made, shape):
    says = rf"formula's axes are \[{made}\], but its value's are \[{shape}\]; change the one"
    with pytest.raises(FormulaError, match=says):
        evaluate("x", shape, x=draw(made))


def test_keys_that_are_not_the_tokens_do_not_stand_for_them():
    with pytest.raises(ValueError, match="the result has S = 6, but the inputs before have S = 7"):
        evaluate("x", "B,S,M", x=draw("B,T,M"), k=draw("B,S"))


# The inputs


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ((np.float32, np.float32), np.float32),
        ((np.float32, np.float64), np.float64),
        ((np.float32, bool), np.float32),
        ((np.float32, np.int64), np.float32),
        ((bool, np.int64), np.float64),
        ((np.float16, np.int8), np.float16),
    ],
)
def test_numbers_keep_their_float_dtype(values, dtype):
    x, y = (("N,H", np.ones((2, 2), kind)) for kind in values)
    for formula in ["x + y", "x where y", "[x > y]", "x / √H + y", "100 norm_H(y) ⊙ gelu(x)"]:
        assert evaluate(formula, "N,H", x=x, y=y).dtype == dtype
    weights = "H,D", y[1]
    assert evaluate("argmax_N(0.5 x w)", "D", x=x, w=weights).dtype == dtype


def test_a_python_number_has_no_say_in_the_dtype():
    x = "N", np.ones(2, np.float32)
    assert evaluate("x - lr x", "N", x=x, lr=("", 0.5)).dtype == np.float32
    assert evaluate("x - lr x", "N", x=x, lr=("", 1)).dtype == np.float32
    assert evaluate("lr", "", lr=("", 1)).dtype == np.float64


def test_the_result_is_an_array_even_of_one_number():
    assert type(evaluate("Σ_N(x)", "", x=draw("N"))) is np.ndarray


def test_an_input_of_other_axes_is_refused():
    with pytest.raises(ValueError, match=r"x must have the axes \[N,H\], got the shape \(5,\); give it one"):
        evaluate("x", "N,H", x=("N,H", np.ones(5)))


def test_lengths_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="y has N = 4, but the inputs before have N = 5; pass values of"):
        evaluate("x + y", "N", x=("N", np.ones(5)), y=("N", np.ones(4)))
    with pytest.raises(ValueError, match="A·K has AK = 10, but the inputs before have AK = 12"):
        evaluate("split(x)", "A,T,K", x=("T,AK", np.ones((2, 12))), A=("", 5))


@pytest.mark.parametrize("length", [0, -1, 2.5])
def test_a_length_is_a_whole_number(length):
    with pytest.raises(ValueError, match=f"A = {length} is a length; use a whole number from 1 on"):
        evaluate("split(x)", "A,T,K", x=("T,AK", np.ones((2, 12))), A=("", length))


@pytest.mark.parametrize("wrong", ["text", [None], 1j])
def test_an_input_that_holds_no_numbers_is_refused(wrong):
    with pytest.raises(TypeError, match=r"x must hold numbers, got .*; convert it first"):
        evaluate("x", "", x=("", wrong))


def test_the_cells_of_any_part_know_their_axes():
    inputs = Evaluation({"X": draw("N,D")[1], "W": draw("D,H")[1]}, {"X": ("N", "D"), "W": ("D", "H")})
    _, left, right = parse("X W + mean_N(Xᵀ)ᵀ")[1]
    assert inputs.cells(left).axes == ("N", "D")
    assert inputs.cells(right).axes == ("D", "H")
