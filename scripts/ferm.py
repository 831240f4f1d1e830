"""The command ``fairrep ferm``, from a checkout: python scripts/ferm.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("ferm", sys.argv[1:]))
