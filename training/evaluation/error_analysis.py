"""Who is told apart badly and in which windows: error against how much which part of the face moved.

Whoever renders clips knows the exact motion behind them, so an error can be laid beside what there was to see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import PART
from training.errors import DataError
from training.evaluate import DriverEmbeddings, cosine, pooled
from training.evaluation.bench_clips import PROCEDURAL_FROM, BenchClips
from training.evaluation.driver_correlation import driver_correlation
from training.metrics import Estimate, area_under_roc

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first

_PARTS: Mapping[str, tuple[str, ...]] = {
    "brows": ("brow_right", "brow_left"),
    "lids": ("upper_lid_right", "upper_lid_left", "lower_lid_right", "lower_lid_left"),
    "gaze": ("iris_right", "iris_left"),
    "lips": ("mouth_corners", "upper_lip_outer", "upper_lip_inner", "lower_lip_inner", "lower_lip_outer"),
    "cheeks": ("cheeks",),
    "nose": ("nose", "nostrils"),
}


@dataclass(frozen=True, slots=True)
class ProbeMotion:
    """How far each part moves in each probe window, thousandths of the eye distance a frame, (n,) each; and whose
    window it is on which face, int64 (n,). Windows of one driver on one face are in the order of its probes."""

    parts: dict[str, NDArray[np.float64]]
    driver: NDArray[np.int64]
    face: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DriverError:
    """One driver's windows against everybody's templates of the same face.

    area: of this driver's probes, own template against others'. motion: geometric mean over windows of how far all
    parts move a frame, in thousandths of the eye distance. confused_with: whose template fits best on average, but for
    the own one.
    """

    driver: int
    real: bool
    area: float
    motion: float
    confused_with: int


@dataclass(frozen=True, slots=True)
class PartEffect:
    """Rank correlation over all probe windows of how much a part moved with how far the own template stood out.

    A window counts once, on however many faces it was shown; interval and two-sided p are over drivers.
    """

    part: str
    correlation: Estimate
    p_value: float


@dataclass(frozen=True, slots=True)
class ErrorAnalysis:
    """drivers: worst first. window_area, pooled_area: of single probe windows against templates, and of all windows of
    a side against all of the other. thirds: of the probe windows that move least, in between and most. similarity:
    (d, d) mean score of each driver's template with each driver's probes, as z over templates, in the order of
    `drivers`; nan where they share no face."""

    drivers: tuple[DriverError, ...]
    parts: tuple[PartEffect, ...]
    window_area: float
    pooled_area: float
    thirds: tuple[float, float, float]
    similarity: NDArray[np.float64]

    @property
    def driver_effect(self) -> PartEffect:
        """Over drivers: how much somebody moves with how well the own probes are told."""
        motion, area, driver = (
            np.array([getattr(error, name) for error in self.drivers]) for name in ("motion", "area", "driver")
        )
        return _effect("whole face", motion, area, driver)


def part_motion(landmarks: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """How far each part moves a frame on average, thousandths of the eye distance: (n,) of landmarks (n, T, 95, 2)."""
    step = 1000 * np.linalg.norm(np.diff(landmarks.astype(np.float64), axis=1), axis=3).mean(axis=1)
    return {
        name: np.concatenate([step[:, PART[part]] for part in parts], axis=1).mean(axis=1)
        for name, parts in _PARTS.items()
    }


@dataclass(frozen=True, slots=True)
class _Probes:
    """One driver's probe windows on one face: scores (templates, windows) as z over templates, whose template each
    is, and the windows' places in `ProbeMotion`."""

    row: DriverEmbeddings
    scores: NDArray[np.float64]
    template: NDArray[np.int64]
    places: NDArray[np.int64]

    @property
    def genuine(self) -> NDArray[np.bool_]:
        own: NDArray[np.bool_] = self.template == self.row.driver
        return own


