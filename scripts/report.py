"""Write report.html and the front's figure into a run's or a sweep's folder: run=FOLDER."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
def main(config: DictConfig) -> None:
    from fairrep.app import report

    report.main(config)


if __name__ == "__main__":
    main()
