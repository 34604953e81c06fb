"""Energy counters: what they count, where they wrap, and what is said where there are none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from guard.bench.energy import EnergyMeter, find_gpu_meter, find_processor_meter


def _zone(powercap: Path, number: str, name: str, microjoules: int) -> Path:
    folder = powercap / f"intel-rapl:{number}"
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text("9999999\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


def test_packages_add_up_and_wrap(tmp_path: Path) -> None:
    first, second = _zone(tmp_path, "0", "package-0", 9_000_000), _zone(tmp_path, "1", "package-1", 0)
    _zone(tmp_path, "0:0", "core", 5)
    _zone(tmp_path, "2", "psys", 5)
    meter = find_processor_meter(tmp_path)
    assert isinstance(meter, EnergyMeter)
    assert meter.source == "RAPL, 2 processor package(s)"
    assert meter.joules() == 0
    first.write_text("500000\n")  # over its largest value
    second.write_text("250000\n")
    assert meter.joules() == pytest.approx(1.5 + 0.25)
    second.write_text("350000\n")
    assert meter.joules() == pytest.approx(1.5 + 0.35)


def test_no_package_is_said_so(tmp_path: Path) -> None:
    assert "no processor package" in str(find_processor_meter(tmp_path))


def test_a_counter_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    _zone(tmp_path, "0", "package-0", 0).unlink()
    assert "cannot be read" in str(find_processor_meter(tmp_path))


class _Nvml(ModuleType):
    """NVML with so many GPUs, which have used 1.5 kJ."""

    class NVMLError(Exception):
        pass

    def __init__(self, gpus: int, *, too_old: bool = False) -> None:
        super().__init__("pynvml")
        self._gpus, self._too_old = gpus, too_old

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        pass

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self._gpus

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if self._too_old:
            raise self.NVMLError("Not Supported")
        return 1_500_000


def test_the_one_gpu_is_read_in_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", _Nvml(1))
    meter = find_gpu_meter()
    assert isinstance(meter, EnergyMeter)
    assert meter.joules() == 1500


@pytest.mark.parametrize(
    ("nvml", "said"), [(None, "not installed"), (_Nvml(2), "sees 2 GPUs"), (_Nvml(1, too_old=True), "Not Supported")]
)
def test_why_a_gpu_is_not_read(nvml: _Nvml | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert said in str(find_gpu_meter())
