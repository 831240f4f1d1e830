"""Training: losses, the Lightning module, callbacks; they receive built objects."""

from fairrep.training.callbacks import EpochSeed, default_callbacks
from fairrep.training.fit import FitResult, FitSettings, fit
from fairrep.training.loss import base_rate_logits, multitask_loss
from fairrep.training.module import FairEncoderModule
from fairrep.training.optimizer import OptimizerSettings
from fairrep.training.progress import FitProgress
from fairrep.training.selection import SelectionRule
from fairrep.training.stack_listener import StackEpoch, StackListener, StackResult
from fairrep.training.stacked import fit_stack
from fairrep.training.teacher import Teacher, TeacherSettings

__all__ = [
    "EpochSeed",
    "FairEncoderModule",
    "FitProgress",
    "FitResult",
    "FitSettings",
    "OptimizerSettings",
    "SelectionRule",
    "StackEpoch",
    "StackListener",
    "StackResult",
    "Teacher",
    "TeacherSettings",
    "base_rate_logits",
    "default_callbacks",
    "fit",
    "fit_stack",
    "multitask_loss",
]
