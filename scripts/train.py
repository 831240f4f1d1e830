"""The command ``fairrep train``, from a checkout: python scripts/train.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("train", sys.argv[1:]))
