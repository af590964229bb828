"""`python -m clearhead`, the same as the command `clearhead`."""

import sys

from clearhead.machine import use_avx512


def main() -> None:
    """Load the command line and run it; Ctrl-C meanwhile ends it quietly."""
    use_avx512()
    try:
        from clearhead import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
