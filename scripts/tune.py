"""Tune a learner under a fairness constraint: python scripts/tune.py tune=german_rf."""

import hydra
from omegaconf import DictConfig

from fairrep.app.configs import register_resolvers

register_resolvers()


@hydra.main(version_base="1.3", config_path="../conf", config_name="tune")
def main(config: DictConfig) -> None:
    from fairrep.app import tune

    tune.main(config)


if __name__ == "__main__":
    main()
