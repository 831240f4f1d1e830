"""Heads on disk beside their encoder: safetensors for the numbers, JSON for the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file

from fairrep.encoders.heads import MultitaskHeads
from fairrep.encoders.weights import save_weights
from fairrep.errors import RunError
from fairrep.types import TaskSpec

FORMAT = 1
WEIGHTS, DESCRIPTION = "heads.safetensors", "heads.json"


class SavedHeads(NamedTuple):
    """Fitted heads and what their outputs are of (:func:`fairrep.encoders.task_predictions`)."""

    network: MultitaskHeads
    tasks: tuple[TaskSpec, ...]


def save_heads(heads: SavedHeads, folder: Path) -> None:
    """Write ``heads.safetensors`` and ``heads.json`` into ``folder`` (made if absent)."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "format": FORMAT,
        "dim": heads.network.dim,
        "hidden": heads.network.hidden,
        "tasks": [task.to_json() for task in heads.tasks],
    }
    save_weights(heads.network, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, ensure_ascii=False))


def load_heads(folder: str | Path) -> SavedHeads:
    """Load heads in evaluation mode.

    Raises:
        RunError: none there, or files that are truncated or of another format.
    """
    place = Path(folder)
    if not (place / DESCRIPTION).is_file():
        raise RunError(f"saved heads are needed, but '{place}' holds no {DESCRIPTION}.")
    try:
        saved = json.loads((place / DESCRIPTION).read_text())
        if saved["format"] != FORMAT:
            raise ValueError(f"they are of format {saved['format']}, not {FORMAT}.")
        tasks = tuple(TaskSpec.from_json(task) for task in saved["tasks"])
        network = MultitaskHeads(tasks, saved["dim"], hidden=saved["hidden"])
        network.load_state_dict(load_file(place / WEIGHTS))
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError, OSError) as problem:
        raise RunError(
            f"'{place}' does not hold whole saved heads: {' '.join(str(problem).split())}"
        ) from problem
    return SavedHeads(network.eval(), tasks)
