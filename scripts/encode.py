"""The command ``fairrep encode``, from a checkout: python scripts/encode.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("encode", sys.argv[1:]))
