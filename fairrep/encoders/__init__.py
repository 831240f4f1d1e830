"""Encoders: input layer, trunk, normalised output; heads; saving without pickle."""

from fairrep.encoders.encoder import ENCODERS, Encoder, build_encoder
from fairrep.encoders.heads import MultitaskHeads
from fairrep.encoders.inputs import OneHotInput
from fairrep.encoders.linear import LinearTrunk
from fairrep.encoders.mlp import MLPTrunk
from fairrep.encoders.normalise import BatchStandardise
from fairrep.encoders.saved import TableEncoder, load_encoder, save_encoder

__all__ = [
    "ENCODERS",
    "BatchStandardise",
    "Encoder",
    "LinearTrunk",
    "MLPTrunk",
    "MultitaskHeads",
    "OneHotInput",
    "TableEncoder",
    "build_encoder",
    "load_encoder",
    "save_encoder",
]
