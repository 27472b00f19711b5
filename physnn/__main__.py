"""``python -m physnn``: the command line."""

from physnn.cli import main

if __name__ == "__main__":
    main()
