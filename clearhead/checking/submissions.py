"""What is checked together: a file's bytes and the modules beside it; and the files of a folder."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from clearhead import __version__

SUFFIXES = (".py", ".ipynb")
LONGEST_FILE, LONGEST_MODULES = 32 << 20, 1 << 20
# What a report depends on besides the file, of this package.
SOURCES = (
    "two_layer_nn.py", "attention.py", "sandbox.py", "keeper.py", "messages.py", "confinement.py",
    "docstrings.py", "evaluation.py", "formula.py", "checking/**/*.py", "mistakes/*",
)  # fmt: skip
NOBODYS = {"node_modules", "venv", "site-packages"}  # Folders with files that no student wrote.
_TORCH = re.compile(rb"\btorch\b")
_IMPORTS = re.compile(rb"^.*\bimport.*$", re.MULTILINE)
_WORD = re.compile(rb"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Submission:
    """What is checked together: one file's bytes, and the modules beside it that it may import."""

    file: str  # As it is called in the report.
    content: bytes = b""
    modules: Mapping[str, bytes] = field(default_factory=dict)
    student: str = ""
    reason: str = ""  # Why there is nothing to check.
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.file.replace("\\", "/").rstrip("/").rpartition("/")[2]

    def uses_torch(self) -> bool:
        """Whether the text, or that of a module, speaks of torch."""
        return any(_TORCH.search(_flat(text)) for text in (self.content, *self.modules.values()))

    @classmethod
    def read(cls, path: Path, file: str = "", student: str = "") -> Submission:
        """A file and the modules beside it; `reason` is filled where it cannot be read."""
        file = file or str(path)
        try:
            if path.stat().st_size > LONGEST_FILE:
                values = {"most": f"{LONGEST_FILE >> 20} MB"}
                return cls(file, student=student, reason="too_large", values=values)
            content = path.read_bytes()
        except OSError as error:
            values = {"detail": error.strerror or str(error)}
            return cls(file, student=student, reason="unreadable", values=values)
        reason = "empty" if not content.strip() else "binary" if _binary(content) else ""
        return cls(file, content, _modules(path, content), student, reason)

    def key(self, *more: str) -> str:
        """A name for the report of exactly these bytes, checked so by exactly this program."""
        made = hashlib.sha256(_fingerprint().encode())
        for part in (*more, self.file, self.student, *sorted(self.modules)):
            made.update(part.encode("utf-8", "surrogateescape") + b"\0")
        for text in (self.content, *(self.modules[stem] for stem in sorted(self.modules))):
            made.update(hashlib.sha256(text).digest())
        return made.hexdigest()


def _flat(text: bytes) -> bytes:
    return text.replace(b"\0", b"") if text.startswith((b"\xff\xfe", b"\xfe\xff")) else text


def _binary(content: bytes) -> bool:
    return b"\0" in content[:8192] and not content.startswith((b"\xff\xfe", b"\xfe\xff"))


def _modules(path: Path, content: bytes) -> dict[str, bytes]:
    """The modules of the same folder that the text imports, and those that they import in turn."""
    try:
        beside = {
            other.stem: other for other in sorted(path.parent.glob("*.py"))
            if other.stem.isidentifier() and other.name != path.name
            and other.is_file() and not other.is_symlink()
        }  # fmt: skip
    except OSError:
        return {}
    found: dict[str, bytes] = {}
    left, texts = LONGEST_MODULES, [content]
    while texts and beside:
        imports = b" ".join(_IMPORTS.findall(_flat(texts.pop())))
        words = {word.decode("ascii", "replace") for word in _WORD.findall(imports)}
        for stem in sorted(words & set(beside)):
            with contextlib.suppress(OSError):
                other = beside.pop(stem)
                if other.stat().st_size <= left:
                    found[stem] = other.read_bytes()
                    left -= len(found[stem])
                    texts.append(found[stem])
    return found


@functools.cache
def _fingerprint() -> str:
    """What a report depends on besides the file: this program's own files, and the libraries' versions."""
    package = Path(__file__).parent.parent
    made = hashlib.sha256(__version__.encode())
    for path in sorted(path for pattern in SOURCES for path in package.glob(pattern)):
        if path.is_file():
            made.update(path.read_bytes())
    for library in ("numpy", "torch"):
        with contextlib.suppress(PackageNotFoundError):
            made.update(version(library).encode())
    return made.hexdigest()


def submissions_in(paths: Iterable[Path]) -> Iterator[Submission]:
    """The files that are named, and those in folders that are; in a folder of folders each is a student's.

    Of several folders that are named, each with files in itself is a student's too: `class/*`.

    Raises FileNotFoundError for a path that is not there, and for a folder that holds no file to check.
    """
    paths = list(paths)
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there; name a file .py or .ipynb, or a folder of them.")
        if not path.is_dir():
            yield Submission.read(path)
            continue
        files = sorted(_files(path))
        if not files:
            raise FileNotFoundError(f"{path} holds no file .py or .ipynb; name a folder that does.")
        is_students = len(paths) > 1 and any(file.parent == path for file in files)
        parts = path.iterdir() if not is_students else ()
        students = {part.name for part in parts if part.is_dir() and not _hidden(part)}
        for file in files:
            inside = file.relative_to(path.parent if is_students else path)
            student = inside.parts[0] if len(inside.parts) > 1 else ""
            students.discard(student)
            yield Submission.read(file, inside.as_posix(), student)
        for student in sorted(students):
            yield Submission(f"{student}/", student=student, reason="no_file")


def _hidden(path: Path) -> bool:
    return path.name.startswith((".", "__")) or path.name in NOBODYS


def _files(folder: Path) -> Iterator[Path]:
    """The files to check in a folder, at any depth; no links, which may lead anywhere."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not _hidden(Path(name)) and not Path(place, name).is_symlink()
        )
        for name in files:
            path = Path(place, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and not path.is_symlink():
                yield path
