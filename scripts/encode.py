"""Encode a file larger than memory: python scripts/encode.py run=DIR input=FILE output=FILE."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../conf", config_name="encode")
def main(config: DictConfig) -> None:
    from fairrep.app import encode

    encode.main(config)


if __name__ == "__main__":
    main()
