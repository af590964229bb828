"""What is said of mistakes: every id in every language, with the same places to fill."""

import ast
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

import clearhead
from clearhead.checking.findings import Check, Finding
from clearhead.checking.report import Report
from clearhead.checking.wording import Wording, filled, wrapped
from clearhead.mistakes import LANGUAGES, TARGETS, WARNINGS, mistakes_of, texts

PACKAGE = Path(clearhead.__file__).parent
SOURCES = {path: path.read_text("utf-8") for path in sorted((PACKAGE / "checking").rglob("*.py"))}
SOURCES[PACKAGE / "check_command.py"] = (PACKAGE / "check_command.py").read_text("utf-8")
CODE = "\n".join(SOURCES.values())
STRINGS = {
    node.value
    for source in SOURCES.values()
    for node in ast.walk(ast.parse(source))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}
LEVELS = ["where", "what", "how"]
IDS = [key for key, text in texts("en").items() if "what" in text]
GROUPS = [key for key in texts("en") if key not in IDS]
CATALOGUE = """
init_not_xavier init_zero_weights init_random_biases init_shape_wrong hidden_without_activation bias_missing
softmax_wrong_axis softmax_over_batch softmax_overflow cache_aliases_parameters loss_log_of_zero loss_summed
loss_averaged_over_classes loss_not_the_one_differentiated loss_sign gradient_not_averaged
gradient_averaged_twice slope_forgotten slope_of_activated_value slope_applied_twice
slope_of_another_activation bias_gradient_wrong_axis bias_gradient_scalar bias_gradient_before_slope
gradient_sign update_before_use update_ascends parameter_never_updated train_returns_early
train_without_shuffling last_batch_dropped labels_not_shuffled_with_inputs accuracy_as_fraction
accuracy_wrong_axis regularisation_gradient
scale_missing scale_by_model_dim scale_without_root scale_multiplied split_without_transpose
merge_without_transpose attends_across_heads softmax_over_queries softmax_over_heads softmax_missing
output_projection_missing query_key_swapped key_value_swapped attention_transposed projection_unused
projection_reused argument_ignored parameters_unregistered projection_shared_by_heads mask_inverted
mask_fill_too_small mask_discarded mask_on_queries mask_after_softmax mask_multiplied_before_softmax
mask_hides_diagonal causal_mask_reversed fully_masked_row_nan dropout_in_eval residual_added
syntax_error name_undefined method_misspelt crash
"""
# What a diagnosis fills in, or the report itself, as `Telling` does for every finding.
ALWAYS = {"name", "names", "variable", "function", "line"}
GIVEN = {
    "bias_gradient_scalar": {"name"},
    "crash": {"message"},
    "crash_shorter": {"message"},
    "crash_uneven": {"message"},
    "crash_turned": {"message", "product"},
    "defined_twice": {"lines"},
    "gradient_scaled": {"factor"},
    "init_shape_wrong_wanted": {"shape", "wanted"},
    "last_batch_dropped": {"seen", "all"},
    "method_misspelt": {"meant"},
    "name_undefined_near": {"near"},
    "output_shape": {"shape"},
    "stopped_cpu": {"cpu"},
    "stopped_memory": {"memory"},
    "stopped_disk": {"disk"},
    "stopped_output": {"output"},
    "stopped_signal": {"detail"},
    "stopped_time": {"seconds"},
    "syntax_error": {"detail"},
    "gradient_transposed": {"shape", "wanted"},
    "train_returns_early": {"seen", "wanted"},
}
SAMPLES = {
    "name": "dW1", "names": ["W1", "b1"], "variable": "self.w1", "function": "backward", "line": 41,
    "near": "relu", "message": "ValueError: shapes (7,5) and (4,3) not aligned", "lines": [3, 20],
    "factor": "1/N", "seen": 8, "all": 11, "meant": "forward", "shape": "(2, 3)", "cpu": 20, "seconds": "30",
    "memory": "4 GB", "output": "1 MB", "disk": "256 MB", "detail": "invalid syntax", "wanted": 33,
    "product": "q @ k.transpose(-2, -1)",
}  # fmt: skip


def places(text):
    return set(re.findall(r"\{(\w+)\}", text))


