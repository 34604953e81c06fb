"""What a processor or GPU has used so far, where this machine tells.

RAPL (the kernel's /sys/class/powercap) counts whole processor packages, NVML a whole GPU board: idle power and other
programs are in every figure.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class EnergyMeter:
    """joules: since some moment, ever growing. source: what is measured, for people."""

    source: str
    joules: Callable[[], float]


def find_processor_meter(powercap: Path = _POWERCAP) -> EnergyMeter | str:
    """All processor packages of this machine, or why they cannot be read."""
    zones = sorted(path.parent for path in powercap.glob("intel-rapl:*/name") if _text(path).startswith("package"))
    if not zones:
        return f"no processor package in {powercap} (RAPL: not on virtual machines)"
    try:
        counters = [_Counter(zone) for zone in zones]
    except (OSError, ValueError):
        return f"{zones[0]}/energy_uj cannot be read (it is root's)"
    return EnergyMeter(
        f"RAPL, {len(zones)} processor package(s)", lambda: sum(counter.joules() for counter in counters)
    )


def find_gpu_meter(module: str = "pynvml") -> EnergyMeter | str:
    """The GPU of this machine, or why NVML does not tell. module: NVML's Python module."""
    try:
        nvml: Any = importlib.import_module(module)
    except ImportError:
        return "NVML's Python module is not installed (pip install nvidia-ml-py)"
    try:
        nvml.nvmlInit()
        if (count := nvml.nvmlDeviceGetCount()) != 1:
            return f"NVML sees {count} GPUs and cannot tell which one the engine runs on"
        board = nvml.nvmlDeviceGetHandleByIndex(0)
        nvml.nvmlDeviceGetTotalEnergyConsumption(board)
    except nvml.NVMLError as error:
        return f"NVML does not tell ({error})"
    return EnergyMeter("NVML, whole board", lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(board)) / 1000)


class _Counter:
    """One package's counter, which begins anew at 0 after its largest value."""

    def __init__(self, zone: Path) -> None:
        self._file = zone / "energy_uj"
        self._largest = int((zone / "max_energy_range_uj").read_text("ascii"))
        self._last = self._read()
        self._total = 0

    def joules(self) -> float:
        newest = self._read()
        self._total += (newest - self._last) % (self._largest + 1)
        self._last = newest
        return self._total / 1e6

    def _read(self) -> int:
        return int(self._file.read_text("ascii"))


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""
