"""The command ``fairrep sweep``, from a checkout: python scripts/sweep.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("sweep", sys.argv[1:]))
