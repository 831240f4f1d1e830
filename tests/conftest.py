"""What every test may use; threads wait without spinning, as in the commands."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
