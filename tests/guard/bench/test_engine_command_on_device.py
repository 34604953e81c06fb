"""`guard bench engine` on a device: the host in its place, with the real kernels, graphs and measuring of ceilings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engines import bench, registry
from engines.device_ceilings import DeviceCeilings, Product, measure_ceilings
from engines.device_engine import DeviceEngine
from engines.device_graphs import Capture, DeviceGraphs
from engines.device_stages import watched_parts
from engines.model_folder import ModelFolder
from engines.protocol import EngineStatus
from engines.stage_clock import StageClock
from engines.tensorrt import device_loader, gpu_ceilings
from engines.tensorrt.model_plans import engine_graphs
from engines.tensorrt.product_graph import half_product
from guard import cli
from tests.engines.kernels.conftest import host_library
from tests.engines.kernels.host_device import HostDevice
from tests.engines.kernels.host_graphs import HostGraph, NoCapture

__all__ = ["host_library"]  # a fixture here too

STATUS = EngineStatus("tensorrt", "fp16", "host", None)


@pytest.fixture
def host_as_gpu(host_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend "tensorrt" runs, on the host, and so does what measures its ceilings."""

    def load(model: ModelFolder, clock: StageClock | None) -> DeviceEngine:
        found = engine_graphs(model, "fp16")
        graphs = DeviceGraphs(*(HostGraph(found[name]) for name in ("backbone", "head", "embedding")))
        device, capture = HostDevice(host_library), NoCapture()
        parts: tuple[HostDevice, DeviceGraphs, Capture] = device, graphs, capture
        chosen = parts if clock is None else watched_parts(device, graphs, clock)
        return DeviceEngine(model.spec, STATUS, *chosen, buckets=(1, 2), budget_bytes=2**30)

    def ceilings() -> DeviceCeilings:
        return measure_ceilings(HostDevice(host_library), Product(HostGraph(half_product(64)), 64), 2**20, 2**20)

    monkeypatch.setattr(registry, "find_gpu_trouble", lambda: None)
    monkeypatch.setattr(device_loader, "load_device_engine", load)
    monkeypatch.setattr(gpu_ceilings, "gpu_ceilings", ceilings)
    monkeypatch.setattr(bench, "_WARM_UP_STEPS", 1)


@pytest.mark.usefixtures("host_as_gpu")
def test_stages_are_held_against_ceilings_of_the_same_device_in_the_same_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = tmp_path / "engine.json"
    words = ["--backend", "tensorrt", "--streams", "3", "--seconds", "0.1", "--json", str(found)]
    monkeypatch.setattr(sys, "argv", ["guard", "bench", "engine", *words])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    out, err = capsys.readouterr()
    assert (exit_info.value.code or 0, err) == (0, "")
    report = json.loads(found.read_text())
    ceilings = report["ceilings"]
    assert min(ceilings["gflops"], ceilings["copy_gbps"], ceilings["upload_gbps"]) > 0
    (row,) = report["rows"]
    assert row["backend"] == "tensorrt"
    assert set(row["stages"]["stages_ms"]) > set(row["rates"])
    held = {"upload": "upload_gbps", "backbone": "gflops", "difference": "copy_gbps", "head": "gflops"}
    assert set(row["rates"]) == set(held)
    for stage, ceiling in held.items():
        rate = row["rates"][stage]
        assert rate["share"] == pytest.approx(rate["rate"] / ceilings[ceiling])
    assert row["arithmetic"]["share"] == pytest.approx(row["arithmetic"]["rate"] / ceilings["gflops"])
    assert out.count("% of ceiling") == len(held)
    assert "by TensorRT, copy inside the device (read + written), upload from" in " ".join(out.split())
