"""`python -m shared.cli` is `lamina`."""

from shared.cli import main

if __name__ == "__main__":
    main()
