"""Errors of the training package.

TrainingError
├── DataError               material that is missing, unreadable or ambiguous
├── ReferenceFileError      a reference file that does not fit the published network
├── CheckpointError         a checkpoint that is damaged or belongs to another model
├── ExportError             a model that cannot become an engine, or an engine that computes something else
└── LearningCancelledError  learning that was stopped on request
"""

from __future__ import annotations


class TrainingError(Exception):
    """Base of everything that this package raises on purpose; the text says what, why and what to do."""


class DataError(TrainingError):
    """Material that is missing, unreadable or ambiguous."""


class ReferenceFileError(TrainingError):
    """A reference file that is damaged or does not fit the published network."""


class CheckpointError(TrainingError):
    """A checkpoint that is damaged or belongs to another model."""


class ExportError(TrainingError):
    """A model that cannot become an engine, or an exported engine that computes something else."""


class LearningCancelledError(TrainingError):
    """Learning was stopped on request; nothing is wrong."""
