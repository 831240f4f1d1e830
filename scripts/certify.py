"""Bound the unfairness of any model on released cells: python scripts/certify.py run=DIR."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../conf", config_name="certify")
def main(config: DictConfig) -> None:
    from fairrep.app import certify

    certify.main(config)


if __name__ == "__main__":
    main()
