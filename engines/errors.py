"""Errors of the engines package.

EngineError
├── ModelFolderError      an engine folder is missing, incomplete, altered or of another format
├── EngineInputError      a call with arrays of the wrong shape, dtype or slot
├── CodeCacheError        the folder of compiled code cannot be trusted or written
├── TrackerError          the face tracker cannot run: not installed, a newer one, another model file
└── BackendError          a backend cannot do its work; where there is another one, it takes over
    ├── BackendUnavailableError    it cannot run on this machine
    │   └── PlanBuildError         TensorRT cannot compile or load an engine's graph
    └── BackendFailedError         it broke while in use: device lost, error of its runtime
        └── DeviceError            a GPU failed in mid-work: whatever it held is lost
            └── DeviceMemoryError  it has no room for what was asked; what it holds is intact
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of everything that this package raises on purpose; the text says what, why and what to do."""


class ModelFolderError(EngineError):
    """An engine folder that cannot be trusted: missing file, wrong hash, truncated graph, unknown format."""


class EngineInputError(EngineError, ValueError):
    """Arrays handed to an engine do not fit its contract (shape, dtype, slot out of range, slot twice)."""


class CodeCacheError(EngineError):
    """The folder of compiled code (plans, kernels) cannot be used: others may write to it, or the disk is full."""


class TrackerError(EngineError):
    """The face tracker cannot run: MediaPipe is missing or newer than what was checked, its model file is missing or
    another one, or nothing keeps it from the network."""


class BackendError(EngineError):
    """A backend cannot do its work.

    The text is a reason for `status.fallback_reason`: one clause without a semicolon, advice in brackets.
    """


class BackendUnavailableError(BackendError):
    """The wanted backend cannot run here (no driver, library or device, a GPU that is too old, a plan that cannot be
    built)."""


class PlanBuildError(BackendUnavailableError):
    """TensorRT refuses a graph, or a plan that it made itself."""


class BackendFailedError(BackendError):
    """A backend broke while it was in use: the device is lost, its memory is full, its runtime failed.

    What it knew about its streams is lost.
    """


class DeviceError(BackendFailedError):
    """A GPU failed in mid-work (lost, illegal access, failed launch): its memory can no longer be relied on."""


class DeviceMemoryError(DeviceError):
    """No room on the device, or in the budget that the user gave it; everything already there is intact."""
