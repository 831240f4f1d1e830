"""Encoders: input layer, trunk, normalised output; heads; saving without pickle."""

from fairrep.encoders.columns import fit_columns
from fairrep.encoders.encoder import ENCODERS, Encoder, build_encoder
from fairrep.encoders.heads import MultitaskHeads
from fairrep.encoders.inputs import AsIs, OneHotInput
from fairrep.encoders.linear import LinearTrunk
from fairrep.encoders.mlp import MLPTrunk
from fairrep.encoders.normalise import BatchStandardise
from fairrep.encoders.saved import TableEncoder, load_encoder, save_encoder
from fairrep.encoders.tabular import TabularTrunk

__all__ = [
    "ENCODERS",
    "AsIs",
    "BatchStandardise",
    "Encoder",
    "LinearTrunk",
    "MLPTrunk",
    "MultitaskHeads",
    "OneHotInput",
    "TableEncoder",
    "TabularTrunk",
    "build_encoder",
    "fit_columns",
    "load_encoder",
    "save_encoder",
]
