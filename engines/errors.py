"""Errors of the engines package.

EngineError
├── ModelFolderError      an engine folder is missing, incomplete, altered or of another format
├── EngineInputError      a call with arrays of the wrong shape, dtype or slot
├── PlanBuildError        TensorRT cannot compile an engine's graph
├── PlanCacheError        the folder of compiled plans cannot be trusted or written
└── BackendUnavailableError    the wanted backend cannot run on this machine
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of everything that this package raises on purpose; the text says what, why and what to do."""


class ModelFolderError(EngineError):
    """An engine folder that cannot be trusted: missing file, wrong hash, truncated graph, unknown format."""


class EngineInputError(EngineError, ValueError):
    """Arrays handed to an engine do not fit its contract (shape, dtype, slot out of range, slot twice)."""


class PlanBuildError(EngineError):
    """TensorRT refuses a graph, or a plan that it made itself."""


class PlanCacheError(EngineError):
    """The folder of compiled plans cannot be used: others may write to it, or the disk is full."""


class BackendUnavailableError(EngineError):
    """The wanted backend cannot run here (library or device missing)."""
