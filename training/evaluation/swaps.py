"""Time to detect: how long somebody else drives the face before the guard says so, at a given rate of false alarms.

Every genuine stream is played twice, as one call: the first round brings evidence to where it stands in a long call,
in the second alerts are counted, so a minute of material stands for a minute of a call that is already running. A swap
puts another driver of the same face at its end. The windows that hold both drivers are computed by the engine on the
spliced pictures; after them the stranger's own stream runs, over and over, until `HORIZON_SECONDS`.

Evidence does not depend on the alert's threshold, so one path answers for all thresholds. The alert ends a third of the
way back to 0, which is what the guard's two thresholds stand to each other as.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from engines.protocol import Engine
from training.errors import DataError
from training.evaluation.alerts import AlertRule, Series, alert_frames, evidence_path, new_shares
from training.evaluation.streams import DriverStream, full_windows, live_scores, log_likelihood_ratio, of_target, splice
from training.metrics import Estimate

HORIZON_SECONDS = 120.0
_LEAVE_SHARE = 1 / 3
_STEP_NATS = 0.05
_TAIL_EPISODES = 10
"""Alerts that the tail is fitted on: as few as tell a slope, to stay near the rates that are asked for."""


@dataclass(frozen=True, slots=True)
class SwapStudy:
    """What happened at every threshold; d drivers, k thresholds rising towards 0, p swaps.

    driver: (d,) numbers. hours: (d,) of genuine video. alarms: (d, k) false alerts. excess: (d, k) nats by which the
    episodes of these alerts went below the threshold, summed. before, after: (p,) drivers. seconds: (p, k) from swap to
    alert, inf where none came within the horizon, nan where an alert was on already.
    """

    thresholds: Series
    driver: NDArray[np.int64]
    hours: Series
    alarms: Series
    excess: Series
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    seconds: Series

    def place(self, nats: float) -> int:
        """The highest threshold that is not above `nats`: rounding never adds false alarms."""
        return max(0, int(np.searchsorted(self.thresholds, nats + 1e-9, side="right")) - 1)


Found = Literal["measured", "extrapolated", "unbounded", "given"]


@dataclass(frozen=True, slots=True)
class OperatingThreshold:
    """Where to alert for a given rate of false alarms. nats: None where no threshold keeps it.

    found: "measured" where the material is long enough to see the rate, "extrapolated" where the tail of the evidence
    was carried on, "unbounded" where it is too short and not one false alarm came at any threshold, "given" otherwise.
    """

    nats: float | None
    found: Found


@dataclass(frozen=True, slots=True)
class TimeToDetect:
    """Swaps at one threshold.

    false_alarms, per_hour_low, per_hour_high: alerts seen in `genuine_hours`, and the 95 % interval of the true rate
    if alerts come independently (Garwood). median_seconds: over swaps, with its interval over drivers; inf = not within
    the horizon. p90_seconds: nine of ten swaps are found by then. within_30_seconds: share of swaps. undecided: swaps
    left out because an alert was on already.
    """

    target_per_hour: float | None
    threshold: float
    found: Found
    genuine_hours: float
    false_alarms: int
    per_hour_low: float
    per_hour_high: float
    median_seconds: Estimate
    p90_seconds: float
    within_30_seconds: float
    swaps: int
    undecided: int

    @property
    def confidence(self) -> str:
        """What the material can and cannot say, in one sentence."""
        seen = (
            f"{self.false_alarms} false alarms in {self.genuine_hours:.2f} h of genuine video: the true rate is between "
            f"{self.per_hour_low:.2g} and {self.per_hour_high:.2g} an hour (95 %, if alarms are independent)"
        )
        if self.found == "extrapolated":
            return (
                f"{seen}. That is too little to see {self.target_per_hour:g} an hour: the threshold was carried on "
                "from higher ones along an exponential tail."
            )
        if self.found == "unbounded":
            return f"{seen}. That is too little to see {self.target_per_hour:g} an hour; the highest threshold is used."
        return f"{seen}."


def study_swaps(engine: Engine, streams: Sequence[DriverStream], rule: AlertRule | None = None) -> SwapStudy:
    """Play every genuine stream and every swap of two drivers of one target. Raises DataError where nobody can swap."""
    rule = rule or AlertRule()
    thresholds = np.arange(-rule.limit + _STEP_NATS, -_STEP_NATS / 2, _STEP_NATS)
    drivers = np.array(sorted({stream.driver for stream in streams}), np.int64)
    alarms, excess = (np.zeros((len(drivers), len(thresholds))) for _ in range(2))
    hours = np.zeros(len(drivers))
    pairs: list[tuple[int, int]] = []
    seconds: list[Series] = []
    for stream in streams:
        inside = full_windows(stream, engine.spec)
        if inside.start >= inside.stop:
            raise DataError(f"a stream of {len(stream.embeddings)} frames holds no window of {inside.start + 1}")
        llr, shares = _own(engine, stream, stream, rule)
        path = evidence_path(np.tile(llr, 2), np.tile(shares, 2), stream.fps, rule)
        played = len(path) // 2
        row = int(np.searchsorted(drivers, stream.driver))
        hours[row] += played / stream.fps / 3600
        found = [_episodes(path[played:], float(nats)) for nats in thresholds]
        alarms[row] += [count for count, _ in found]
        excess[row] += [depth for _, depth in found]
        for stranger in of_target(streams, stream.target):
            if stranger.driver != stream.driver:
                pairs.append((stream.driver, stranger.driver))
                seconds.append(_detection(engine, stream, stranger, path, thresholds, rule))
    if not pairs:
        raise DataError("no two drivers drive one face, so nobody can take over from anybody")
    before, after = np.array(pairs, np.int64).T
    return SwapStudy(thresholds, drivers, hours, alarms, excess, before, after, np.stack(seconds))


def _own(engine: Engine, enrolled: DriverStream, seen: DriverStream, rule: AlertRule) -> tuple[Series, Series]:
    """LLR and new share of the full windows of one stream, against the template of another."""
    inside, spec = full_windows(seen, engine.spec), engine.spec
    scores = live_scores(enrolled.template, seen.embeddings[inside], spec.calibration.cohort)
    shares = new_shares(seen.valid[inside].astype(np.float64), spec.window_frames, rule, begins=False)
    return log_likelihood_ratio(scores, spec.calibration), shares


def _episodes(path: Series, threshold: float) -> tuple[int, float]:
    """How many episodes a running call has at a threshold, and how far they go below it, summed.

    A call that is already below it at the start counts as one: somebody would be looking.
    """
    raised = alert_frames(path, np.ones(len(path)), threshold, _LEAVE_SHARE * threshold)
    return len(raised), sum(threshold - float(part.min()) for part in np.split(path, raised)[1:])


def _detection(
    engine: Engine, enrolled: DriverStream, stranger: DriverStream, path: Series, thresholds: Series, rule: AlertRule
) -> Series:
    """Seconds from swap to alert at each threshold (k,)."""
    spec = engine.spec
    embeddings, valid = splice(engine, enrolled, stranger)
    mixed = log_likelihood_ratio(live_scores(enrolled.template, embeddings, spec.calibration.cohort), spec.calibration)
    mixed_shares = new_shares(valid, spec.window_frames, rule, begins=False)
    llr, shares = _own(engine, enrolled, stranger, rule)
    frames = int(HORIZON_SECONDS * enrolled.fps)
    rounds = -(-frames // len(llr))
    heard = np.concatenate([mixed, np.tile(llr, rounds)])[:frames]
    added = np.concatenate([mixed_shares, np.tile(shares, rounds)])[:frames]
    after = evidence_path(heard, added, enrolled.fps, rule, start=float(path[-1]))
    lowest = np.minimum.accumulate(after)
    first = np.searchsorted(-lowest, -thresholds, side="left")
    seconds = np.where(first < frames, (first + 1) / enrolled.fps, np.inf)
    return np.where(_alarmed(path, thresholds), np.nan, seconds)


def _alarmed(path: Series, thresholds: Series) -> NDArray[np.bool_]:
    """Whether an alert is on at the end of a path, at each threshold."""
    found = []
    for nats in thresholds:
        below, above = np.flatnonzero(path <= nats), np.flatnonzero(path > _LEAVE_SHARE * nats)
        found.append(len(below) > 0 and (len(above) == 0 or below[-1] > above[-1]))
    return np.array(found)


def threshold_for(study: SwapStudy, per_hour: float, weights: Series | None = None) -> OperatingThreshold:
    """The highest threshold with at most so many false alarms an hour. weights: (d,), how often each driver counts.

    Where the material holds such a rate, the threshold is interpolated between counts on a logarithmic scale. Where it
    is too short, episodes below a higher threshold u are taken to go an exponential distance deeper (peaks over
    threshold): rate(t) = rate(u) exp((t - u) / mean excess).
    """
    weight = np.ones(len(study.driver)) if weights is None else weights
    alarms, excess, hours = weight @ study.alarms, weight @ study.excess, float(weight @ study.hours)
    allowed = per_hour * hours
    over = np.flatnonzero(alarms > allowed)
    if len(over) == 0:
        return OperatingThreshold(float(study.thresholds[-1]), "measured" if allowed >= 1 else "unbounded")
    lowest = int(over[0])
    if allowed >= 1:
        if lowest == 0:
            return OperatingThreshold(None, "measured")
        below, above = max(float(alarms[lowest - 1]), 0.5), float(alarms[lowest])
        share = (np.log(allowed) - np.log(below)) / (np.log(above) - np.log(below))
        nats = study.thresholds[lowest - 1] + min(max(share, 0.0), 1.0) * _STEP_NATS
        return OperatingThreshold(float(nats), "measured")
    enough = np.flatnonzero(alarms >= min(_TAIL_EPISODES, alarms.max()))
    start = int(enough[0])
    mean_excess = float(excess[start] / alarms[start])
    nats = float(study.thresholds[start] - mean_excess * np.log(alarms[start] / allowed))
    return OperatingThreshold(nats if nats > study.thresholds[0] else None, "extrapolated")


def time_to_detect(
    study: SwapStudy, per_hour: float | None, threshold: float | None = None, *, rounds: int = 300, seed: int = 0
) -> TimeToDetect | None:
    """Swaps at a rate of false alarms, or at a given threshold; None where no threshold keeps the rate.

    The interval of the median resamples drivers: with each draw the threshold is chosen anew.
    """
    chosen = OperatingThreshold(threshold, "given") if per_hour is None else threshold_for(study, per_hour)
    if chosen.nats is None:
        return None
    place = study.place(chosen.nats)
    seconds = study.seconds[:, place]
    decided = seconds[~np.isnan(seconds)]
    if len(decided) == 0:
        return None
    random = np.random.default_rng(seed)
    medians = []
    for _ in range(rounds):
        counts = np.bincount(random.integers(len(study.driver), size=len(study.driver)), minlength=len(study.driver))
        drawn = chosen if per_hour is None else threshold_for(study, per_hour, counts.astype(float))
        medians.append(np.inf if drawn.nats is None else _median(study, drawn.nats, counts.astype(float)))
    low, high = np.quantile(medians, [0.025, 0.975], method="nearest")
    alarms, hours = int(study.alarms[:, place].sum()), float(study.hours.sum())
    return TimeToDetect(
        target_per_hour=per_hour,
        threshold=chosen.nats,
        found=chosen.found,
        genuine_hours=hours,
        false_alarms=alarms,
        per_hour_low=float(chi2.ppf(0.025, 2 * alarms) / 2 / hours) if alarms else 0.0,
        per_hour_high=float(chi2.ppf(0.975, 2 * alarms + 2) / 2 / hours),
        median_seconds=Estimate(float(np.quantile(decided, 0.5, method="higher")), float(low), float(high)),
        p90_seconds=float(np.quantile(decided, 0.9, method="higher")),
        within_30_seconds=float((decided <= 30).mean()),
        swaps=len(decided),
        undecided=len(seconds) - len(decided),
    )


def _median(study: SwapStudy, nats: float, counts: Series) -> float:
    """Median over swaps, a pair of drivers counting as often as both were drawn; inf where none was decided."""
    rows = [np.searchsorted(study.driver, side) for side in (study.before, study.after)]
    weight = counts[rows[0]] * counts[rows[1]]
    seconds = study.seconds[:, study.place(nats)]
    kept = ~np.isnan(seconds) & (weight > 0)
    if not kept.any():
        return float(np.inf)
    order = np.argsort(seconds[kept], kind="stable")
    reached = np.cumsum(weight[kept][order])
    return float(seconds[kept][order][np.searchsorted(reached, reached[-1] / 2)])
