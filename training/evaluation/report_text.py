"""Results as Markdown for people and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass

import numpy as np

from training.evaluate import OperatingPoints
from training.evaluation.call_study import CallStudy
from training.evaluation.clip_calls import ClipCalls
from training.evaluation.evidence_length import LengthResult
from training.evaluation.robustness import ConditionResult
from training.evaluation.swaps import HORIZON_SECONDS, SwapStudy, TimeToDetect
from training.metrics import Estimate


def as_json(value: object) -> object:
    """Dataclasses as objects, tuples and arrays as lists; numbers that JSON does not have (never, unknown) as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def calls_json(study: CallStudy) -> dict[str, object]:
    """Everything but the single swaps, of which the curve over thresholds is kept."""
    return {
        "windows": as_json(study.windows),
        "evidence": as_json(study.evidence),
        "detection": as_json(study.detection),
        "detection_curve": _curve(study.swaps),
        "conditions": as_json(study.conditions),
    }


def clip_calls_json(calls: ClipCalls) -> dict[str, object]:
    """The same of people's own clips."""
    plain = {field.name: as_json(getattr(calls, field.name)) for field in fields(calls) if field.name != "swaps"}
    return {**plain, "detection_curve": None if calls.swaps is None else _curve(calls.swaps)}


def _curve(swaps: SwapStudy) -> dict[str, object]:
    rate = swaps.alarms.sum(axis=0) / swaps.hours.sum()
    medians = [swaps.median(float(nats)) for nats in swaps.thresholds]
    return {
        "threshold": [round(float(nats), 6) for nats in swaps.thresholds],
        "false_alarms_per_hour": rate.tolist(),
        "median_seconds": as_json(medians),
    }


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def row_table(rows: Sequence[tuple[str, OperatingPoints]]) -> str:
    """Rows of further figures, and how far so many impostor trials reach."""
    header = ["Row", "mean per-target AUC", "FNMR at FMR 1 %", "", "FNMR at FMR 0.1 %", "", "Impostor trials"]
    cells = [
        (
            name,
            points.mean_target_area or "-",
            points.miss_at_1_percent,
            points.resolution.verdict(0.01),
            points.miss_at_1_permille,
            points.resolution.verdict(0.001),
            points.resolution.trials,
            points.resolution.pairs,
            f"{points.resolution.lowest_rate:.2g}",
        )
        for name, points in rows
    ]
    return "\n\n".join([table([*header, "Pairs of drivers", "Lowest FMR told"], cells), _RESOLUTION])


_RESOLUTION = (
    "*Not resolved*: fewer than one false match is expected in the list, so the figure is the FNMR at no false match "
    "at all, and the true FMR there may be anything up to the lowest FMR told (3 / trials). *Coarse*: fewer than 30 "
    "false matches set the threshold. Trials of one pair of drivers repeat each other, so the number that counts lies "
    "between trials and pairs."
)


def calls_markdown(study: CallStudy) -> str:
    """What longer and worse calls tell."""
    return "\n\n".join(
        [
            "## Length of video",
            "One window against one window, cosine; below the engine's window cut from its middle, above it "
            "consecutive windows pooled; nothing is padded.",
            _lengths(study.windows, "frames"),
            "A template against stretches of a call, mean of the guard's comparison score over the windows inside.",
            _lengths(study.evidence, "seconds"),
            _ratios(study.evidence),
            "![Error against length](evidence.png)",
            "## Time to detect a swap of drivers",
            _SWAPS,
            _detection(study.detection),
            "![Time to detect](detection.png)",
            "## Worse calls",
            "Enrolled in a good call (500 kbit/s, 30 frames per second, 640x360, nothing lost), one window against the "
            "template, real VP8. A lost frame freezes the picture until the next keyframe, 0.3 s later; a window is "
            "then as many frames and longer in time.",
            _conditions(study.conditions),
            "![Worse calls](conditions.png)",
        ]
    )


_SWAPS = (
    "Streams of scores through the guard's own evidence and hysteresis; the swap comes in a running call, the windows "
    f"that hold both drivers are computed on the spliced pictures, and strangers drive for {HORIZON_SECONDS:g} s; "
    "'-' = not within that time."
)


