"""The folder that a job runs in: its files, how much it may hold, and how it goes whatever is in it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from clearhead.confinement import Limits

DEEPEST = 64  # Folders in folders, which no job needs.


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put these files there, and let whoever is given the folder change them."""
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or ":" in name:
            raise ValueError(f"a file must have a relative name without .., got {name!r}; rename it.")
        target = folder.joinpath(*parts)
        for parent in reversed(target.relative_to(folder).parents[:-1]):
            (folder / parent).mkdir(exist_ok=True)
            (folder / parent).chmod(0o777)
        target.write_bytes(content)
        target.chmod(0o666)  # The child may have a user of its own; nobody else comes into the folder.


def holds_too_much(folder: str, limits: Limits) -> bool:
    """Whether a job has written more than it may; no file system counts that for it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "big").write_bytes(bytes(100_000))
    ...     holds_too_much(folder, Limits()), holds_too_much(folder, Limits(folder_size=50_000))
    (False, True)
    """
    count, written, folders = 0, 0, [(folder, 0)]
    while folders:
        place, depth = folders.pop()
        try:
            with os.scandir(place) as found:
                for entry in found:
                    count, written = count + 1, written + entry.stat(follow_symlinks=False).st_size
                    if count > limits.folder_files or written > limits.folder_size or depth > DEEPEST:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, depth + 1))
        except (FileNotFoundError, NotADirectoryError):
            pass  # It went meanwhile.
        except OSError:
            return True  # A folder that cannot be looked into, or whose path is too long.
    return False


def remove(folder: str) -> None:
    """Remove a folder whatever is in it: no depth, no mode and no name hinders it.

    >>> import tempfile
    >>> made = tempfile.mkdtemp()
    >>> remove(made)
    >>> os.path.exists(made)
    False
    """
    fresh = (os.path.join(folder, f"{os.urandom(8).hex()}{count}") for count in itertools.count())
    with contextlib.suppress(FileNotFoundError):
        folders = _emptied(folder, fresh, keep=True)
        while folders:
            # Each level comes up here, so that no path grows long.
            for each in folders:
                _emptied(each, fresh, keep=False)
                os.rmdir(each)
            folders = _emptied(folder, fresh, keep=True)
        os.rmdir(folder)


def _emptied(folder: str, fresh: Iterator[str], keep: bool) -> list[str]:
    """The folders in this one, whose files go; unless they are kept, they move to fresh names."""
    os.chmod(folder, 0o700)
    with os.scandir(folder) as entries:
        found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for path, is_folder in found:
        if not is_folder:
            os.unlink(path)
        elif not keep:
            os.chmod(path, 0o700)
            os.rename(path, next(fresh))
    return [path for path, is_folder in found if is_folder]