def probe_motion(landmarks: NDArray[np.floating], driver: NDArray[np.int64], face: NDArray[np.int64]) -> ProbeMotion:
    """Of the exact landmarks (n, T, 95, 2) of probe windows."""
    return ProbeMotion(part_motion(landmarks), driver, face)


def bench_motion(clips: BenchClips) -> ProbeMotion:
    """Of the probes of a bench."""
    return probe_motion(clips.landmarks[clips.probe], clips.driver[clips.probe], clips.face[clips.probe])


def analyse(motion: ProbeMotion, rows: Sequence[DriverEmbeddings]) -> ErrorAnalysis:
    """Lay each probe window's scores beside its motion. Raises DataError where no two drivers share a face."""
    probes = list(_probes(motion, rows))
    if not probes:
        raise DataError("no two drivers drive one face, so nobody can be taken for anybody")
    numbers = np.unique([probe.row.driver for probe in probes])
    similarity = _similarity(probes, numbers)
    amount = np.exp(np.mean([np.log(values + 1e-3) for values in motion.parts.values()], axis=0))
    found = [_driver_error(probes, amount, similarity, numbers, place) for place in range(len(numbers))]
    worst_first = np.argsort([error.area for error in found])
    return ErrorAnalysis(
        tuple(found[place] for place in worst_first),
        _part_effects(motion, probes),
        _area(probes),
        _pooled_area(probes),
        _thirds(probes, amount),
        similarity[np.ix_(worst_first, worst_first)],
    )


def _part_effects(motion: ProbeMotion, probes: Sequence[_Probes]) -> tuple[PartEffect, ...]:
    """Of each part, over windows: the same window of a driver on several faces is one, with its mean margin."""
    order = np.concatenate([probe.places for probe in probes])
    margin = np.concatenate([probe.scores[probe.genuine][0] for probe in probes])
    number = np.concatenate([np.arange(len(probe.places)) for probe in probes])
    windows, place = np.unique(np.stack([motion.driver[order], number], axis=1), axis=0, return_inverse=True)
    shown = np.bincount(place)
    told = np.bincount(place, margin) / shown
    return tuple(
        _effect(part, np.bincount(place, values[order]) / shown, told, windows[:, 0])
        for part, values in motion.parts.items()
    )


def _effect(part: str, motion: NDArray[np.float64], told: NDArray[np.float64], driver: NDArray[np.int64]) -> PartEffect:
    found = driver_correlation(motion, told, driver)
    return PartEffect(part, found.value, found.p_value)


def _probes(motion: ProbeMotion, rows: Sequence[DriverEmbeddings]) -> Iterator[_Probes]:
    for row in rows:
        shown = [other for other in rows if other.target == row.target]
        if len(shown) < 2:
            continue
        places = np.flatnonzero((motion.driver == row.driver) & (motion.face == row.target))
        if len(places) != len(row.probe):
            raise DataError(f"{len(row.probe)} probes of driver {row.driver} have the motion of {len(places)} windows")
        yield _Probes(row, _standing(shown, row.probe), np.array([other.driver for other in shown], np.int64), places)


