"""People's own clips as calls: who enrols, who is heard, and what recordings of some seconds tell.

A driver's clips on one face, by one generator, make one stream: the longest recording of the first session enrols, that
of the last one is heard; a single recording enrols with its first half and is heard in its second. A recording counts
as far as it goes without a break. Nothing is padded, and nothing is put together but by `swaps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engines.protocol import Engine, EngineSpec
from training.errors import DataError
from training.evaluate import pooled
from training.evaluation.alerts import AlertRule
from training.evaluation.call_study import PER_HOUR
from training.evaluation.evidence_length import EVIDENCE_SECONDS, LengthResult, evidence_result
from training.evaluation.prepared_clips import LabelledClip
from training.evaluation.streams import DriverStream
from training.evaluation.swaps import SwapStudy, TimeToDetect, study_swaps, time_to_detect

SHORTEST_SECONDS = 5.0
"""Of what enrols and of what is heard."""
MOST_STREAMS = 96
"""Drivers on faces that take part, the first ones: each keeps some MB of pictures."""
_ROUNDS = 200

Face = tuple[str, str, bool]
"""Target, generator, whether a camera recorded it."""


@dataclass(frozen=True, slots=True)
class Take:
    """The longest stretch of a clip without a break, n frames, as the engine followed it.

    embeddings: float32 (n, D). valid: float32 (n,). opening, middle, ending: the first T frames, the T from n // 2 on
    and the last T, uint8 (T, 128, 128).
    """

    fps: float
    embeddings: NDArray[np.float32]
    valid: NDArray[np.float32]
    opening: NDArray[np.uint8]
    middle: NDArray[np.uint8]
    ending: NDArray[np.uint8]

    @property
    def seconds(self) -> float:
        return len(self.valid) / self.fps


@dataclass(frozen=True, slots=True)
class ClipStream:
    """One driver on one face. halved: both sides are one recording."""

    face: Face
    stream: DriverStream
    enrolment_seconds: float
    halved: bool


@dataclass(frozen=True, slots=True)
class ClipCalls:
    """What one kind of streams tells; `missing` says why it tells nothing.

    halves: streams whose two sides are one recording. enrolment_seconds: median. evidence: a template against stretches
    of a stream, by length; detection and swaps as in `CallStudy`. unmeasured: what else the clips are too short for.
    """

    name: str
    about: str
    missing: str = ""
    streams: int = 0
    drivers: int = 0
    faces: int = 0
    halves: int = 0
    enrolment_seconds: float = 0.0
    evidence: tuple[LengthResult, ...] = ()
    detection: tuple[TimeToDetect, ...] = ()
    swaps: SwapStudy | None = None
    unmeasured: tuple[str, ...] = ()

    @property
    def picture(self) -> str:
        """Name of the file that shows the swaps."""
        return f"detection_{self.name.replace(' ', '_')}.png"


@dataclass(slots=True)
class ClipCallGatherer:
    """Takes in clip after clip with what the engine made of it; `study` then tells.

    clips, short, out_of_range, left_out: how many came, were shorter than `SHORTEST_SECONDS` (longest_short: the
    longest of them), had a frame rate at which the guard abstains, or came when all places were taken.
    """

    engine: Engine
    takes: dict[tuple[str, Face], dict[str, Take]] = field(default_factory=dict)
    clips: int = 0
    short: int = 0
    longest_short: float = 0.0
    out_of_range: int = 0
    left_out: int = 0

    def add(self, clip: LabelledClip, embeddings: NDArray[np.float32], valid: NDArray[np.float32]) -> None:
        """embeddings, valid: (n, D) and (n,), from an empty window on."""
        spec, labels, run = self.engine.spec, clip.labels, longest_run(clip.continues)
        self.clips += 1
        seconds = (run.stop - run.start) / clip.fps
        if not spec.fps_min <= clip.fps <= spec.fps_max:
            self.out_of_range += 1
        elif not self._long_enough(run.stop - run.start, clip.fps):
            self.short += 1
            self.longest_short = max(self.longest_short, seconds)
        else:
            key = labels.driver, (labels.target, labels.generator, labels.original)
            if key not in self.takes and len(self.takes) == MOST_STREAMS:
                self.left_out += 1
                return
            sessions = self.takes.setdefault(key, {})
            if labels.session not in sessions or sessions[labels.session].seconds < seconds:
                sessions[labels.session] = _take(clip, run, embeddings, valid, spec.window_frames)

    def study(self) -> tuple[ClipCalls, ...]:
        """Streams that show one face, and a camera's recordings of people, where the face tells as well."""
        return (
            self._measured("one face", _ONE_FACE, self._one_face()),
            self._measured("camera recordings", _CAMERA, self._camera()),
        )

    def _long_enough(self, frames: int, fps: float) -> bool:
        return frames >= max(SHORTEST_SECONDS * fps, self.engine.spec.window_frames)

    def _one_face(self) -> list[ClipStream]:
        faces = sorted({face for _, face in self.takes if not face[2]})
        found = []
        for number, face in enumerate(faces):
            drivers = sorted(driver for driver, of in self.takes if of == face)
            shown = [one for driver in drivers for one in self._streams(driver, face, number)]
            found += shown if len(shown) > 1 else []
        return found

    def _camera(self) -> list[ClipStream]:
        found = [one for driver, face in sorted(self.takes) if face[2] for one in self._streams(driver, face, 0)]
        return found if len(found) > 1 else []

    def _streams(self, driver: str, face: Face, target: int) -> list[ClipStream]:
        """The stream of a driver on a face; none where the recordings do not make one."""
        takes = self.takes[driver, face]
        number, sessions = sorted({name for name, _ in self.takes}).index(driver), sorted(takes)
        if len(sessions) > 1:
            return [self._stream(face, number, target, takes[sessions[0]], takes[sessions[-1]], 0)]
        take = takes[sessions[0]]
        half = len(take.valid) // 2
        return [self._stream(face, number, target, take, take, half)] if self._long_enough(half, take.fps) else []

    def _stream(self, face: Face, driver: int, target: int, enrolled: Take, heard: Take, half: int) -> ClipStream:
        """half: the frame of one recording at which enrolment ends; 0 = two recordings."""
        window = self.engine.spec.window_frames
        enrolling = enrolled.embeddings[: half or None][window - 1 :: window]
        stream = DriverStream(
            driver=driver,
            target=target,
            fps=heard.fps,
            template=pooled(enrolling)[0],
            embeddings=heard.embeddings[half:],
            valid=heard.valid[half:],
            opening=heard.middle if half else heard.opening,
            ending=heard.ending,
        )
        return ClipStream(face, stream, len(enrolling) * window / enrolled.fps, half > 0)

    def _measured(self, name: str, about: str, chosen: Sequence[ClipStream]) -> ClipCalls:
        if not chosen:
            return ClipCalls(name, about, missing=self._too_little())
        streams = [one.stream for one in chosen]
        swaps = study_swaps(self.engine, streams)
        evidence, short = _evidence(streams, self.engine.spec)
        told = {_rate(wanted): time_to_detect(swaps, wanted) for wanted in PER_HOUR}
        told[_rate(None)] = time_to_detect(swaps, None, AlertRule().enter)
        lost = [f"{rate}: no threshold keeps it, or all swaps met an alert" for rate, one in told.items() if not one]
        if self.left_out:
            lost.append(f"{self.left_out} clips beyond the first {MOST_STREAMS} drivers on faces")
        return ClipCalls(
            name=name,
            about=about,
            streams=len(streams),
            drivers=len({stream.driver for stream in streams}),
            faces=len({one.face for one in chosen}),
            halves=sum(one.halved for one in chosen),
            enrolment_seconds=float(np.median([one.enrolment_seconds for one in chosen])),
            evidence=evidence,
            detection=tuple(one for one in told.values() if one is not None),
            swaps=swaps,
            unmeasured=(*short, *lost),
        )

    def _too_little(self) -> str:
        reasons = [
            "it takes two drivers with recordings of two sessions, each without a break for "
            f"{SHORTEST_SECONDS:g} s, or one twice as long; of {self.clips} clips {self.short} are shorter"
        ]
        if self.short:
            reasons.append(f"the longest of these {self.longest_short:.1f} s")
        if self.out_of_range:
            reasons.append(f"{self.out_of_range} have a frame rate at which the guard abstains")
        return ", ".join(reasons)


