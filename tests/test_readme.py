"""The README's examples run, and both languages show the same."""

import re
import shlex
from pathlib import Path

import pytest

from clearhead.cli import cli

ROOT = Path(__file__).parent.parent
ENGLISH, KOREAN = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.ko.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCK.findall(ENGLISH) if language == "python"]


def test_both_languages_have_the_same_code():
    assert BLOCK.findall(KOREAN) == BLOCK.findall(ENGLISH)
    assert len(BLOCK.findall(ENGLISH)) >= 6


@pytest.mark.parametrize("code", PYTHON, ids=["see", "network", "attention"])
def test_the_python_examples_run(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert "accuracy" in capsys.readouterr().out


def test_each_model_has_an_example_of_about_twenty_lines():
    for code in PYTHON:
        assert 15 <= len([line for line in code.splitlines() if line.strip()]) <= 24


def test_the_commands_exist():
    shell = "".join(code for language, code in BLOCK.findall(ENGLISH) if language == "sh")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in shell.splitlines():
        program, *arguments = shlex.split(line)
        if program == "make":
            assert arguments[0] in targets
        else:
            command, context = cli, cli.make_context("clearhead", ["--help"], resilient_parsing=True)
            while arguments and arguments[0] in getattr(command, "commands", {}):
                command = command.commands[arguments.pop(0)]
            command.make_context(line, arguments, parent=context)


def test_the_files_it_names_exist():
    for name in re.findall(r"\]\(([\w./]+)\)", ENGLISH + KOREAN) + re.findall(
        r"`(clearhead/\w+\.py)`", ENGLISH + KOREAN
    ):
        assert (ROOT / "".join(name)).exists(), name


def test_both_say_that_nothing_leaves_the_machine():
    assert "Nothing leaves your machine" in ENGLISH
    assert "컴퓨터 밖으로 나가지 않습니다" in KOREAN
