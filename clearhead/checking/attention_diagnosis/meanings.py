"""What true in a mask stands for, as a learner's file tells: that a key is hidden, or that it may be seen."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from clearhead.checking.source_lines import SourceLines

HIDDEN, ALLOWED = "hidden", "allowed"
# What is said to be so where the mask is true: up to the end of a clause. "If true" speaks of a switch.
_WHERE_TRUE = (
    r"(?<!if )\b(?:true|nonzero|1s?|one (?=is|means))(?:\b|(?=[인이일은는]))(?![.)\]])([^.,;\n]{2,50})"
)
_IS_TRUE = (
    r"([^.,;\n(]{3,60}|\([^)]*\)[^.,;\n]{0,20})(?:\b(?:is|are|by|with)|[이가은는])\s+(?:one|true|1s?)\b"
)
_HIDES = r"ignor|mask(ed|ing)|hid|block|\bpad|fill|future|가려|가리|무시|막|패딩|마스킹|가린|屏蔽|掩|遮"
_SHOWS = (
    r"attend|allow|\bsee\b|seen|looked at|takes? part|keep|kept|visible|real|word|valid|exist"
    r"|보[는이지]|볼|참고|허용|可见|保留"
)
_SAYS_SHOWN = r"keep|kept|valid|visible|allow|attend"
_IS_FALSE = r"\b(?:0s?|zero|false|otherwise|else)(?:\b|(?=[인이일은는]))"
_NOT = r"\bnot\b|\bnon\b|n't|never|않|안 |없"
_NEAR = 2  # lines after one that names the mask


class Meaning(NamedTuple):
    """What true stands for, "" where nothing tells; `sure` where it is said in words."""

    true: str = ""
    sure: bool = False


def meaning_of(lines: SourceLines, name: str) -> Meaning:
    """What true in the mask of a name stands for.

    >>> meaning_of(SourceLines({"lines": ["def f(x, mask):  # mask: True where padding"]}), "mask")
    Meaning(true='hidden', sure=True)
    >>> meaning_of(SourceLines({"lines": ["# mask가 True인 곳(패딩)은 작은 값으로"]}), "mask")
    Meaning(true='hidden', sure=True)
    """
    remarks = list(lines.remarks())
    for spoken in (list(_near(remarks, name)), remarks):
        senses = {sense for remark in spoken for sense in _senses(remark)}
        if len(senses) == 1:
            return Meaning(senses.pop(), True)
        if senses:
            return Meaning()
    told = {sense for sense in (_named(name), _made(lines.text)) if sense}
    return Meaning(told.pop() if len(told) == 1 else "")


def _near(remarks: list[str], name: str) -> Iterator[str]:
    """The remarks that name the mask, and what comes right after each."""
    for place, remark in enumerate(remarks):
        if re.search(rf"\b{name}\b", remark):
            yield from remarks[place : place + 1 + _NEAR]


def _senses(remark: str) -> Iterator[str]:
    said = re.findall(_WHERE_TRUE, remark, re.I) + re.findall(_IS_TRUE, remark, re.I)
    for clause in (re.split(_IS_FALSE, each, flags=re.I)[0] for each in said):
        negated = re.search(_NOT, clause, re.I)
        if re.search(_HIDES, clause, re.I):
            yield ALLOWED if negated else HIDDEN
        elif re.search(_SHOWS, clause, re.I):
            yield HIDDEN if negated else ALLOWED


def _named(name: str) -> str:
    if re.search(_SAYS_SHOWN, name, re.I):
        return ALLOWED
    return HIDDEN if "pad" in name else ""


def _made(text: str) -> str:
    """What true stands for in the masks that the file makes itself."""
    upper, lower = (re.search(rf"\b{word}\b", text) for word in ("triu", "tril"))
    turned = upper and re.search(r"== *0\b|~|1 *- ", text)  # What comes after is cut out, and the rest kept.
    if upper and not lower and not turned:
        return HIDDEN
    if lower and re.search(r"\b1(\.0?)? *- *[\w.]*tril\b", text):
        return HIDDEN
    if lower or turned:
        return ALLOWED
    return HIDDEN if re.search(r"mask\w* *=.*(== *(0|\w*pad)|\.eq\()", text, re.I) else ""
