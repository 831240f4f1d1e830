"""The command ``fairrep report``, from a checkout: python scripts/report.py …."""

import sys

from fairrep.app.command import run

if __name__ == "__main__":
    sys.exit(run("report", sys.argv[1:]))
