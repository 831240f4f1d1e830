"""Composition from configs, run folders, the command line; the only Hydra in the package."""
