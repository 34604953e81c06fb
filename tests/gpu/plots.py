"""Pictures of the evidence: latency over streams, and the differencing beside its rivals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first

from tests.gpu.bounds import MIN_SHARE_OF_COPY
from tests.gpu.section import Section
from tests.gpu.sections.streams import STEP_LIMIT_MS, TICK_MS

_DPI = 110
_GIGA = 1e9


def save_plots(sections: Mapping[str, Section], folder: Path) -> list[Path]:
    """Those that there are values for."""
    measured = {name: section for name, section in sections.items() if section.state == "measured"}
    saved = []
    if "bandwidth" in measured:
        saved.append(_save_bandwidth(measured["bandwidth"], folder / "bandwidth.png"))
    loads = [name for name in ("streams", "streams-compiled") if name in measured]
    return saved + [_save_latency(measured[name], folder / f"{name}.png") for name in loads]


def _save_bandwidth(section: Section, path: Path) -> Path:
    values = section.values
    ceiling = values["copy"]["per_second"] / _GIGA
    bars = {
        f"kernel, {entry['streams']} streams\n{entry['rows_per_launch']} rows a launch": entry["bytes_per_second"]
        for entry in values["kernel"]
    }
    for way in values.get("pytorch", {}).get("ways", []):
        # The bytes that the kernel moves, in the time that PyTorch takes for the same result.
        moved = values["bytes_per_row"] * way["streams"] / way["times"]["median_ms"] * 1000
        bars[f"PyTorch, {way['way']}\n{way['streams']} streams"] = moved
    figure, axes = plt.subplots(figsize=(9, 4.2), constrained_layout=True)
    drawn = axes.barh(list(bars), [rate / _GIGA for rate in bars.values()])
    axes.bar_label(drawn, [f"{rate / _GIGA / ceiling:.0%}" for rate in bars.values()], padding=3)
    axes.axvline(ceiling, color="black", label="device copy")
    axes.axvline(MIN_SHARE_OF_COPY * ceiling, color="black", linestyle=":", label=f"{MIN_SHARE_OF_COPY:.0%} of it")
    axes.set(xlabel="GB/s, median, of the bytes that a step must move", title=f"Differencing on {values['device']}")
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path


def _save_latency(section: Section, path: Path) -> Path:
    loads = section.values["loads"]
    streams = [load["streams"] for load in loads]
    figure, axes = plt.subplots(figsize=(7.5, 4.6), constrained_layout=True)
    largest = section.values["largest_step_frames"]
    for what, label, colour in (("step", f"a step of up to {largest} frames", "C0"), ("tick", "all streams", "C1")):
        axes.plot(streams, [load[what]["p50_ms"] for load in loads], f"{colour}o-", label=f"{label}, p50")
        axes.plot(streams, [load[what]["p99_ms"] for load in loads], f"{colour}o:", label=f"{label}, p99")
    axes.axhline(STEP_LIMIT_MS, color="black", linestyle=":", label=f"{STEP_LIMIT_MS} ms")
    axes.axhline(TICK_MS, color="black", label="time between frames at 30 fps")
    axes.set(xscale="log", yscale="log", xlabel="streams", ylabel="ms", title=section.values["engine"]["device"])
    axes.set_xticks(streams, [str(count) for count in streams])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path