def clip_calls_markdown(calls: Sequence[ClipCalls]) -> str:
    """Time to detect and seconds of evidence on people's own clips, or why there is none."""
    sections = ["## Time to detect a swap of drivers", _SWAPS]
    for one in calls:
        sections += [f"### {one.name[0].upper()}{one.name[1:]}", f"{one.about[0].upper()}{one.about[1:]}."]
        if one.missing:
            sections.append(f"Not measured: {one.missing}.")
            continue
        sections += [
            f"{one.streams} streams of {one.drivers} drivers on {one.faces} faces, enrolled with "
            f"{one.enrolment_seconds:.1f} s (median); {one.halves} enrol and are heard in two halves of one recording.",
            *([_detection(one.detection)] if one.detection else []),
            *(
                ["Error by seconds of evidence:", _lengths(one.evidence, "seconds"), _ratios(one.evidence)]
                if one.evidence
                else []
            ),
            *(["\n".join(f"- Not measured: {reason}." for reason in one.unmeasured)] if one.unmeasured else []),
            f"![Time to detect]({one.picture})",
        ]
    return "\n\n".join(sections)


def _lengths(results: Sequence[LengthResult], unit: str) -> str:
    return table(
        [unit, "AUC", "EER", "Drivers", "Trials"],
        [
            (
                one.frames if unit == "frames" else f"{one.seconds:g}",
                one.accuracy.area,
                one.accuracy.equal_error,
                one.accuracy.drivers,
                one.accuracy.trials,
            )
            for one in results
        ],
    )


def _ratios(results: Sequence[LengthResult]) -> str:
    rows = [
        (
            f"{one.seconds:g}",
            f"{one.ratios.genuine_nats:+.2f}",
            f"{one.ratios.stranger_nats:+.2f}",
            _share(one.ratios.stranger_above_0),
            f"{one.ratios.cost_bits:.3f}",
        )
        for one in results
        if one.ratios is not None
    ]
    header = ["seconds", "Genuine, mean nats", "Strangers, mean nats", "Strangers above 0", "Cllr, bits"]
    return "\n\n".join([_RATIOS, table(header, rows)])


_RATIOS = (
    "The log-likelihood ratios of the same stretches, as the guard shows them; above 0 they speak for the enrolled "
    "driver. Cllr: 0 is perfect, 1 is what knowing nothing costs, more misleads."
)


def _wanted(one: TimeToDetect) -> str:
    return "guard's threshold" if one.target_per_hour is None else f"{one.target_per_hour:g} an hour"


def _detection(told: Sequence[TimeToDetect]) -> str:
    rows = [
        (
            _wanted(one),
            f"{one.threshold:+.2f}",
            _seconds(one.median_seconds.value),
            f"{_seconds(one.median_seconds.low)} to {_seconds(one.median_seconds.high)}",
            _seconds(one.p90_seconds),
            _share(one.within_30_seconds),
            _share(one.within_horizon),
            f"{one.swaps} (+{one.undecided})",
        )
        for one in told
    ]
    header = ["False alarms", "Threshold, nats", "Median, s", "95 %", "9 of 10 by, s", "within 30 s"]
    cells = table([*header, f"within {HORIZON_SECONDS:g} s", "Swaps (+alert on already)"], rows)
    return "\n\n".join([cells, "\n".join(f"- {_wanted(one)}: {one.confidence}" for one in told)])


def _share(one: Estimate) -> str:
    return f"{one.value:.0%} [{one.low:.0%}, {one.high:.0%}]"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "-"


def _conditions(results: Sequence[ConditionResult]) -> str:
    return table(
        ["Call", "", "AUC", "EER", "Time with a verdict", "Trials"],
        [
            (
                one.axis,
                f"{one.value:g}" + ("" if one.in_range else " (the guard abstains)"),
                "-" if one.accuracy is None else one.accuracy.area,
                "-" if one.accuracy is None else one.accuracy.equal_error,
                f"{one.usable:.0%}",
                0 if one.accuracy is None else one.accuracy.trials,
            )
            for one in results
        ],
    )
