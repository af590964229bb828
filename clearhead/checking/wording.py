"""Texts in the reader's language: filled in, with fitting particles, in letters that a stream has."""

from __future__ import annotations

import locale
import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from rich.cells import cell_len

from clearhead.mistakes import LANGUAGES, texts

# What is written where a stream lacks the letter itself.
STAND_INS = {
    "✓": "OK", "✗": "X", "ᵀ": ".T", "⊙": "*", "σ": "sigmoid", "λ": "lambda", "Σ": "sum", "√": "sqrt",
    "·": "*", "×": "x", "²": "^2", "−": "-", "–": "-", "…": "...", "∞": "inf", "≤": "<=", "≥": ">=",
    "’": "'", "′": "'", "•": "*", "\ufffd": "?",
}  # fmt: skip
# Letters whose Korean names end in a consonant, ㄹ among them; digits likewise.
CLOSED, LIQUID = set("LMNR013678lmnr"), set("LR178lr")
AGREES = re.compile(r"\((\w+)/(\w+)\)")
PARTICLE = re.compile(r"(\S?)\((은/는|이/가|을/를|과/와|으로/로|이라/라)\)")


def default_language() -> str:
    """`ko` where the user's locale is Korean, else `en`.

    >>> default_language() in LANGUAGES
    True
    """
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            return "ko" if os.environ[name].lower().startswith("ko") else "en"
    return "ko" if (locale.getlocale()[0] or "").lower().startswith("ko") else "en"


def filled(text: str, values: Mapping[str, Any], language: str = "en") -> str:
    """A text with its places filled, and with the verbs, in Korean the particles, that fit what fills them.

    >>> filled("{names} (is/are) never updated", {"names": ["W1", "b1"]})
    'W1 and b1 are never updated'
    >>> filled("{name}(이/가) 다르고 {names}(은/는) 그대로다", {"name": "dW1", "names": "W2 and b2"}, "ko")
    'dW1이 다르고 W2, b2는 그대로다'
    """

    def place(found: re.Match[str]) -> str:
        return said(values.get(found[1], "?"), language)

    made = re.sub(r"\{(\w+)\}", place, text)
    return _with_particles(made) if language == "ko" else AGREES.sub(_agreeing, made)


def _agreeing(found: re.Match[str]) -> str:
    """One verb or the other, as one thing or several do it."""
    clause = re.split(r"[;:.] ", found.string[: found.start()])[-1]
    return found[2] if " and " in clause else found[1]


def said(value: Any, language: str = "en") -> str:
    """A value inside a sentence: numbers rounded, names listed.

    >>> said(0.12345678), said(7), said(["a", "b", "c"]), said(["a 1", "b 2"], "ko")
    ('0.1235', '7', 'a, b and c', 'a 1, b 2')
    """
    if isinstance(value, bool | int | str):
        text = str(value)
    elif isinstance(value, float):
        text = f"{value:.4g}"
    elif isinstance(value, list | tuple):
        names = [said(part, language) for part in value]
        last = ", " if language == "ko" else " and "
        text = last.join([", ".join(names[:-1]), *names[-1:]]).removeprefix(last)
    else:
        text = str(value)
    # A list that was joined in English.
    return (
        text.replace(" and ", ", ")
        if language == "ko" and re.fullmatch(r"\S+(, \S+)* and \S+", text)
        else text
    )


def _with_particles(text: str) -> str:
    while found := PARTICLE.search(text):
        closed, opened = found[2].split("/")
        ends = _ends(text[: found.start(2) - 1])
        if found[2] == "으로/로" and ends == "liquid":
            ends = "open"
        text = text[: found.start(2) - 1] + (opened if ends == "open" else closed) + text[found.end() :]
    return text


