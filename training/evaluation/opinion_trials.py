"""Trials on which several opinions speak: the engine's and each witness's log-likelihood ratio of the same stretches.

Every template against every stretch of every call that shows the same face, as `evidence_length` does it for the engine
alone. An opinion on a stretch is the mean LLR of the windows that lie inside it; none fits, or no face: it is silent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.comparison import comparison_scores, mean_embedding
from engines.expressions.series import ExpressionSeries
from engines.protocol import Calibration, EngineSpec
from engines.witnesses.fusion_table import ENGINE
from engines.witnesses.protocol import Witness
from training.data.calls import FPS
from training.errors import DataError
from training.evaluation.evidence_length import stretch_means
from training.evaluation.streams import live_scores, log_likelihood_ratio
from training.evaluation.track_embeddings import embedded
from training.evaluation.witness_calls import HeardCall, HeardSide
from training.fusion_trials import FusionTrials

_HOP_SECONDS = 0.5
"""Between two windows of a witness, of a template and of a probe."""

_SLACK_SECONDS = 0.25
"""A witness hears so much more than a stretch, so that a window of 5.1 s belongs to 5 s of video."""

Floats = NDArray[np.float64]


def opinion_trials(
    calls: Sequence[HeardCall], spec: EngineSpec, witnesses: Sequence[Witness], lengths: Sequence[float]
) -> FusionTrials:
    """All trials of each length of stretch, in seconds; stretches of one length do not overlap.

    Raises DataError where no call is so long, or a driver cannot be enrolled.
    """
    return FusionTrials.joined([_of_length(calls, spec, witnesses, seconds) for seconds in lengths])


def _of_length(
    calls: Sequence[HeardCall], spec: EngineSpec, witnesses: Sequence[Witness], seconds: float
) -> FusionTrials:
    heard = {ENGINE: _engine_tables(calls, spec, seconds)}
    heard |= {witness.spec.name: _witness_tables(calls, witness, seconds) for witness in witnesses}
    pairs = [
        (enrolled, spoken)
        for enrolled, template in enumerate(calls)
        for spoken, probe in enumerate(calls)
        if template.face == probe.face
    ]
    counts = [len(heard[ENGINE][enrolled][spoken]) for enrolled, spoken in pairs]
    if not sum(counts):
        raise DataError(f"no call is {seconds:g} s long")
    drivers = np.array([[calls[one].driver, calls[other].driver] for one, other in pairs], np.int64)
    template_driver, probe_driver = np.repeat(drivers, counts, axis=0).T
    return FusionTrials(
        {name: np.concatenate([tables[one][other] for one, other in pairs]) for name, tables in heard.items()},
        template_driver,
        probe_driver,
        np.full(sum(counts), seconds),
        {ENGINE: spec.model_sha256, **{witness.spec.name: witness.spec.model_sha256 for witness in witnesses}},
        "Procedural drivers on painted faces, through VP8 at call bitrates, tracked as the guard tracks them.",
    )


_Tables = list[list[Floats]]
"""[enrolled][heard] -> LLR of each stretch."""


def _engine_tables(calls: Sequence[HeardCall], spec: EngineSpec, seconds: float) -> _Tables:
    frames, calibration = round(seconds * FPS), spec.calibration

    def of(template: NDArray[np.float32], probe: HeardSide) -> Floats:
        scores = live_scores(template, probe.embeddings, calibration.cohort)
        return stretch_means(log_likelihood_ratio(scores, calibration), frames, spec.window_frames)

    templates = [mean_embedding(call.enrol.embeddings[spec.window_frames - 1 :: spec.window_frames]) for call in calls]
    return [[of(template, call.probe) for call in calls] for template in templates]


def _witness_tables(calls: Sequence[HeardCall], witness: Witness, seconds: float) -> _Tables:
    calibration = witness.spec.calibration
    templates = [_template(witness, call) for call in calls]
    probes = [[embedded(witness, part, _HOP_SECONDS) for part in _stretches(call.probe, seconds)] for call in calls]

    def of(template: NDArray[np.float32], probe: Sequence[NDArray[np.float32]]) -> Floats:
        return np.array([_llr(template, part, calibration) for part in probe])

    return [[of(template, probe) for probe in probes] for template in templates]


def _template(witness: Witness, call: HeardCall) -> NDArray[np.float32]:
    embeddings = embedded(witness, call.enrol.track, _HOP_SECONDS)
    if len(embeddings) == 0:
        raise DataError(f"the tracker saw too little of driver {call.driver} to enrol for {witness.spec.name}")
    return mean_embedding(embeddings)


def _stretches(side: HeardSide, seconds: float) -> list[ExpressionSeries]:
    track, count = side.track, int(len(side.embeddings) / FPS / seconds + 1e-9)
    parts = []
    for number in range(count):
        inside = (track.seconds >= number * seconds) & (track.seconds < (number + 1) * seconds + _SLACK_SECONDS)
        parts.append(
            ExpressionSeries(
                track.seconds[inside], track.blendshapes[inside], track.signals[inside], track.found[inside]
            )
        )
    return parts


def _llr(template: NDArray[np.float32], probe: NDArray[np.float32], calibration: Calibration) -> float:
    if len(probe) == 0:
        return float("nan")
    scores = comparison_scores(template[None], probe, calibration.cohort)[0].astype(np.float64)
    return float(np.mean(calibration.slope * scores + calibration.offset))
