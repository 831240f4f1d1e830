"""The command ``fairrep certify``, from a checkout: python scripts/certify.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("certify", sys.argv[1:]))
