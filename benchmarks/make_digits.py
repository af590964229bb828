"""Make clearhead/digits.npz from scikit-learn's copy of the UCI optdigits test set.

Run `python benchmarks/make_digits.py`: the same arrays give the same bytes, so `git diff` tells
whether scikit-learn's copy has changed. Licence CC BY 4.0: E. Alpaydin and C. Kaynak, "Optical
Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, doi:10.24432/C50P49.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).parents[1] / "clearhead" / "digits.npz"


def main() -> None:
    digits = load_digits()
    arrays = {"X": digits.images.astype(np.uint8), "Y": digits.target.astype(np.uint8)}
    with zipfile.ZipFile(TARGET, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            # np.savez_compressed stamps the time of day; a fixed date keeps the bytes reproducible.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1998, 7, 1, 0, 0, 0))
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, 9)
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
