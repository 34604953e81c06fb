"""The command that a GPU machine runs: what it writes, also where there is nothing to measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.bounds import check_bounds
from tests.gpu.evidence import REPORT, measure, run_apart
from tests.gpu.plots import save_plots
from tests.gpu.section import Section, UnavailableError
from tests.gpu.section_run import SECTIONS
from tests.gpu.stack import open_gpu_stack

_TIMES = {"repeats": 3, "median_ms": 2.0, "p05_ms": 1.0, "p95_ms": 3.0, "min_ms": 1.0, "max_ms": 3.0}


def _measured(name: str, values: dict[str, Any]) -> Section:
    return Section(name, "measured", 1.0, values)


def _bandwidth(share: float) -> Section:
    kernel = {"streams": 1024, "rows_per_launch": 1024, "bytes_per_second": share * 3e12, "share_of_copy": share}
    way = {"way": "eager", "streams": 1024, "times": _TIMES, "kernel_is_faster_by": 4.0}
    values = {"device": "drawn", "bytes_per_row": 524288, "copy": {"per_second": 3e12}}
    return _measured("bandwidth", {**values, "kernel": [kernel], "pytorch": {"ways": [way]}})


def _streams() -> Section:
    loads = [
        {
            "streams": streams,
            "step": {"p50_ms": 1.0, "p99_ms": 2.0},
            "tick": {"p50_ms": streams / 400, "p99_ms": streams / 300},
            "step_within_limit": True,
            "holds_30_fps": streams / 300 < 33,
            "evictions": 0,
            "refused": 0,
        }
        for streams in (64, 256, 1024, 4096, 16384)
    ]
    return _measured("streams", {"engine": {"device": "drawn"}, "largest_step_frames": 256, "loads": loads})


@pytest.mark.parametrize(("share", "met"), [(0.84, False), (0.85, True)])
def test_bounds_are_those_of_the_issue(share: float, met: bool) -> None:
    bounds = check_bounds({"bandwidth": _bandwidth(share), "streams": _streams()})
    by_section: dict[str, list[bool | None]] = {}
    for bound in bounds:
        by_section.setdefault(bound.section, []).append(bound.met)
    assert by_section == {
        "kernels": [None],
        "sanitizer": [None],
        "bandwidth": [met, True],
        "engine": [None],
        "streams": [True, True, True, True, False],
        "streams-compiled": [None],
    }


def test_the_report_holds_what_was_measured_and_why_the_rest_was_not(tmp_path: Path) -> None:
    def runner(name: str, crops: Path | None, seconds: float) -> Section:
        assert 0 < seconds <= 180
        if name == "bandwidth":
            return _bandwidth(0.9)
        return Section(name, "failed", 1.0, reason="Traceback\nRuntimeError: the device fell off the bus")

    bounds = measure(tmp_path, ("kernels", "bandwidth"), None, runner)
    report = json.loads((tmp_path / REPORT).read_text())
    assert report["sections"]["kernels"]["state"] == "failed"
    assert report["bounds"][0]["found"] == "failed: RuntimeError: the device fell off the bus"
    assert [bound["met"] for bound in report["bounds"]] == [bound.met for bound in bounds]
    assert report["machine"]["python"]
    assert {path.name for path in tmp_path.iterdir()} == {REPORT, "bandwidth.png"}


def test_plots(tmp_path: Path) -> None:
    sections = {"streams": _streams(), "engine": Section("engine", "unavailable", 0.0, reason="no GPU")}
    (path,) = save_plots(sections, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_sections_survive_their_way_through_a_process_without_a_gpu() -> None:
    try:
        open_gpu_stack().device.close()
    except UnavailableError as error:
        section = run_apart("kernels", None, 300)
        assert (section.state, section.reason) == ("unavailable", str(error))
    else:
        pytest.skip("this machine has a GPU")


def test_every_section_has_a_bound() -> None:
    assert {bound.section for bound in check_bounds({})} == set(SECTIONS)
