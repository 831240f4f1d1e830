"""The command ``fairrep transfer``, from a checkout: python scripts/transfer.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("transfer", sys.argv[1:]))
