"""Data: registry, preprocessing, splits, batches by index."""

from fairrep.data.batches import IndexLoader
from fairrep.data.describe import describe
from fairrep.data.prepare import prepare_data
from fairrep.data.prepared import PreparedData, Rows, TaughtRows
from fairrep.data.registry import DATASETS, DatasetSpec, RawData, load_dataset
from fairrep.data.samplers import Allocation, IndexSampler, OrderedSampler, StratifiedSampler
from fairrep.data.schema import CategoricalColumn, NumericColumn, TableSchema, fit_schema
from fairrep.data.splits import RowSplit, split_rows

__all__ = [
    "DATASETS",
    "Allocation",
    "CategoricalColumn",
    "DatasetSpec",
    "IndexLoader",
    "IndexSampler",
    "NumericColumn",
    "OrderedSampler",
    "PreparedData",
    "RawData",
    "RowSplit",
    "Rows",
    "StratifiedSampler",
    "TableSchema",
    "TaughtRows",
    "describe",
    "fit_schema",
    "load_dataset",
    "prepare_data",
    "split_rows",
]
