"""The figures of this run beside those of an earlier one, from the JSON that it printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.table import Table

from guard.bench.latency.report import LatencyReport, ways
from guard.errors import ConfigError

_NEEDED = "needs a file that 'guard bench latency --json' wrote"


class _Figures(BaseModel):
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


class _EarlierRow(_Figures):
    """Also one of a version that knew no stages, no other sender and no workers."""

    sender: str = "aiortc"
    isolation: str = "none"
    streams: int
    camera_to_score: _Figures | None = None
    plain_camera_to_array: _Figures | None = None
    arrival_to_score: _Figures | None = None
    camera_to_paint: _Figures | None = None
    stages: dict[str, _Figures] = {}


class _Earlier(BaseModel):
    machine: str
    rows: list[_EarlierRow]


_EARLIER: TypeAdapter[_Earlier] = TypeAdapter(_Earlier)


@dataclass(frozen=True, slots=True)
class Comparison:
    """now over earlier at p50, p95, p99 and max: below 1 is faster. None where one of the two is not known."""

    sender: str
    isolation: str
    streams: int
    what: str
    ratios: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """What an earlier run has found."""

    machine: str
    rows: dict[tuple[str, str, int], dict[str, tuple[float | None, ...]]]
    """By sender, isolation and number of streams."""


def read_earlier(file: Path) -> EarlierRun:
    """Raises ConfigError for anything that `guard bench latency --json` did not write."""
    try:
        earlier = _EARLIER.validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read --compare {file}: {error.strerror}") from None
    except ValidationError:
        raise ConfigError(f"--compare {file}: {_NEEDED}") from None
    rows = {(row.sender, row.isolation, row.streams): _named(row) for row in earlier.rows}
    return EarlierRun(earlier.machine, rows)


def compare(report: LatencyReport, earlier: EarlierRun) -> list[Comparison]:
    """Rows of the same sender, isolation and number of streams, everything that both runs have measured."""
    found = []
    for row in report.rows:
        then = earlier.rows.get((row.sender, row.isolation, row.streams), {})
        known = {"arrival -> viewer": (row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms)}
        for name, sums in (*ways(row).items(), *row.stages.items()):
            if sums is not None:
                known[name] = (sums.p50_ms, sums.p95_ms, sums.p99_ms, sums.max_ms)
        for name, values in known.items():
            if name in then:
                ratios = tuple(map(_ratio, values, then[name]))
                found.append(Comparison(row.sender, row.isolation, row.streams, name, ratios))
    return found


def comparison_table(comparisons: list[Comparison], earlier: EarlierRun) -> Table:
    """Ratios for people."""
    table = Table(
        *("sender", "isolation", "streams", "", "p50", "p95", "p99", "max"),
        title=f"now / earlier (below 1 is faster); earlier: {earlier.machine}",
        title_justify="left",
    )
    for found in comparisons:
        ratios = ("-" if ratio is None else f"{ratio:.2f}" for ratio in found.ratios)
        table.add_row(found.sender, found.isolation, str(found.streams), found.what, *ratios)
    return table


def _named(row: _EarlierRow) -> dict[str, tuple[float | None, ...]]:
    named = {
        "arrival -> viewer": row,
        "camera -> score": row.camera_to_score,
        "camera -> array, plain aiortc": row.plain_camera_to_array,
        "frame arrival -> score": row.arrival_to_score,
        "camera -> painted on the dashboard": row.camera_to_paint,
        **row.stages,
    }
    return {
        name: (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms)
        for name, found in named.items()
        if found is not None
    }


def _ratio(now: float | None, then: float | None) -> float | None:
    return None if now is None or not then else now / then