def test_the_languages_have_the_same_texts_in_the_same_order():
    english, korean = texts("en"), texts("ko")
    assert list(english) == list(korean)
    for key, text in english.items():
        assert list(text) == list(korean[key]), key
        assert all(isinstance(sentence, str) for sentence in text.values())


@pytest.mark.parametrize("key", IDS)
def test_a_mistake_has_three_levels_with_the_same_places_to_fill(key):
    english, korean = texts("en")[key], texts("ko")[key]
    assert list(english) == LEVELS
    for level in LEVELS:
        assert places(english[level]) == places(korean[level]), level
        assert places(english[level]) <= ALWAYS | GIVEN.get(key, set()), level


def test_the_other_texts_have_the_same_places_to_fill():
    assert GROUPS == ["check", "cures", "next", "evidence", "report", "reason", "note"]
    for group in GROUPS:
        for key, text in texts("en")[group].items():
            assert places(text) == places(texts("ko")[group][key]), (group, key)


def test_every_mistake_that_is_catalogued_or_in_the_code_has_texts():
    in_code = set(re.findall(r"(?:\bFinding\(\s*|\bfinding\(\s*|\"id\": )\"(\w+)\"", CODE))
    in_code |= set(re.findall(r"\bidentity = \"(\w+)\"|_finding\(\"(\w+)\"", CODE)) and {
        name
        for pair in re.findall(r"\bidentity = \"(\w+)\"|_finding\(\"(\w+)\"", CODE)
        for name in pair
        if name
    }
    known = {mistake.id for target in TARGETS for mistake in mistakes_of(target)}
    assert {"slope_forgotten", "train_returns_early"} <= known | in_code
    assert (set(CATALOGUE.split()) | in_code | known) - set(IDS) == set()


def test_every_reason_to_stop_a_process_has_texts():
    stops = {"time", "cpu", "memory", "disk", "output", "answer", "signal", "exit", "raise"}
    assert stops == {key.removeprefix("stopped_") for key in IDS if key.startswith("stopped_")}


