"""Empirical risk minimisation under fairness constraints: python scripts/ferm.py data=german."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../conf", config_name="ferm")
def main(config: DictConfig) -> None:
    from fairrep.app import ferm

    ferm.main(config)


if __name__ == "__main__":
    main()
