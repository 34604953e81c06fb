"""Errors of the engines package.

EngineError
├── ModelFolderError      an engine folder is missing, incomplete, altered or of another format
├── EngineInputError      a call with arrays of the wrong shape, dtype or slot
├── BackendUnavailableError    the wanted backend cannot run on this machine
└── DeviceError           a GPU failed in mid-work: whatever it held is lost
    └── DeviceMemoryError     it has no room for what was asked; what it holds is intact
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of everything that this package raises on purpose; the text says what, why and what to do."""


class ModelFolderError(EngineError):
    """An engine folder that cannot be trusted: missing file, wrong hash, truncated graph, unknown format."""


class EngineInputError(EngineError, ValueError):
    """Arrays handed to an engine do not fit its contract (shape, dtype, slot out of range, slot twice)."""


class BackendUnavailableError(EngineError):
    """The wanted backend cannot run here (library or device missing)."""


class DeviceError(EngineError):
    """A GPU failed in mid-work (lost, illegal access, failed launch): its memory can no longer be relied on."""


class DeviceMemoryError(DeviceError):
    """No room on the device, or in the budget that the user gave it; everything already there is intact."""
