"""Train a whole front at once: python scripts/sweep.py penalty=sinkhorn sweep.seeds=5."""

import hydra
from omegaconf import DictConfig

from fairrep.app.configs import register_resolvers

register_resolvers()


@hydra.main(version_base="1.3", config_path="../conf", config_name="sweep")
def main(config: DictConfig) -> None:
    from fairrep.app import sweep

    sweep.main(config)


if __name__ == "__main__":
    main()
