"""Data sets by name and a user's own table: python scripts/data.py list|describe|fetch|check."""

import sys

from fairrep.app.data_command import main

if __name__ == "__main__":
    sys.exit(main())
