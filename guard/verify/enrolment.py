"""Enrolment: collects the windows of one driver and refuses what would make a poor template."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from engines.comparison import mean_embedding
from engines.protocol import EngineSpec
from guard.config import VerifyConfig
from guard.errors import EnrolmentError
from guard.verify.comparison import TemplateComparison
from guard.verify.template import ConsentRecord, Template, check_name

MIN_WINDOWS = 4
"""Independent windows of the shortest enrolment: two for each side of the check for a change of driver."""

_PATIENCE = 3.0
"""An enrolment is given up when it takes this many times as long as its usable video lasts."""

_WINDOWS_PER_SIDE = 2
"""Windows on the shorter side of a split: one alone is too noisy to accuse."""

_SAME_DRIVER_LLR = -1.0
"""Nats below which two parts of an enrolment are taken for different drivers.

Not 0, because the worst of many splits counts: in a simulation with an engine of 20 % EER per window, 0 refuses 16 % of
honest enrolments, -1 refuses 4 % and still finds 6 of 10 changes of driver. A better engine does better at both.
"""

_STILL_SIMILARITY = 0.9995
"""Cosine above which independent windows are copies of each other: a still picture, or a loop. Live faces never are."""


class Enrolment:
    """Collects embeddings until there is enough usable video, then makes the template.

    `seconds` is the time of an input on one clock that never runs back: arrival time for live calls, media time for
    files.
    """

    def __init__(self, name: str, consent: ConsentRecord, spec: EngineSpec, config: VerifyConfig) -> None:
        """Raises TemplateError for a name that cannot be one."""
        self._name = check_name(name)
        self.consent = consent
        self._spec = spec
        self._config = config
        self._windows: list[NDArray[np.float32]] = []
        self._frames_since_window = 0
        self._usable_seconds = 0.0
        self._started: float | None = None
        self._previous: float | None = None
        self._lost = {"the frame rate is too low": 0, "there are too many breaks in the video": 0}

    @property
    def name(self) -> str:
        return self._name

    @property
    def progress(self) -> float:
        """0 to 1; 1 when `template` may be called."""
        by_time = self._usable_seconds / self._config.enrolment_seconds
        return min(1.0, by_time, len(self._windows) / MIN_WINDOWS)

    @property
    def complete(self) -> bool:
        return self.progress >= 1.0

    def add(
        self, embedding: NDArray[np.float32], valid_fraction: float, seconds: float, fps: float, continues: bool
    ) -> None:
        """Take the embedding of one new frame; to be called for every frame.

        embedding: float32 (D,), L2-normalised. valid_fraction: usable share of its window, 0-1. fps: measured frame
        rate, 0 where it is not known yet. continues: False where a break lies before this frame. Raises EnrolmentError
        when it has to be given up.
        """
        self.wait(seconds)
        elapsed = 0.0 if self._previous is None else max(0.0, seconds - self._previous)
        self._previous = seconds
        self._frames_since_window += 1
        if 0 < fps < self._slowest_fps:
            self._lost["the frame rate is too low"] += 1
            return
        if valid_fraction <= 0 or valid_fraction < self._config.min_valid_fraction:
            self._lost["there are too many breaks in the video"] += 1
            return
        if continues:
            self._usable_seconds += min(elapsed, self._longest_window_seconds)
        if self._frames_since_window >= self._spec.window_frames:
            self._windows.append(embedding.astype(np.float32))
            self._frames_since_window = 0

    def wait(self, seconds: float) -> None:
        """Say what time it is while no frame comes. Raises EnrolmentError when it has to be given up."""
        if not math.isfinite(seconds):
            raise ValueError(f"time must be a finite number of seconds, got {seconds}")
        if self._started is None:
            self._started = seconds
        longest = _PATIENCE * max(self._config.enrolment_seconds, MIN_WINDOWS * self._longest_window_seconds)
        if seconds - self._started > longest and not self.complete:
            raise EnrolmentError(
                f"enrolment of {self._name} given up after {longest:.0f} s with "
                f"{self._usable_seconds:.0f} of {self._config.enrolment_seconds:.0f} s of usable video: {self._cause()}"
            )

    def template(self, created: datetime) -> Template:
        """The template. Raises EnrolmentError where the video is too short or its quality is refused."""
        if not self.complete:
            raise EnrolmentError(
                f"enrolment of {self._name} is too short: {self._usable_seconds:.1f} s of usable video in "
                f"{len(self._windows)} windows, need {self._config.enrolment_seconds:.0f} s in {MIN_WINDOWS}; "
                "give a longer video"
            )
        windows = np.stack(self._windows)
        self._check_motion(windows)
        self._check_one_driver(windows)
        return Template(self._name, windows, self._spec.model_sha256, created, self.consent)

    def _check_motion(self, windows: NDArray[np.float32]) -> None:
        similarity = windows @ windows.T
        others = similarity[~np.eye(len(windows), dtype=bool)]
        if float(np.median(others)) > _STILL_SIMILARITY:
            raise EnrolmentError(
                f"enrolment of {self._name} refused: the face does not move (a still picture or a loop?); "
                "talk and look around as in a call"
            )

    def _check_one_driver(self, windows: NDArray[np.float32]) -> None:
        if min(split_llrs(windows, self._spec)) < _SAME_DRIVER_LLR:
            raise EnrolmentError(
                f"enrolment of {self._name} refused: its parts do not agree, as if the driver had changed; "
                "enrol again with one person driving all the time"
            )

    def _cause(self) -> str:
        cause, frames = max(self._lost.items(), key=lambda item: item[1])
        return f"{cause}; enrol again with better video" if frames else "no face was seen; look into the camera"

    @property
    def _slowest_fps(self) -> float:
        return max(self._config.min_fps, self._spec.fps_min)

    @property
    def _longest_window_seconds(self) -> float:
        return self._spec.window_frames / self._slowest_fps


def split_llrs(windows: NDArray[np.float32], spec: EngineSpec) -> list[float]:
    """How far the parts before and after each possible change of driver agree, in nats, one value per split.

    windows: float32 (k, D) in the order of time, k >= 4.
    """
    llrs = []
    for split in range(_WINDOWS_PER_SIDE, len(windows) - _WINDOWS_PER_SIDE + 1):
        before = TemplateComparison(mean_embedding(windows[:split]), spec.calibration)
        llrs.append(before.compare(mean_embedding(windows[split:])).llr)
    return llrs