_ONE_FACE = "re-enacted clips, the swap keeps face and generator: only motion tells"
_CAMERA = "a camera's recordings, another face comes with the other driver: appearance helps, no proof of motion"


def _take(
    clip: LabelledClip, run: slice, embeddings: NDArray[np.float32], valid: NDArray[np.float32], window: int
) -> Take:
    frames = clip.frames[run]
    half = min(len(frames) // 2, len(frames) - window)
    parts = (frames[:window].copy(), frames[half : half + window].copy(), frames[-window:].copy())
    return Take(clip.fps, embeddings[run].copy(), valid[run].copy(), *parts)


def longest_run(continues: NDArray[np.bool_]) -> slice:
    """The longest stretch (the first of equal ones) whose frames all follow on the one before. continues: (n,)."""
    starts = np.flatnonzero(np.concatenate([[True], ~continues[1:]]))
    ends = np.append(starts[1:], len(continues))
    longest = int(np.argmax(ends - starts))
    return slice(int(starts[longest]), int(ends[longest]))


def _evidence(streams: Sequence[DriverStream], spec: EngineSpec) -> tuple[tuple[LengthResult, ...], tuple[str, ...]]:
    """Error by seconds of evidence, and for which lengths there is none and why."""
    found, missing = [], []
    for seconds in EVIDENCE_SECONDS:
        try:
            found.append(evidence_result(streams, spec, seconds, _ROUNDS))
        except DataError as error:
            missing.append(f"{seconds:g} s of evidence: {error}")
    return tuple(found), tuple(missing)


def _rate(per_hour: float | None) -> str:
    return "the guard's threshold" if per_hour is None else f"{per_hour:g} false alarms an hour"
