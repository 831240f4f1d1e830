"""Train a fair encoder and its λ = 0 twin: python scripts/train.py penalty=sinkhorn."""

import hydra
from omegaconf import DictConfig

from fairrep.app.configs import register_resolvers

register_resolvers()


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def main(config: DictConfig) -> None:
    from fairrep.app import train

    train.main(config)


if __name__ == "__main__":
    main()