def _standing(shown: Sequence[DriverEmbeddings], probes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores of everybody's template with probes (m, D), as z over templates: (templates, m)."""
    scores = cosine(np.concatenate([pooled(other.enrol) for other in shown]), probes).astype(np.float64)
    standing: NDArray[np.float64] = (scores - scores.mean(axis=0)) / np.maximum(scores.std(axis=0), 1e-6)
    return standing


def _pooled_area(probes: Sequence[_Probes]) -> float:
    """The same as of single windows, with all of a side as one."""
    rows = [probe.row for probe in probes]
    shown = [[other for other in rows if other.target == row.target] for row in rows]
    each = [replace(p, scores=_standing(s, pooled(p.row.probe))) for p, s in zip(probes, shown, strict=True)]
    return _area(each)


def _area(probes: Sequence[_Probes], kept: Sequence[NDArray[np.bool_]] | None = None) -> float:
    """Of all probe windows, or of those kept of each driver on each face, (windows,) each."""
    scores = [probe.scores for probe in probes]
    if kept is not None:
        scores = [values[:, chosen] for values, chosen in zip(scores, kept, strict=True)]
    genuine = [np.repeat(probe.genuine, values.shape[1]) for probe, values in zip(probes, scores, strict=True)]
    return area_under_roc(np.concatenate([values.ravel() for values in scores]), np.concatenate(genuine))


def _thirds(probes: Sequence[_Probes], amount: NDArray[np.float64]) -> tuple[float, float, float]:
    moved = [amount[probe.places] for probe in probes]
    low, high = np.quantile(np.concatenate(moved), [1 / 3, 2 / 3])
    least = [values <= low for values in moved]
    most = [values > high for values in moved]
    between = [~(one | other) for one, other in zip(least, most, strict=True)]
    return _area(probes, least), _area(probes, between), _area(probes, most)


def _similarity(probes: Sequence[_Probes], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean score of each driver's template (rows) with each driver's probes (columns); NaN where they never met."""
    total, count = np.zeros((2, len(numbers), len(numbers)))
    for probe in probes:
        template, driver = np.searchsorted(numbers, probe.template), np.searchsorted(numbers, probe.row.driver)
        total[template, driver] += probe.scores.sum(axis=1)
        count[template, driver] += probe.scores.shape[1]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _driver_error(
    probes: Sequence[_Probes],
    amount: NDArray[np.float64],
    similarity: NDArray[np.float64],
    numbers: NDArray[np.int64],
    place: int,
) -> DriverError:
    driver = int(numbers[place])
    own = [probe for probe in probes if probe.row.driver == driver]
    others = similarity[:, place].copy()
    others[place] = np.nan
    moved = float(np.exp(np.mean(np.concatenate([np.log(amount[probe.places]) for probe in own]))))
    nearest = int(numbers[int(np.nanargmax(others))])
    return DriverError(driver, driver < PROCEDURAL_FROM, _area(own), moved, nearest)


def save_analysis(found: ErrorAnalysis, path: Path) -> None:
    """Three pictures side by side: drivers by motion, the parts of the face, who is taken for whom."""
    figure, (drivers, parts, pairs) = plt.subplots(1, 3, figsize=(15, 4.6), constrained_layout=True)
    for real, name in ((True, "people"), (False, "procedural")):
        kind = [error for error in found.drivers if error.real == real]
        if not kind:
            continue
        drivers.plot([e.motion for e in kind], [e.area for e in kind], "o" if real else "s", label=name)
    rank = found.driver_effect
    drivers.set(
        xscale="log", xlabel="motion a frame, 1/1000 eye distance", ylabel="AUC of the driver's probes",
        title=f"Drivers (rank correlation {rank.correlation.value:+.2f}, p = {rank.p_value:.2g})",
    )  # fmt: skip
    drivers.axhline(0.5, color="0.7", linestyle="--", linewidth=1)
    drivers.legend()
    drivers.grid(alpha=0.3)
    names = [effect.part for effect in found.parts]
    values = [effect.correlation for effect in found.parts]
    ends = np.array(
        [[max(0.0, one.value - one.low) for one in values], [max(0.0, one.high - one.value) for one in values]]
    )
    parts.barh(names, [one.value for one in values], xerr=ends, capsize=3, color="tab:blue", ecolor="0.3")
    parts.axvline(0, color="0.3", linewidth=1)
    parts.set(
        xlabel="rank correlation: a part's motion and how far\nthe own template stands out",
        title="Probe windows (95 % over drivers)",
    )  # fmt: skip
    image = pairs.imshow(found.similarity, cmap="RdBu_r", vmin=-2, vmax=2)
    pairs.set(xlabel="probe, worst driver first", ylabel="template", title="Mean score (z over templates)")
    figure.colorbar(image, ax=pairs, shrink=0.8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
