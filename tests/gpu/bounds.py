"""What the issue demands of a GPU, held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.gpu.section import Section
from tests.gpu.sections.streams import STEP_LIMIT_MS, STREAMS, TICK_MS

MIN_SHARE_OF_COPY = 0.85
MIN_STREAMS = 1000
MIN_COSINE = 0.999


@dataclass(frozen=True, slots=True)
class Bound:
    """found: in words. met: None where it was not measured, and `found` says why."""

    section: str
    wanted: str
    found: str
    met: bool | None


def check_bounds(sections: Mapping[str, Section]) -> list[Bound]:
    """Every bound, in the order of the sections; those of a section that is missing or has no values are not met."""
    checks = {
        "kernels": ("kernels agree with NumPy", _kernels),
        "sanitizer": ("compute-sanitizer is clean", _sanitizer),
        "bandwidth": (f"differencing >= {MIN_SHARE_OF_COPY:.0%} of a copy, faster than PyTorch", _bandwidth),
        "engine": (f"cosine >= {MIN_COSINE} and the same decisions as the CPU engine", _engine),
        "streams": (f"p99 of a step <= {STEP_LIMIT_MS} ms at 30 fps", _streams),
        "streams-compiled": (f"p99 of a step <= {STEP_LIMIT_MS} ms at 30 fps", _streams),
    }
    bounds: list[Bound] = []
    for name, (wanted, check) in checks.items():
        section = sections.get(name)
        if section is None:
            bounds.append(Bound(name, wanted, "not run", None))
        elif section.state != "measured":
            bounds.append(Bound(name, wanted, f"{section.state}: {_last_line(section.reason)}", None))
        else:
            bounds += check(section)
    return bounds


def _kernels(section: Section) -> Iterator[Bound]:
    agree = bool(section.values["agree"])
    found = f"{len(section.values['sequences'])} sequences, seed {section.values['seed']}"
    yield Bound(section.name, "kernels agree with NumPy", found, agree)


def _sanitizer(section: Section) -> Iterator[Bound]:
    runs = {f"{run['check']} of {run['what']}": run["errors"] for run in section.values["runs"]}
    found = ", ".join(f"{name}: {errors} errors" for name, errors in runs.items())
    clean = section.values["clean"] and section.values["finds_a_planted_overread"]
    yield Bound(section.name, "memcheck and racecheck clean, a planted overread found", found, bool(clean))


def _bandwidth(section: Section) -> Iterator[Bound]:
    for entry in section.values["kernel"]:
        if entry["streams"] >= MIN_STREAMS:
            share, rows = entry["share_of_copy"], entry["rows_per_launch"]
            wanted = f">= {MIN_SHARE_OF_COPY:.0%} of the copy bandwidth at {entry['streams']} streams"
            yield Bound(section.name, wanted, f"{share:.1%}, {rows} rows a launch", share >= MIN_SHARE_OF_COPY)
    if "pytorch" not in section.values:
        yield Bound(section.name, "faster than PyTorch", section.values["pytorch_unavailable"], None)
        return
    for way in section.values["pytorch"]["ways"]:
        ratio = way["kernel_is_faster_by"]
        yield Bound(section.name, f"faster than PyTorch, {way['way']}", f"{ratio:.2f} times", ratio > 1)


def _engine(section: Section) -> Iterator[Bound]:
    least, decisions = section.values["cosine_min"], section.values["decisions"]
    yield Bound(section.name, f"cosine >= {MIN_COSINE}", f"at least {least:.5f}", least >= MIN_COSINE)
    found = f"{decisions['differing']} of {decisions['pairs']} differ"
    yield Bound(section.name, "the same decisions", found, decisions["pairs"] > 0 and decisions["differing"] == 0)


def _streams(section: Section) -> Iterator[Bound]:
    loads = {load["streams"]: load for load in section.values["loads"]}
    for streams in STREAMS:
        wanted = f"{streams} streams: p99 of a step <= {STEP_LIMIT_MS} ms, all served within {TICK_MS:.1f} ms"
        if streams not in loads:
            yield Bound(section.name, wanted, "not run", None)
            continue
        load = loads[streams]
        found = f"step {load['step']['p99_ms']:.2f} ms, all streams {load['tick']['p99_ms']:.2f} ms (p99)"
        everybody = load["evictions"] == 0 and load["refused"] == 0
        met = load["step_within_limit"] and load["holds_30_fps"] and everybody
        yield Bound(section.name, wanted, found, bool(met))


def _last_line(reason: str | None) -> str:
    lines = (reason or "").strip().splitlines()
    return lines[-1] if lines else "no reason given"