def _ends(text: str) -> str:
    """How the last word sounds at its end: closed by a consonant, by ㄹ, or open."""
    word = re.sub(r"[\W_]+$", "", text)
    last = word[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return "open" if final == 0 else "liquid" if final == 8 else "closed"
    letters = re.search(r"[A-Za-z]+$", word)
    if (
        letters
        and len(letters[0]) > 1
        and not letters[0].isupper()
        and not re.fullmatch(r"d[A-Z]", letters[0])
    ):
        # As an English word is read aloud.
        if re.search(r"(l|le)$", letters[0]):
            return "liquid"
        return "closed" if re.search(r"([mn]e?|ng|[aeiou][pt])$", letters[0], re.I) else "open"
    return "liquid" if last in LIQUID else "closed" if last in CLOSED else "open"


class Wording:
    """The sentences of one language, written as a stream can.

    >>> Wording("en").level("slope_forgotten", "what", {})
    'The slope of σ is missing.'
    """

    def __init__(self, language: str = "", encoding: str = "utf-8") -> None:
        language = language or default_language()
        if language not in LANGUAGES:
            raise ValueError(
                f"language must be one of {', '.join(LANGUAGES)}, got {language!r}; name one of them."
            )
        self.language, self.encoding = language, encoding
        self._texts = texts(language)

    def word(self, key: str, **values: Any) -> str:
        """A word or sentence of the report itself."""
        return self.plain(filled(self._texts["report"][key], values, self.language))

    def line(self, group: str, key: str, values: Mapping[str, Any]) -> str:
        """A text of a group, such as `check` or `reason`; its key in words where there is none."""
        text = self._texts[group].get(key, key.replace("_", " "))
        return self.plain(filled(text, values, self.language))

    def has(self, group: str, key: str) -> bool:
        """Whether a group has a text for a key."""
        return key in self._texts[group]

    def level(self, identity: str, level: str, values: Mapping[str, Any]) -> str:
        """`where`, `what` or `how` of a mistake."""
        text = self._texts.get(identity, {}).get(level, identity.replace("_", " "))
        if "activation" in values:  # Texts speak of σ.
            text = text.replace("h ⊙ (1 - h)", values["slope"]).replace("σ", values["activation"])
        return self.plain(filled(text, values, self.language))

    def sentence(self, identity: str, level: str, values: Mapping[str, Any]) -> str:
        """The same as a sentence: with a full stop, and a large letter unless it begins with a name."""
        text = self.level(identity, level, values)
        named = self._texts.get(identity, {}).get(level, "").startswith("{")
        return (text if named else text[:1].upper() + text[1:]).rstrip(".") + "."

    def knows(self, identity: str) -> bool:
        """Whether there are texts for a mistake."""
        return identity in self._texts

    def varies(self, identity: str) -> bool:
        """Whether the sentence of a mistake has names or numbers of one file in it."""
        return "{" in self._texts.get(identity, {}).get("what", "")

    def english(self, group: str, text: str) -> str:
        """The key of a text of a group that stands so in English; empty if there is none."""
        return next((key for key, known in texts("en")[group].items() if known == text), "")

    def plain(self, text: str) -> str:
        """The same as the stream can write it, without what would move a terminal's cursor.

        >>> Wording("en", "cp949").plain("✗ dW1 = Xᵀ dz1"), Wording("en", "ascii").plain("σ(z1)")
        ('X dW1 = X.T dz1', 'sigmoid(z1)')
        >>> Wording("en", "ascii").plain("√head_dim and √(2 / 3)")
        'sqrt(head_dim) and sqrt(2 / 3)'
        """
        if not self._can("√"):
            text = re.sub(r"√(\w+)", r"√(\1)", text)
        made = (" " if letter in "\t\n" else "\ufffd" if _steers(letter) else letter for letter in text)
        return "".join(letter if self._can(letter) else STAND_INS.get(letter, letter) for letter in made)

    def _can(self, letter: str) -> bool:
        if letter.isascii():
            return True
        try:
            letter.encode(self.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def can_write(self) -> bool:
        """Whether the stream has this language's letters."""
        return self.language == "en" or self._can("가")


def _steers(letter: str) -> bool:
    """Whether a letter is none to be seen, but moves a cursor or turns a line round."""
    return (
        unicodedata.category(letter) in ("Cc", "Cs")
        or letter in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
    )


def wrapped(text: str, width: int, indent: str = "", later: str | None = None) -> list[str]:
    """Lines of at most so many columns, in which a Korean letter takes two.

    >>> wrapped("가나 다라 마바", 10, "- ", "  ")
    ['- 가나', '  다라', '  마바']
    """
    later = indent if later is None else later
    lines, line = [], indent
    empty = True
    for word in text.split(" "):
        if not empty and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line, empty = later, True
        line += word if empty else f" {word}"
        empty = False
        while cell_len(line) > width and len(line) > len(later) + 1:
            at = _most(line, width)
            lines.append(line[:at])
            line = later + line[at:]
    return [*lines, line]


def _most(line: str, width: int) -> int:
    taken = 0
    for place, letter in enumerate(line):
        taken += cell_len(letter)
        if taken > width:
            return max(place, 1)
    return len(line)


def padded(text: str, width: int) -> str:
    """The text and as many spaces as make it so wide."""
    return text + " " * (width - cell_len(text))
