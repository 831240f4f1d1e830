"""Export a run's encoder: python scripts/export.py run=DIR format=onnx."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../conf", config_name="export")
def main(config: DictConfig) -> None:
    from fairrep.app import export

    export.main(config)


if __name__ == "__main__":
    main()
