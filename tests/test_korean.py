"""Every sentence of the page and every meaning of a step has a Korean one."""

import importlib
import json
import re
from pathlib import Path

import pytest

import clearhead
from clearhead.docstrings import Step, declared, steps_of

VIEWS = Path(clearhead.__file__).parent / "views"
SOURCES = {path.name: path.read_text("utf-8") for path in sorted(VIEWS.glob("*.js"))}
STRING = r'"(?:[^"\\]|\\.)*"'
ENTRIES = [
    (json.loads(key), json.loads(sentence))
    for key, sentence in re.findall(rf"^  ({STRING}): ({STRING}),$", SOURCES["korean.js"], re.MULTILINE)
]
KOREAN = dict(ENTRIES)
MODULES = ("two_layer_nn", "attention", "transformer")


def strings(pattern, text):
    """What stands in the string literals that a pattern finds, the empty ones left out."""
    return [json.loads(found) for found in re.findall(pattern, text, re.MULTILINE) if found != '""']


def table(source, begin):
    """The values of the table that begins so."""
    body = re.search(rf"{re.escape(begin)}(.*?)\}};$", SOURCES[source], re.DOTALL | re.MULTILINE)[1]
    return strings(rf"(?<=: ){STRING}", body)


def untranslated(sentences):
    return [sentence for sentence in sentences if sentence not in KOREAN]


def test_every_entry_is_one_line_and_stands_once():
    lines = [line for line in SOURCES["korean.js"].splitlines() if line.startswith('  "')]
    assert len(lines) == len(ENTRIES) == len(KOREAN)


@pytest.mark.parametrize("name", MODULES)
def test_every_step_and_every_declared_value_has_its_meaning_in_korean(name):
    module = importlib.import_module(f"clearhead.{name}")
    meanings = [thing.meaning for thing in (*steps_of(module), *declared(module))]
    if name == "two_layer_nn":
        meanings.append(Step.of(module.updated, value="W1", gradient="dW1").meaning)
    assert len(meanings) > 10
    assert untranslated(meanings) == []


def test_everything_that_the_views_say_has_a_korean_sentence():
    sentences = strings(rf"\b(?:say\(|said\([\w.]+, )({STRING})", "\n".join(SOURCES.values()))
    assert {"Undo", "masked", "Report", "This page could not be drawn:"} <= set(sentences)
    assert untranslated(sentences) == []


def test_every_question_of_the_network_has_a_korean_one():
    source = SOURCES["network.js"]
    questions = [
        *strings(rf"^  \[{STRING}, ({STRING}), {STRING}, {STRING}\],$", source),
        *strings(rf"^  \[{STRING}, {STRING}, {STRING}, ({STRING})\],$", source),
        *table("network.js", "const questions = {"),
        *strings(rf"\?\? ({STRING})\)", source),
    ]
    assert {"What goes in?", "Which biases?", "How far?", "What does it become?"} <= set(questions)
    assert untranslated(questions) == []


def test_every_question_of_attention_has_a_korean_one():
    questions = table("attention.js", "const QUESTIONS = {")
    assert {"Which symbols?", "Who looks at whom?", "What comes back?"} <= set(questions)
    assert untranslated(questions) == []


def test_titles_headings_and_axes_have_korean_names():
    named = rf"(?:\.\.\.cards\(|\btitle: |\.kind\] \?\? )({STRING})"
    names = strings(named, SOURCES["network.js"] + SOURCES["attention.js"])
    names += table("attention.js", "const titles = {") + table("grid.js", "const names = {")
    assert {"A two-layer network", "A language model", "Attention", "hidden unit"} <= set(names)
    assert untranslated(names) == []


def test_a_korean_sentence_has_the_placeholders_of_its_english_one():
    def placeholders(text):
        return sorted(re.findall(r"\{\d+\}", text))

    assert [english for english, korean in ENTRIES if placeholders(korean) != placeholders(english)] == []


def test_a_korean_sentence_is_korean():
    same = [english for english, korean in ENTRIES if korean == english and re.search("[A-Za-z]", english)]
    assert same == []
    assert [korean for _, korean in ENTRIES if not re.search("[가-힣]", korean)] == []
