"""``python -m fairrep``: the console command."""

import sys

from fairrep.app.command import main

if __name__ == "__main__":
    sys.exit(main())
