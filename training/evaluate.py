"""Same face, different drivers: how well motion alone tells who drives, on drivers and faces that training never saw.

Every driver of the evaluation drives the same targets. Only templates and probes that show the *same target* are
compared, so appearance cannot help; a network that sees one frame must stay at chance (arXiv 2604.23247).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from engines.comparison import comparison_scores, mean_embedding
from training.data.batches import Render
from training.data.calls import Recording, crops_of
from training.data.channel import ChannelRange, pass_through_call
from training.data.material import Material
from training.data.windows import DriverWindows, driver_windows
from training.drivers.seeds import SeedSplit
from training.embedding import Embed
from training.errors import DataError
from training.metrics import (
    Estimate,
    FalseMatchResolution,
    Trials,
    false_match_resolution,
    mean_target_area,
    over_drivers,
    pooled_area,
    pooled_equal_error,
    pooled_miss_at_1_percent,
    pooled_miss_at_1_permille,
)

_CLIPS_AT_ONCE = 8
_ENROL_TAKE, _PROBE_TAKE = 0, 10
"""Far enough apart that a long recording does not run into the other's sentences."""

Compare = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""Templates (n, D) against probes (m, D) to scores (n, m)."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is compared.

    frames: window length. enrol, probe: windows of each driver's two sides on each target. targets: how many, evenly
    from all there are; everybody drives all of them.
    """

    frames: int = 64
    enrol: int = 10
    probe: int = 5
    targets: int = 2
    channel: ChannelRange | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CallProtocol:
    """Artificial drivers in calls with a real encoder: each of `faces` is driven by `drivers_per_face` of its own.

    first: places of the first face and driver within the split's seeds. processes: that render side by side.
    """

    split: SeedSplit
    faces: int
    drivers_per_face: int
    first: int = 0
    frames: int = 64
    enrol_seconds: float = 20.0
    probe_seconds: float = 10.0
    processes: int = 2

    def recordings(self) -> list[tuple[Recording, Recording]]:
        """The two sides of each driver, who says something else on each."""
        sides = []
        for number in range(self.faces * self.drivers_per_face):
            face, driver = self.first + number // self.drivers_per_face, self.first + number
            enrol = Recording(self.split, face, driver, _ENROL_TAKE, self.enrol_seconds)
            sides.append((enrol, Recording(self.split, face, driver, _PROBE_TAKE, self.probe_seconds)))
        return sides


@dataclass(frozen=True, slots=True)
class CallSides:
    """One driver's two recordings as the engine would see them, uint8 (T, 128, 128) each."""

    driver: int
    face: int
    enrol: NDArray[np.uint8]
    probe: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DriverEmbeddings:
    """One driver on one target: enrol (n, D) and probe (m, D), in time order."""

    driver: int
    target: int
    enrol: NDArray[np.float32]
    probe: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Area under the ROC and equal error rate with intervals over drivers."""

    area: Estimate
    equal_error: Estimate
    drivers: int
    trials: int


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """Further figures of the same trials, with intervals over drivers, and what so many impostor trials can tell.

    mean_target_area: mean over targets of the AUC of each (NVFAIR Eq. 6); None where trials show no common target.
    miss_at_1_percent, miss_at_1_permille: FNMR at an FMR of 1 % and 0.1 %.
    """

    mean_target_area: Estimate | None
    miss_at_1_percent: Estimate
    miss_at_1_permille: Estimate
    resolution: FalseMatchResolution


def embed_material(
    material: Material, render: Render, protocol: Protocol, embeds: Mapping[str, Embed]
) -> dict[str, list[DriverEmbeddings]]:
    """Render every driver onto every target once and embed the clips in each of several ways.

    Raises DataError where fewer than two drivers have windows for both sides.
    """
    drivers = range(len(material.bank.drivers))
    sides = [driver_windows(material.bank, n, protocol.frames, protocol.enrol, protocol.probe) for n in drivers]
    usable = [side for side in sides if side is not None]
    if len(usable) < 2:
        raise DataError(f"only {len(usable)} drivers have two windows of {protocol.frames} frames; 2 are needed")
    if protocol.targets > len(material.targets):
        raise DataError(f"{protocol.targets} targets are wanted, the split holds {len(material.targets)}")
    found: dict[str, list[DriverEmbeddings]] = {name: [] for name in embeds}
    for side in usable:
        for target in evenly_chosen(len(material.targets), protocol.targets):
            clips = rendered_windows(material, render, protocol, side, target)
            for name, embed in embeds.items():
                rows = embed_windows(clips, embed)
                enrol, probe = rows[: len(side.enrol)], rows[len(side.enrol) :]
                found[name].append(DriverEmbeddings(side.driver, target, enrol, probe))
    return found


def evenly_chosen(there: int, wanted: int) -> list[int]:
    """`wanted` places, evenly over all that are there."""
    chosen: list[int] = np.linspace(0, there - 1, wanted).round().astype(int).tolist()
    return chosen


def embed_calls(protocol: CallProtocol, embeds: Mapping[str, Embed]) -> dict[str, list[DriverEmbeddings]]:
    """Every driver's two recordings, cut into windows that do not overlap, in each of several ways of embedding."""
    found: dict[str, list[DriverEmbeddings]] = {name: [] for name in embeds}
    for sides in call_sides(protocol):
        for name, embed in embeds.items():
            found[name].append(embed_sides(sides, protocol.frames, embed))
    return found


