"""The command ``fairrep export``, from a checkout: python scripts/export.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("export", sys.argv[1:]))
