"""The command ``fairrep fair_regression``, from a checkout: python scripts/fair_regression.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("fair_regression", sys.argv[1:]))
