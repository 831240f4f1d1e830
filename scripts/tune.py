"""The command ``fairrep tune``, from a checkout: python scripts/tune.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("tune", sys.argv[1:]))
