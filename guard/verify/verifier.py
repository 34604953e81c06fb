"""Verification of one participant: embeddings in, verdicts out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engines.protocol import EngineSpec
from guard.config import VerifyConfig
from guard.verify.comparison import TemplateComparison
from guard.verify.decision import Decision, Verdict
from guard.verify.fusion import Fusion
from guard.verify.second_opinion import SecondOpinion, weigh
from guard.verify.states import AbstainReason
from guard.verify.template import Template
from guard.verify.witnesses import Opinion

_UNSTEADY_WINDOWS = 2
"""So many windows' worth of frames more without a usable window than with one: no start-up, but too many breaks."""

_STALE_SECONDS = 2.0
"""A verdict that no window has borne out for so long is withdrawn, whatever kept the windows away."""

_STRETCH_GAP_SECONDS = 1.0
"""After so long without a frame the witnesses are only heard on what came later, as the engine's window starts anew."""

_FPS_RECOVERY = 1.0
"""Frames per second above the lower bound before scoring goes on, so that a rate at the bound does not flap."""


class Verifier:
    """Compares one participant with the template of its seat.

    Only frames since the last abstention, or since the template was assigned, count as usable part of a window.

    `seconds` is the time of an input on one clock for all calls, and never runs back: arrival time for live calls,
    media time for files.
    """

    def __init__(self, spec: EngineSpec, config: VerifyConfig, fusion: Fusion | None = None) -> None:
        """fusion: weighs the opinions of witnesses; where it is None they are not heard."""
        self._spec = spec
        self._config = config
        self._fusion = fusion
        self._decision = Decision(config)
        self._template: Template | None = None
        self._comparison: TemplateComparison | None = None
        self._frames = 0
        self._unusable_frames = 0
        self._borne_out: float | None = None
        self._fresh_since: float | None = None
        """When the newest stretch of video without an interruption began."""
        self._previous: float | None = None
        self._slow = False

    @property
    def template(self) -> Template | None:
        """The template of the seat."""
        return self._template

    def set_template(self, template: Template | None) -> Verdict:
        """Assign a template to the seat, or take it away; what was known about the driver is forgotten."""
        self._template = template
        self._comparison = None
        # The newest frames may have gone into this very template: they do not speak for it.
        self._frames = 0
        self._unusable_frames = 0
        self._borne_out = None
        self._fresh_since = None
        if template is None:
            return self._decision.clear()
        if template.engine_sha256 == self._spec.model_sha256:
            self._comparison = TemplateComparison(template.mean, self._spec.calibration)
        return self._decision.begin()

    def update(
        self,
        embedding: NDArray[np.float32],
        valid_fraction: float,
        seconds: float,
        fps: float,
        opinion: Opinion | None = None,
    ) -> Verdict:
        """Take the embedding of one new frame; to be called for every frame, since each counts 1/T of a window.

        embedding: float32 (D,), L2-normalised. valid_fraction: usable share of its window, 0-1. fps: measured frame
        rate; 0 where it is not known yet. opinion: what witnesses say about the seat. Raises EngineInputError for an
        embedding of another length.
        """
        if self._is_too_slow(fps):
            return self.abstain(AbstainReason.FRAME_RATE_TOO_LOW, seconds, opinion)
        self._note_stretch(seconds)
        if self._template is None or self._comparison is None:
            return self._beside(self._without_comparison(seconds), opinion, seconds)
        self._frames += 1
        valid_fraction = min(valid_fraction, self._frames / self._spec.window_frames)
        if valid_fraction <= 0 or valid_fraction < self._config.min_valid_fraction:
            return self._beside(self._without_window(seconds), opinion, seconds)
        comparison = self._comparison.compare(embedding)
        if not math.isfinite(comparison.llr):
            return self._beside(self._without_window(seconds), opinion, seconds)
        self._unusable_frames = max(self._unusable_frames - 1, 0)
        self._borne_out = seconds
        new_share = valid_fraction / self._spec.window_frames
        second = self._second(comparison.llr, opinion, seconds)
        llr = comparison.llr
        if second is not None and second.fused is not None:
            llr = second.fused.per_window
        verdict = self._decision.observe(llr, new_share, seconds)
        return replace(verdict, llr=comparison.llr, similarity=comparison.similarity, second=second)

    def abstain(self, reason: AbstainReason, seconds: float, opinion: Opinion | None = None) -> Verdict:
        """There is no embedding to judge; to be repeated about once a second for as long as it lasts."""
        if self._template is not None and self._comparison is None:
            reason = AbstainReason.ENGINE_CHANGED
        self._frames = 0
        self._unusable_frames = 0
        self._borne_out = None
        self._fresh_since = None
        return self._beside(self._decision.abstain(reason, seconds), opinion, seconds)

    def _beside(self, verdict: Verdict, opinion: Opinion | None, seconds: float) -> Verdict:
        second = self._second(None, opinion, seconds)
        return verdict if second is None else replace(verdict, second=second)

    def _second(self, llr: float | None, opinion: Opinion | None, seconds: float) -> SecondOpinion | None:
        """What the witnesses say beside the engine's LLR; None where there are none, or of another template."""
        if opinion is None or self._fusion is None or opinion.template is not self._template:
            return None
        return weigh(opinion, self._fusion, llr, seconds, self._fresh_since)

    def _note_stretch(self, seconds: float) -> None:
        """Whoever comes after a gap may be somebody else, of whom no witness has said anything."""
        gap = self._previous is not None and seconds - self._previous > _STRETCH_GAP_SECONDS
        if self._fresh_since is None or gap:
            self._fresh_since = seconds
        self._previous = seconds

    def _without_comparison(self, seconds: float) -> Verdict:
        if self._template is None:
            return self._decision.pause(seconds)
        return self._decision.abstain(AbstainReason.ENGINE_CHANGED, seconds)

    def _without_window(self, seconds: float) -> Verdict:
        if self._borne_out is not None and seconds - self._borne_out > _STALE_SECONDS:
            return self.abstain(AbstainReason.UNSTEADY, seconds)
        limit = _UNSTEADY_WINDOWS * self._spec.window_frames
        self._unusable_frames = min(self._unusable_frames + 1, limit)
        if self._unusable_frames == limit:
            self._fresh_since = None
            return self._decision.abstain(AbstainReason.UNSTEADY, seconds)
        return self._decision.pause(seconds)

    def _is_too_slow(self, fps: float) -> bool:
        bound = max(self._config.min_fps, self._spec.fps_min)
        self._slow = 0 < fps < (bound + _FPS_RECOVERY if self._slow else bound)
        return self._slow