def test_every_detail_of_a_check_has_a_text_and_every_text_a_use():
    used = set()
    for node in (node for source in SOURCES.values() for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "check":
            used |= {
                part.value
                for argument in node.args[2:3]
                for part in ast.walk(argument)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            }
    used -= {"", ".", "finding."}
    assert {"forward_right", "gradients_wrong", "absent"} <= used
    assert used - set(texts("en")["check"]) == set()
    for group in ("check", "report", "reason"):
        unused = set(texts("en")[group]) - STRINGS
        if group == "reason":  # These are told from the sentence in `find`.
            unused = {key for key in unused if texts("en")[group][key] not in STRINGS}
        assert unused - {f"values_{key}" for key in ("input", "expected", "actual")} == set()


def test_every_sentence_of_the_sandbox_has_a_korean_one():
    choosing = ast.parse(SOURCES[PACKAGE / "checking" / "choosing.py"])
    given = {node.targets[0].id: node.value for node in choosing.body if isinstance(node, ast.Assign)}
    refusal = next(node for node in choosing.body if getattr(node, "name", "") == "_refusal")
    named = [part.value.id for part in ast.walk(refusal) if isinstance(part, ast.Return)]
    sentences = [ast.literal_eval(given[name]) for name in named]
    assert len(sentences) >= 5
    reading = ast.parse(SOURCES[PACKAGE / "checking" / "source.py"])
    notes = [
        node.args[0].value
        for node in ast.walk(reading)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "notes.append"
    ]
    assert len(notes) >= 2
    words = Wording("en")
    assert [text for text in sentences if not words.english("reason", text)] == []
    assert [text for text in notes if not words.english("note", text)] == []


@pytest.mark.parametrize("key", IDS)
def test_the_english_is_short_sentences(key):
    where, what, how = texts("en")[key].values()
    assert not where.endswith(".")
    assert what.endswith(".")
    assert how.endswith(".")
    # It goes on after a semicolon with a small letter.
    assert re.match(r"[A-Z][a-z]+ ", how), how
    assert max(len(where), len(what), len(how)) <= 130
    assert not re.search(
        r"\b(just|simply|obviously|easy|wrongly you|you forgot)\b", f"{where} {what} {how}", re.I
    )


@pytest.mark.parametrize("key", IDS)
def test_the_korean_is_polite_sentences(key):
    where, what, how = texts("ko")[key].values()
    assert re.search(r"니다(: \{\w+\})?$", where), where
    assert re.search(r"니다(: \{\w+\}|\([가-힣 ]+니다\))?\.$", what), what
    assert re.search(r"(세요|니다)\.$|세요: [^가-힣]+\.$|세요: .*(니다|Y\[order\])\.$", how), how
    for text in (where, what, how):
        assert "  " not in text
        assert not re.search(r"[을를은는이가]\([을를은는이가]\)", text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("hint", [1, 2, 3])
def test_every_mistake_is_told_within_80_columns_without_a_gap(language, hint):
    for key in IDS:
        values = {
            name: value for name, value in SAMPLES.items() if name in GIVEN.get(key, ()) or name in ALWAYS
        }
        values.pop("line")
        finding = Finding(key, "dW1", 41, "grads['W1']", values=values, check="backward")
        check = Check("backward", "fail", f"finding.{key}", values)
        report = Report(
            "mynet.py", "two-layer", "Net", checks=[check], findings=[finding], language=language, hint=hint
        )
        text = str(report)
        assert max(map(cell_len, text.splitlines())) <= 79, key
        assert not re.search(r"\?|\{\w+\}|\((은/는|이/가|을/를|과/와|으로/로|이라/라|is/are)\)", text), text


@pytest.mark.parametrize(
    ("word", "made"),
    [
        ("dW1", "dW1은"), ("b2", "b2는"), ("X", "X는"), ("N", "N은"), ("값", "값은"), ("층수", "층수는"),
        ("self.params['W1']", "self.params['W1']은"), ("step", "step은"), ("forward", "forward는"),
        ("hidden", "hidden은"),
    ],
)  # fmt: skip
def test_korean_particles_follow_the_sound_of_what_is_filled_in(word, made):
    assert filled("{name}(은/는)", {"name": word}, "ko") == made


def test_the_particle_of_direction_takes_an_l_as_open():
    made = [filled("{name}(으로/로)", {"name": word}, "ko") for word in ("W1", "W3", "b2", "label")]
    assert made == ["W1로", "W3으로", "b2로", "label로"]


def test_english_verbs_agree_with_what_is_filled_in():
    text = "{names} (is/are) wrong; {rest} (is/are) right"
    assert filled(text, {"names": "dW1", "rest": "dW2 and db2"}) == "dW1 is wrong; dW2 and db2 are right"


def test_a_letter_that_a_stream_lacks_has_a_stand_in_and_others_stay():
    line = "✗ dW1 = Xᵀ (dz2 W2ᵀ) ⊙ σ(z1), √K, Σ"
    assert Wording("en", "utf-8").plain(line) == line
    assert Wording("en", "cp949").plain(line) == "X dW1 = X.T (dz2 W2.T) ⊙ σ(z1), √K, Σ"
    assert Wording("en", "cp1252").plain(line) == "X dW1 = X.T (dz2 W2.T) * sigmoid(z1), sqrt(K), sum"
    for encoding in ("cp949", "cp1252", "ascii"):
        for key in IDS:
            for level in LEVELS:
                Wording("en", encoding).level(key, level, SAMPLES).encode(encoding)


def test_nothing_that_is_filled_in_can_steer_a_terminal():
    steering = "\x1b[31mred\x07 a\r\n\u202eright to left"
    assert Wording("en").plain(steering) == "\ufffd[31mred\ufffd a\ufffd \ufffdright to left"
    assert Wording("en", "ascii").plain("\x1b") == "?"


def test_a_long_word_is_cut_rather_than_let_over_the_edge():
    assert wrapped("x" * 25, 10, "- ", "  ") == ["- xxxxxxxx", "  xxxxxxxx", "  xxxxxxxx", "  x"]


def test_a_language_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match="language must be one of en, ko, got 'fr'; name one of them"):
        Wording("fr")


def test_a_warning_says_how_to_mend_it_behind_a_colon_so_it_has_none_of_its_own():
    for identity in WARNINGS:
        assert len(texts("en")[identity]["where"]) <= 60, identity
        assert ":" not in texts("en")[identity]["how"], identity
