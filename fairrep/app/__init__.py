"""Composition from configs, run folders, the command line; the only Hydra in the package."""

import os

# Threads that wait without spinning: small batches on a machine that others use too ran up to
# ten times faster. Read when torch is imported, so it stands before everything else.
# A little of it remains, or waking them costs small operations more than they take.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