def call_sides(protocol: CallProtocol) -> Iterator[CallSides]:
    """The recordings of each driver in turn: a minute of them is 30 MB, so nobody keeps them all."""
    sides = protocol.recordings()
    crops = crops_of([recording for side in sides for recording in side], protocol.processes)
    for (enrol, _), clip in zip(sides, crops, strict=False):
        yield CallSides(enrol.driver, enrol.face, clip, next(crops))


def embed_sides(sides: CallSides, frames: int, embed: Embed) -> DriverEmbeddings:
    """Both recordings, cut into windows of `frames` that do not overlap."""
    enrol, probe = (embed_windows(cut_windows(clip, frames), embed) for clip in (sides.enrol, sides.probe))
    return DriverEmbeddings(sides.driver, sides.face, enrol, probe)


def embed_windows(windows: NDArray[np.uint8], embed: Embed) -> NDArray[np.float32]:
    """Windows (n, T, 128, 128) to rows (n, D), a few at a time."""
    return np.concatenate([embed(part) for part in _parts(windows)])


def cut_windows(clip: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    """A clip (T, 128, 128) as (T // frames, frames, 128, 128)."""
    count = len(clip) // frames
    return clip[: count * frames].reshape(count, frames, *clip.shape[1:])


def _parts(clips: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [clips[first : first + _CLIPS_AT_ONCE] for first in range(0, len(clips), _CLIPS_AT_ONCE)]


def rendered_windows(
    material: Material, render: Render, protocol: Protocol, side: DriverWindows, target: int
) -> NDArray[np.uint8]:
    """All windows of a driver on one target, uint8 (n, T, 128, 128), enrolment first."""
    windows = np.concatenate([side.enrol, side.probe])
    landmarks, head = material.bank.windows(windows[:, 0], windows[:, 1], protocol.frames)
    generator = torch.Generator().manual_seed((protocol.seed * 1009 + side.driver) * 101 + target)
    index = torch.full((len(windows),), target, dtype=torch.int64)
    frames = render(index, torch.from_numpy(landmarks), torch.from_numpy(head), generator).float()
    if protocol.channel is not None:
        frames = pass_through_call(frames, generator, protocol.channel)
    pixels: NDArray[np.uint8] = frames.round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels


def cosine(templates: NDArray[np.float32], probes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Plain cosine of L2-normalised rows."""
    scores: NDArray[np.float32] = templates @ probes.T
    return scores


def against_cohort(cohort: NDArray[np.float32]) -> Compare:
    """The guard's comparison score (`engines.comparison`) with a fixed cohort."""
    return lambda templates, probes: comparison_scores(templates, probes, cohort)


def window_trials(rows: Sequence[DriverEmbeddings], compare: Compare) -> Trials:
    """Every enrolment window against every probe window that shows the same target."""
    return _trials([(row, row.enrol, row.probe) for row in rows], compare)


def pooled_trials(rows: Sequence[DriverEmbeddings], compare: Compare) -> Trials:
    """All windows of one side as one embedding, on both sides."""
    return _trials([(row, pooled(row.enrol), pooled(row.probe)) for row in rows], compare)


def template_trials(rows: Sequence[DriverEmbeddings], compare: Compare) -> Trials:
    """A template of all enrolment windows against single probe windows: what the guard does live."""
    return _trials([(row, pooled(row.enrol), row.probe) for row in rows], compare)


def pooled(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """One row (1, D) for all windows (n, D)."""
    return mean_embedding(windows)[None]


def _trials(
    sides: Sequence[tuple[DriverEmbeddings, NDArray[np.float32], NDArray[np.float32]]], compare: Compare
) -> Trials:
    parts = []
    for target in sorted({row.target for row, _, _ in sides}):
        shown = [side for side in sides if side[0].target == target]
        template = np.concatenate([enrol for _, enrol, _ in shown])
        probe = np.concatenate([probe for _, _, probe in shown])
        template_driver = np.repeat([row.driver for row, _, _ in shown], [len(enrol) for _, enrol, _ in shown])
        probe_driver = np.repeat([row.driver for row, _, _ in shown], [len(probe) for _, _, probe in shown])
        scores = compare(template, probe).astype(np.float64)
        by_template, by_probe = np.meshgrid(template_driver, probe_driver, indexing="ij")
        flat = scores.ravel()
        parts.append(Trials(flat, by_template.ravel(), by_probe.ravel(), np.full(len(flat), target)))
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.joined(part)
    return joined


def accuracy(trials: Trials, rounds: int = 500) -> Accuracy:
    """Both figures with their intervals over drivers."""
    drivers = len(np.unique(np.concatenate([trials.template_driver, trials.probe_driver])))
    return Accuracy(
        over_drivers(trials, pooled_area, rounds=rounds),
        over_drivers(trials, pooled_equal_error, rounds=rounds),
        drivers,
        len(trials.scores),
    )


def operating_points(trials: Trials, rounds: int = 500) -> OperatingPoints:
    """The figures that say where a guard could be run."""
    has_target = bool((trials.target >= 0).all())
    return OperatingPoints(
        over_drivers(trials, mean_target_area, rounds=rounds) if has_target else None,
        over_drivers(trials, pooled_miss_at_1_percent, rounds=rounds),
        over_drivers(trials, pooled_miss_at_1_permille, rounds=rounds),
        false_match_resolution(trials),
    )
