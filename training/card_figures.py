"""What longer and worse calls told of an engine, as its model card holds it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engines.manifest import Metric
from training.evaluation.call_study import PER_HOUR, CallStudy
from training.evaluation.robustness import ConditionResult
from training.evaluation.swaps import HORIZON_SECONDS, TimeToDetect
from training.metrics import Estimate

PICTURES = ("evidence.png", "detection.png", "conditions.png")
"""That a report with calls draws."""


def call_metrics(study: CallStudy) -> tuple[Metric, ...]:
    """Error by seconds of evidence, time to detect at the lowest rate of false alarms, error in worse calls."""
    return (*_evidence(study), *_detection(study), *_conditions(study))


def call_sentences(study: CallStudy) -> str:
    """Time to detect, and what it rests on."""
    return " ".join([*(_told(one) for one in study.detection), *_untold(study)])


def _evidence(study: CallStudy) -> Iterator[Metric]:
    about = "template of 20 s against stretches of a call, the guard's comparison score"
    for one in study.evidence:
        figures = one.accuracy
        for name, estimate in (("AUC", figures.area), ("EER", figures.equal_error)):
            yield _metric(f"{name} ({one.seconds:g} s of evidence)", estimate, figures.drivers, figures.trials, about)


def _detection(study: CallStudy) -> Iterator[Metric]:
    found = [one for one in study.detection if one.target_per_hour == PER_HOUR[0]]
    for one in found:
        drivers = len(study.swaps.driver)
        about = f"{_rate(one)}, threshold {one.threshold:+.2f} nats, {one.recorded_hours:.2f} h of genuine video"
        median = Estimate(*(min(seconds, HORIZON_SECONDS) for seconds in _ends(one.median_seconds)))
        capped = f"{about}; {HORIZON_SECONDS:g} = not within that time"
        yield _metric("seconds to detect a swap (median)", median, drivers, one.swaps, capped)
        yield _metric("swaps found within 30 s", one.within_30_seconds, drivers, one.swaps, about)
        yield _metric(f"swaps found within {HORIZON_SECONDS:g} s", one.within_horizon, drivers, one.swaps, about)


def _conditions(study: CallStudy) -> Iterator[Metric]:
    for one in study.conditions:
        if one.accuracy is not None:
            figures = one.accuracy
            yield _metric(
                f"EER (call, {one.axis}: {one.value:g})",
                figures.equal_error,
                figures.drivers,
                figures.trials,
                _call(one),
            )


def _call(one: ConditionResult) -> str:
    judged = f"judged {one.usable:.0%} of the time" if one.in_range else "the guard abstains at this rate"
    return f"one window against a template from a good call; {judged}"


def _metric(name: str, estimate: Estimate, drivers: int, trials: int, about: str) -> Metric:
    low, high = estimate.low, estimate.high
    return Metric(name=name, value=estimate.value, low=low, high=high, drivers=drivers, trials=trials, about=about)


def _ends(one: Estimate) -> tuple[float, float, float]:
    return one.value, one.low, one.high


def _rate(one: TimeToDetect) -> str:
    return "the guard's threshold" if one.target_per_hour is None else f"{one.target_per_hour:g} false alarm(s) an hour"


def _told(one: TimeToDetect) -> str:
    median = one.median_seconds.value
    half = f"half are found within {median:.0f} s" if np.isfinite(median) else "fewer than half are found"
    return (
        f"Of {one.swaps} swaps of drivers in a running call, at {_rate(one)} ({one.threshold:+.2f} nats), {half}, "
        f"{one.within_30_seconds.value:.0%} within 30 s and {one.within_horizon.value:.0%} within "
        f"{HORIZON_SECONDS:g} s. {one.confidence}"
    )


def _untold(study: CallStudy) -> list[str]:
    kept = {one.target_per_hour for one in study.detection}
    return [f"No threshold keeps {rate:g} false alarm(s) an hour." for rate in PER_HOUR if rate not in kept]
