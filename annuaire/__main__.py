"""`python -m annuaire`, the same as the command `annuaire`."""

from annuaire.cli import main

if __name__ == "__main__":
    main()
