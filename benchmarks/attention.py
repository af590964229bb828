"""One layer of attention beside PyTorch's own forms of it, as Markdown; about five minutes.

    python benchmarks/attention.py

The second line of each table is clearhead once more: what its interval leaves of 1.00 is the machine's noise.
"""

from dataclasses import replace

import click

from clearhead.bench import conditions, markdown, race
from clearhead.contests import attention

SIZES = {(32, 128, 256): 15, (8, 512, 512): 11, (1, 4096, 512): 7}


@click.command()
@click.option("--rounds", type=int, help="Of each contest.  [default: by its size]")
def main(rounds):
    print(conditions(), flush=True)
    for shape, usual in SIZES.items():
        for backward in (False, True):
            contest = attention(shape, backward=backward, rounds=rounds or usual)
            ours, *peers = contest.contestants
            again = replace(ours, name="clearhead, once more")
            timings, _ = race(replace(contest, contestants=(ours, again, *peers)))
            print(f"\n{contest.title}\n\n{markdown(timings)}", flush=True)


if __name__ == "__main__":
    main()
