"""`python -m clearhead`, the same as the command `clearhead`."""

from clearhead.cli import main

if __name__ == "__main__":
    main()
