"""Files as they come: images (IDX, NPZ), tables, texts, and MNIST by name.

Whatever goes wrong here is the reader's file, not the reader's fault: every error is one sentence
that says which value came, where it stands and what to do about it.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import io
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from clearhead.raw import UTF_16_MARKS, Array, Raw, decoded, label_names, listed
from clearhead.tables import PARQUET_MARK, read_table

NAMES = ("digits", "mnist")

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
# As torchvision publishes them, of the packed files.
MNIST_SHA256 = {
    f"{name}-ubyte.gz": checksum
    for name, checksum in (
        ("train-images-idx3", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
}
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
IDX_NAME = re.compile(r"(.*?)(train|t10k|test)-(images|labels)[-.]idx\d-\w+?(\.gz)?", re.IGNORECASE)
FILE_MARKS = {".parquet": PARQUET_MARK, ".npz": b"PK"}
TABLE_SUFFIXES = (".csv", ".tsv", ".tab")


def read(
    name_or_path: str | os.PathLike[str],
    *,
    target: str | None = None,
    columns: Sequence[str] | None = None,
) -> Raw:
    """Read any format that `load_data` understands, with no split, no scaling, labels optional.

    target: the label column of a table; without it Y is None.
    columns: the feature columns wanted, in that order; others are ignored. Without it, all.

    Raises what `load_data` raises.

    >>> raw = read("digits")
    >>> raw.X.shape, str(raw.Y[0])
    ((1797, 8, 8), '0')
    """
    return read_as(name_or_path, target, columns, labelled=False)


def read_as(
    name_or_path: str | os.PathLike[str],
    target: str | None,
    columns: Sequence[str] | None,
    labelled: bool,
) -> Raw:
    """`read`, which refuses a table without labels where they are needed."""
    path = _located(name_or_path)
    content = b"" if path.is_dir() else _content(path)
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    mark = FILE_MARKS.get(suffix, b"")
    if content[: len(mark)] != mark:
        raise ValueError(f"{path.name} is no {suffix} file, whatever its name says; fetch it again.")
    is_parquet = content.startswith(PARQUET_MARK)
    # A text can be either; whoever names a column means a table.
    is_text = not path.is_dir() and (b"\0" not in content[:4096] or content.startswith(UTF_16_MARKS))
    may_be_table = suffix in TABLE_SUFFIXES or target is not None or bool(columns)
    if is_parquet or (is_text and may_be_table):
        return read_table(content, path.name, target, columns, labelled)
    if target is not None or columns:
        argument = f"target={target!r}" if target is not None else f"columns={list(columns or ())}"
        name = name_or_path if name_or_path in NAMES else path.name
        raise ValueError(f"{argument} names columns, and {name} has none; leave it out.")
    if path.is_dir():
        return _idx_folder(path)
    if suffix == ".npz":
        return _npz(content, path.name)
    if content[:2] == b"\0\0" and content[2:3] and content[2] in IDX_TYPES:
        return _raw(_idx(content, path.name), None, path.name)
    return Raw(np.frombuffer(decoded(content, path.name).encode("utf-32-le"), "<u4"))


def _located(name_or_path: str | os.PathLike[str]) -> Path:
    if name_or_path == "digits":
        return Path(__file__).with_name("digits.npz")
    if name_or_path == "mnist":
        return _mnist()
    if name_or_path == "":
        raise ValueError(f"name_or_path='' names no data; pass {', '.join(NAMES)}, or a file or folder.")
    path = Path(os.path.expanduser(name_or_path))
    if not path.exists():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, [*NAMES, *beside], cutoff=0.75)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise FileNotFoundError(
            f"{name_or_path} is neither a name ({', '.join(NAMES)}) nor a file or folder.{hint}"
        )
    return path


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path.name} is damaged or cut short ({error}); fetch it again.") from error


def _raw(X: Array, Y: Array | None, name: str) -> Raw:
    """Raw from arrays, once they are what they claim to be."""
    if X.dtype.kind not in "biuf" or X.ndim < 2 or X.size == 0:
        raise ValueError(
            f"X in {name} must hold numbers, (examples, features) or (examples, height, width), "
            f"one or more; got {X.dtype} {X.shape}."
        )
    # Whole numbers are finite, and asking every pixel doubles the time to load MNIST.
    finite = np.isfinite(X) if X.dtype.kind == "f" else np.ones(1)
    if not finite.all():
        at = tuple(int(place) for place in np.unravel_index(finite.argmin(), X.shape))
        raise ValueError(f"X in {name} holds {X[at]} at {at}; replace it or remove that example.")
    if Y is None:
        return Raw(X)
    if Y.shape[:1] != X.shape[:1]:
        raise ValueError(f"{name} has {len(X)} examples but labels {Y.shape}; each needs one.")
    return Raw(X, label_names(Y, f"Y in {name}", lambda row: f"example {row + 1}"))


def _with_test(main: Raw, test: Raw, name: str) -> Raw:
    if main.shape != test.shape:
        raise ValueError(
            f"{name} trains on examples of shape {main.shape} but tests on {test.shape}; they must be alike."
        )
    return Raw(main.X, main.Y, main.columns, test)


def _idx(content: bytes, name: str) -> Array:
    """One IDX array: 0 0 type axes, each axis' length in 4 bytes, the values; all big-endian."""
    num_axes = content[3] if len(content) > 3 else 0
    header = 4 + 4 * num_axes
    if content[:2] != b"\0\0" or len(content) < header or content[2] not in IDX_TYPES:
        raise ValueError(f"{name} does not begin as an IDX file does; fetch it again.")
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4)]
    dtype = np.dtype(IDX_TYPES[content[2]])
    promised = header + math.prod(shape) * dtype.itemsize
    if len(content) != promised:
        raise ValueError(
            f"{name} holds {len(content)} bytes, its header promises {promised}; fetch it again."
        )
    values = np.frombuffer(content, dtype.newbyteorder(">"), offset=header)
    return values.reshape(shape).astype(dtype, copy=False)


