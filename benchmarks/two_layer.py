"""The two-layer network's speed beside its peers', as Markdown; about five minutes.

    python benchmarks/two_layer.py              on drawn images
    python benchmarks/two_layer.py FOLDER       on MNIST's, from its IDX files

Once with OpenBLAS's AVX-512 kernels for all that stand on NumPy, where the processor has them, and once with
its AVX2 kernels. Peers that are not installed are left out: pip install -e ".[peers]".
"""

import os

import click

from clearhead.bench import conditions, markdown, race
from clearhead.contests import rows, two_layer
from clearhead.machine import KERNELS, has_avx512


@click.command()
@click.argument("folder", required=False)
@click.option("--rounds", default=11)
def main(folder, rounds):
    print(conditions(), flush=True)
    for kernel in ("SkylakeX", "Haswell") if has_avx512() else (None,):
        if kernel:
            os.environ[KERNELS] = kernel
        contests = [
            *(two_layer(batch, data=folder, compiled=True, rounds=rounds) for batch in (64, 256)),
            *(rows(count, rounds=rounds) for count in (10_000, 1)),
        ]
        for contest in contests:
            timings, left_out = race(contest)
            kernels = f", {kernel} kernels" if kernel else ""
            print(f"\n{contest.title}{kernels}\n\n{markdown(timings)}", *left_out, sep="\n", flush=True)


if __name__ == "__main__":
    main()
