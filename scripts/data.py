"""The command ``fairrep data``, from a checkout: python scripts/data.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("data", sys.argv[1:]))
