"""Encoders: input layer, trunk, normalised output; heads; saving without pickle."""

from fairrep.encoders.cells import Cells
from fairrep.encoders.columns import fit_columns
from fairrep.encoders.encoder import (
    CELLS,
    ENCODERS,
    Encoder,
    build_encoder,
    runs_user_code,
    trunk_options,
)
from fairrep.encoders.fitted_rows import FittedRows
from fairrep.encoders.heads import MultitaskHeads, task_predictions
from fairrep.encoders.inputs import AsIs, OneHotInput
from fairrep.encoders.linear import LinearTrunk
from fairrep.encoders.merge import merge_plan
from fairrep.encoders.mlp import MLPTrunk
from fairrep.encoders.normalise import BatchStandardise
from fairrep.encoders.quantize import quantize
from fairrep.encoders.saved import TableEncoder, load_encoder, save_encoder
from fairrep.encoders.saved_heads import SavedHeads, load_heads, save_heads
from fairrep.encoders.tabular import TabularTrunk
from fairrep.encoders.user_module import UserTrunk

__all__ = [
    "CELLS",
    "ENCODERS",
    "AsIs",
    "BatchStandardise",
    "Cells",
    "Encoder",
    "FittedRows",
    "LinearTrunk",
    "MLPTrunk",
    "MultitaskHeads",
    "OneHotInput",
    "SavedHeads",
    "TableEncoder",
    "TabularTrunk",
    "UserTrunk",
    "build_encoder",
    "fit_columns",
    "load_encoder",
    "load_heads",
    "merge_plan",
    "quantize",
    "runs_user_code",
    "save_encoder",
    "save_heads",
    "task_predictions",
    "trunk_options",
]
