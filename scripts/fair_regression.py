"""Fair regression with Wasserstein barycenters: python scripts/fair_regression.py base=forest."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../conf", config_name="fair_regression")
def main(config: DictConfig) -> None:
    from fairrep.app import fair_regression

    fair_regression.main(config)


if __name__ == "__main__":
    main()
