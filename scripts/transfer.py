"""Does a run's fairness persist on novel tasks and domains: python scripts/transfer.py run=DIR."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../conf", config_name="transfer")
def main(config: DictConfig) -> None:
    from fairrep.app import transfer

    transfer.main(config)


if __name__ == "__main__":
    main()