def _idx_folder(folder: Path) -> Raw:
    files: dict[tuple[str, str], Path] = {}
    sets = set()
    for path in sorted(folder.iterdir(), reverse=True):
        if match := IDX_NAME.fullmatch(path.name):
            prefix, part, what = (group.lower() for group in match.groups()[:3])
            sets.add(prefix)
            # Sorted backwards, the unpacked file comes after its .gz and takes its place.
            files["train" if part == "train" else "test", what] = path
    if ("train", "images") not in files or len(sets) > 1:
        found = listed(sorted(path.name for path in files.values())) or "none of them"
        raise ValueError(
            f"{folder} must hold the IDX files of one data set, train-images-idx3-ubyte and its "
            f"labels, packed (.gz) or not; found {found}."
        )
    train = _idx_part(files, "train")
    if ("test", "images") not in files:
        return train
    return _with_test(train, _idx_part(files, "test"), str(folder))


def _idx_part(files: dict[tuple[str, str], Path], part: str) -> Raw:
    images, labels = (files.get((part, what)) for what in ("images", "labels"))
    assert images, "the caller looked"
    Y = _idx(_content(labels), labels.name) if labels else None
    return _raw(_idx(_content(images), images.name), Y, images.name)


def _npz(content: bytes, name: str) -> Raw:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key.lower(): file[key] for key in file.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{name} is no NPZ file of plain arrays ({error}); save numbers and text with np.savez."
        ) from error
    train = "_train" if "x_train" in arrays else ""
    if f"x{train}" not in arrays:
        raise ValueError(f"{name} must hold X and Y, or x_train and y_train; it holds {listed(arrays)}.")
    main = _raw(arrays[f"x{train}"], arrays.get(f"y{train}"), name)
    if "x_test" not in arrays:
        return main
    return _with_test(main, _raw(arrays["x_test"], arrays.get("y_test"), name), name)


def _mnist() -> Path:
    """The folder in the user's cache with the four files: fetched once, verified at each use."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("clearhead")) / "mnist"
    with _kept_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, checksum in MNIST_SHA256.items():
        path = folder / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
            _download(name, checksum, path)
    return folder


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"mnist cannot be kept in {folder} ({error.strerror or error}); make that folder writable, "
            "or pass a folder with the four IDX files: --data FOLDER."
        ) from error


def _download(name: str, checksum: str, path: Path) -> None:
    import http.client
    import tempfile
    import urllib.error
    import urllib.request

    url = os.environ.get("CLEARHEAD_MNIST_URL", MNIST_URL).rstrip("/") + "/" + name
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            content = response.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # It is the server's answer too, with an open connection.
        raise ConnectionError(
            f"mnist could not be fetched from {url} ({error}); pass a folder with its four IDX "
            "files instead: --data FOLDER."
        ) from error
    if (found := hashlib.sha256(content).hexdigest()) != checksum:
        raise OSError(
            f"{url} has SHA-256 {found[:12]}... where {checksum[:12]}... was published, so it is "
            "damaged or another file; try again, or pass a folder with the four IDX files: "
            "--data FOLDER."
        )
    # Only a whole, verified file ever has the final name, even if two processes fetch at once.
    with _kept_in(path.parent), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        (Path(folder) / name).write_bytes(content)
        os.replace(Path(folder) / name, path)
