"""Time to detect: how long somebody else drives the face before the guard says so, at a given rate of false alarms.

Recordings are shorter than an hour, so genuine calls are put together from them: stretches of a driver's own scores
follow one another in random order (circular block bootstrap, Politis and Romano 1992), longer than the windows overlap
and as long as evidence remembers. Each call begins with no evidence, so a driver for whom the guard is always wrong
raises an alarm in every call.

A swap comes at the end of a genuine recording that has been played twice, so that evidence stands where it does in a
running call. The windows that hold both drivers are computed by the engine on the spliced pictures; after them the
stranger's own scores run, over and over, until `HORIZON_SECONDS`.

Evidence does not depend on the alert's threshold, so one path answers for all thresholds. The alert ends a third of the
way back to 0, which is what the guard's two thresholds stand to each other as.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from engines.protocol import Engine
from training.errors import DataError
from training.evaluation.alerts import AlertRule, Series, alert_frames, evidence_path, new_shares
from training.evaluation.streams import DriverStream, full_windows, live_scores, log_likelihood_ratio, of_target, splice
from training.metrics import Estimate

HORIZON_SECONDS = 120.0
_RULE_OF_3 = 3.0
"""Expected events of which none is seen in 5 % of cases."""
_LEAVE_SHARE = 1 / 3
_STEP_NATS = 0.05
_HALF_AN_ALARM = 0.5
"""Stands for none on a logarithmic scale."""
_STRETCH_SECONDS = 10.0
_CALLS, _CALL_SECONDS = 6, 600.0
"""Genuine calls put together for each driver on each target: an hour."""
_MOST_STRANGERS = 8
"""That take over from one driver on one target; where more could, evenly chosen ones do."""
_SOON_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SwapStudy:
    """What happened at every threshold; d drivers, k thresholds rising towards 0, p swaps.

    driver: (d,) numbers. hours: (d,) of genuine calls put together; alarms: (d, k) false alarms in them.
    recorded_hours: of genuine video; recorded_alarms: (k,) when it is played once in a running call. before, after:
    (p,) drivers. seconds: (p, k) from swap to alert, inf where none came within the horizon, nan where an alert was on
    already.
    """

    thresholds: Series
    driver: NDArray[np.int64]
    hours: Series
    alarms: Series
    recorded_hours: float
    recorded_alarms: Series
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    seconds: Series

    def place(self, nats: float) -> int:
        """The highest threshold that is not above `nats`: rounding never adds false alarms."""
        return max(0, int(np.searchsorted(self.thresholds, nats + 1e-9, side="right")) - 1)

    def decided(self, nats: float) -> Series:
        """Seconds of the swaps at a threshold, without those that met an alert."""
        seconds = self.seconds[:, self.place(nats)]
        return seconds[~np.isnan(seconds)]

    def median(self, nats: float) -> float:
        """Median seconds at a threshold; nan where no swap was decided."""
        return float(np.quantile(self.decided(nats), 0.5, method="higher")) if len(self.decided(nats)) else np.nan


@dataclass(frozen=True, slots=True)
class TimeToDetect:
    """Swaps at one threshold.

    per_hour: false alarms in an hour of the genuine calls put together. recorded_alarms: in the recorded video itself,
    and recorded_low, recorded_high: the 95 % interval of their rate an hour if they come independently (Garwood 1936).
    median_seconds: over swaps, with its interval over drivers; inf = not within the horizon. p90_seconds: nine of ten
    swaps are found by then. within_30_seconds, within_horizon: shares of swaps, with intervals over drivers.
    undecided: swaps left out because an alert was on.
    """

    target_per_hour: float | None
    threshold: float
    per_hour: float
    simulated_hours: float
    recorded_hours: float
    recorded_alarms: int
    recorded_low: float
    recorded_high: float
    median_seconds: Estimate
    p90_seconds: float
    within_30_seconds: Estimate
    within_horizon: Estimate
    swaps: int
    undecided: int

    @property
    def confidence(self) -> str:
        """What the material can and cannot say."""
        seen = (
            f"{self.per_hour:.2g} false alarms an hour in {self.simulated_hours:.0f} h of calls put together from "
            f"{self.recorded_hours:.2f} h of genuine video. Played once, that video gave {self.recorded_alarms}: "
            f"between {self.recorded_low:.2g} and {self.recorded_high:.2g} an hour (95 %, if alarms are independent)."
        )
        if self.target_per_hour is None or self.target_per_hour * self.recorded_hours >= 1:
            return seen
        needed = _RULE_OF_3 / self.target_per_hour
        return (
            f"{seen} To tell whether {self.target_per_hour:g} an hour is kept takes {needed:.2g} h of video at least."
        )


def study_swaps(engine: Engine, streams: Sequence[DriverStream], rule: AlertRule | None = None) -> SwapStudy:
    """Play every genuine stream and every swap of two drivers of one target. Raises DataError where nobody can swap."""
    rule = rule or AlertRule()
    thresholds = np.arange(-rule.limit + _STEP_NATS, -_STEP_NATS / 2, _STEP_NATS)
    drivers = np.array(sorted({stream.driver for stream in streams}), np.int64)
    alarms, recorded_alarms = np.zeros((len(drivers), len(thresholds))), np.zeros(len(thresholds))
    hours, recorded_hours = np.zeros(len(drivers)), 0.0
    pairs: list[tuple[int, int]] = []
    seconds: list[Series] = []
    for stream in streams:
        inside = full_windows(stream, engine.spec)
        if inside.start >= inside.stop:
            raise DataError(f"a stream of {len(stream.embeddings)} frames holds no window of {inside.start + 1}")
        llr, shares = _own(engine, stream, stream, rule)
        row = int(np.searchsorted(drivers, stream.driver))
        hours[row] += _CALLS * _CALL_SECONDS / 3600
        for call in genuine_calls(len(llr), stream.fps, seed=stream.driver):
            alarms[row] += _counts(evidence_path(llr[call], shares[call], stream.fps, rule), shares[call], thresholds)
        path = evidence_path(np.tile(llr, 2), np.tile(shares, 2), stream.fps, rule)
        recorded_hours += len(llr) / stream.fps / 3600
        recorded_alarms += _counts(path[len(llr) :], np.ones(len(llr)), thresholds)
        for stranger in strangers_of(stream, streams):
            pairs.append((stream.driver, stranger.driver))
            seconds.append(_detection(engine, stream, stranger, path, thresholds, rule))
    if not pairs:
        raise DataError("no two drivers drive one face, so nobody can take over from anybody")
    before, after = np.array(pairs, np.int64).T
    return SwapStudy(
        thresholds, drivers, hours, alarms, recorded_hours, recorded_alarms, before, after, np.stack(seconds)
    )


def strangers_of(stream: DriverStream, streams: Sequence[DriverStream]) -> list[DriverStream]:
    """Others on the same target, evenly chosen from those that follow in the list, around its end."""
    shown = of_target(streams, stream.target)
    place = next(n for n, other in enumerate(shown) if other is stream)
    others = [other for other in (*shown[place:], *shown[:place]) if other.driver != stream.driver]
    count = min(len(others), _MOST_STRANGERS)
    return [others[number * len(others) // count] for number in range(count)]


def genuine_calls(frames: int, fps: float, *, seed: int) -> Iterator[NDArray[np.int64]]:
    """Places in a recording of so many frames, (n,) for each call: stretches from anywhere, its end followed by its
    beginning."""
    random = np.random.default_rng(seed)
    stretch, length = round(_STRETCH_SECONDS * fps), round(_CALL_SECONDS * fps)
    for _ in range(_CALLS):
        starts = random.integers(frames, size=-(-length // stretch))
        yield ((starts[:, None] + np.arange(stretch)) % frames).ravel()[:length]


def _counts(path: Series, shares: Series, thresholds: Series) -> Series:
    """Alerts along a path at each threshold (k,)."""
    return np.array([len(alert_frames(path, shares, nats, _LEAVE_SHARE * nats)) for nats in thresholds.tolist()], float)


def _own(engine: Engine, enrolled: DriverStream, seen: DriverStream, rule: AlertRule) -> tuple[Series, Series]:
    """LLR and new share of the full windows of one stream, against the template of another."""
    inside, spec = full_windows(seen, engine.spec), engine.spec
    scores = live_scores(enrolled.template, seen.embeddings[inside], spec.calibration.cohort)
    shares = new_shares(seen.valid[inside].astype(np.float64), spec.window_frames, rule, begins=False)
    return log_likelihood_ratio(scores, spec.calibration), shares


def _detection(
    engine: Engine, enrolled: DriverStream, stranger: DriverStream, path: Series, thresholds: Series, rule: AlertRule
) -> Series:
    """Seconds from swap to alert at each threshold (k,). After the swap, frames come at the stranger's rate."""
    spec, fps = engine.spec, stranger.fps
    embeddings, valid = splice(engine, enrolled, stranger)
    mixed = log_likelihood_ratio(live_scores(enrolled.template, embeddings, spec.calibration.cohort), spec.calibration)
    mixed_shares = new_shares(valid, spec.window_frames, rule, begins=False)
    llr, shares = _own(engine, enrolled, stranger, rule)
    frames = int(HORIZON_SECONDS * fps)
    rounds = -(-frames // len(llr))
    heard = np.concatenate([mixed, np.tile(llr, rounds)])[:frames]
    added = np.concatenate([mixed_shares, np.tile(shares, rounds)])[:frames]
    after = evidence_path(heard, added, fps, rule, start=float(path[-1]))
    lowest = np.minimum.accumulate(after)
    first = np.searchsorted(-lowest, -thresholds, side="left")
    seconds = np.where(first < frames, (first + 1) / fps, np.inf)
    return np.where(_alarmed(path, thresholds), np.nan, seconds)


def _alarmed(path: Series, thresholds: Series) -> NDArray[np.bool_]:
    """Whether an alert is on at the end of a path, at each threshold."""
    found = []
    for nats in thresholds:
        below, above = np.flatnonzero(path <= nats), np.flatnonzero(path > _LEAVE_SHARE * nats)
        found.append(len(below) > 0 and (len(above) == 0 or below[-1] > above[-1]))
    return np.array(found)


def threshold_for(study: SwapStudy, per_hour: float, weights: Series | None = None) -> float | None:
    """The highest threshold with at most so many false alarms an hour, in nats; None where no threshold keeps the rate.

    Interpolated between counts on a logarithmic scale. weights: (d,), how often each driver counts.
    """
    weight = np.ones(len(study.driver)) if weights is None else weights
    alarms, allowed = weight @ study.alarms, per_hour * float(weight @ study.hours)
    over = np.flatnonzero(alarms > allowed)
    if len(over) == 0:
        return float(study.thresholds[-1])
    lowest = int(over[0])
    if lowest == 0:
        return None
    below, above = np.log(max(float(alarms[lowest - 1]), _HALF_AN_ALARM)), np.log(float(alarms[lowest]))
    share = (np.log(allowed) - below) / (above - below)
    return float(study.thresholds[lowest - 1] + min(max(share, 0.0), 1.0) * _STEP_NATS)


def time_to_detect(
    study: SwapStudy, per_hour: float | None, threshold: float | None = None, *, rounds: int = 300, seed: int = 0
) -> TimeToDetect | None:
    """Swaps at a rate of false alarms, or at a given threshold; None where no threshold keeps the rate.

    Intervals resample drivers: with each draw the threshold is chosen anew.
    """
    chosen = threshold if per_hour is None else threshold_for(study, per_hour)
    if chosen is None or len(study.decided(chosen)) == 0:
        return None
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(rounds):
        counts = np.bincount(random.integers(len(study.driver), size=len(study.driver)), minlength=len(study.driver))
        drawn = chosen if per_hour is None else threshold_for(study, per_hour, counts.astype(float))
        draws.append(_NEVER if drawn is None else _found(study, drawn, counts.astype(float)))
    place, decided = study.place(chosen), study.decided(chosen)
    value = study.median(chosen), float((decided <= _SOON_SECONDS).mean()), float(np.isfinite(decided).mean())
    median, soon, ever = (_estimate(*pair) for pair in zip(value, np.array(draws).T, strict=True))
    seen, hours = int(study.recorded_alarms[place]), study.recorded_hours
    return TimeToDetect(
        target_per_hour=per_hour,
        threshold=chosen,
        per_hour=float(study.alarms[:, place].sum() / study.hours.sum()),
        simulated_hours=float(study.hours.sum()),
        recorded_hours=hours,
        recorded_alarms=seen,
        recorded_low=float(chi2.ppf(0.025, 2 * seen) / 2 / hours) if seen else 0.0,
        recorded_high=float(chi2.ppf(0.975, 2 * seen + 2) / 2 / hours),
        median_seconds=median,
        p90_seconds=float(np.quantile(decided, 0.9, method="higher")),
        within_30_seconds=soon,
        within_horizon=ever,
        swaps=len(decided),
        undecided=len(study.seconds) - len(decided),
    )


_NEVER = (np.inf, 0.0, 0.0)


def _estimate(value: float, drawn: Series) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return Estimate(value, float(low), float(high))


def _found(study: SwapStudy, nats: float, counts: Series) -> tuple[float, float, float]:
    """Median seconds over swaps, and the shares found soon and at all; a pair of drivers counts as often as both were
    drawn."""
    rows = [np.searchsorted(study.driver, side) for side in (study.before, study.after)]
    weight = counts[rows[0]] * counts[rows[1]]
    seconds = study.seconds[:, study.place(nats)]
    kept = ~np.isnan(seconds) & (weight > 0)
    if not kept.any():
        return _NEVER
    order = np.argsort(seconds[kept], kind="stable")
    ordered, reached = seconds[kept][order], np.cumsum(weight[kept][order]) / weight[kept].sum()
    shares = [np.searchsorted(ordered, limit, side="right") for limit in (_SOON_SECONDS, HORIZON_SECONDS)]
    soon, ever = (float(reached[count - 1]) if count else 0.0 for count in shares)
    return float(ordered[np.searchsorted(reached, 0.5)]), soon, ever
