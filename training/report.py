"""An engine's accuracy on unseen drivers and faces, measured through its streaming path, and the card that says so."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from engines.manifest import Metric
from engines.protocol import Calibration
from engines.registry import load_engine
from training.card_figures import PICTURES, call_metrics, call_sentences
from training.data.calls import FPS, Recording
from training.data.channel import ChannelRange
from training.data.material import Extent, Material, load_material, renderer
from training.embedding import Embed, shuffled_in_time, through_engine, through_network
from training.evaluate import (
    Accuracy,
    CallProtocol,
    DriverEmbeddings,
    OperatingPoints,
    Protocol,
    accuracy,
    against_cohort,
    call_sides,
    cosine,
    embed_material,
    embed_sides,
    operating_points,
    pooled_trials,
    template_trials,
    window_trials,
)
from training.evaluation.call_study import CallGatherer, CallStudy
from training.evaluation.charts import save_conditions, save_detection, save_lengths
from training.evaluation.engine_errors import call_errors, people_errors
from training.evaluation.error_analysis import ErrorAnalysis, save_analysis
from training.evaluation.error_text import errors_text, limits
from training.evaluation.report_text import as_json, calls_json, calls_markdown, row_table
from training.export import rewrite_card
from training.fit import load_static
from training.metrics import Trials, log_likelihood_ratio_cost
from training.model_card import CardFigures
from training.plots import save_curves, save_scores

_PUPPETS = 8
_DRIVERS_PER_FACE = 8
_PROBE_SECONDS = 10.0
"""Of a call, for the rows of the table;"""
_CALL_SECONDS = 40.0
"""and for what a longer call tells: its first seconds are the same, picture for picture."""
_WORSE_CALL_SECONDS, _WORSE_CALL_FACES = 6.6, 2
"""Three windows; every worse call costs as much as the first one."""
SHORT_WINDOW = 32
"""Frames of a window that the shortest real clips (1.24 s at 25 frames per second) still fill."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """Where unseen people come from. data: real ones' tracks; portraits: prepared faces; seeds: procedural drivers."""

    data: Path | None
    portraits: Path | None
    seeds: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    name: str
    about: str
    accuracy: Accuracy
    operating: OperatingPoints


def _row(name: str, about: str, trials: Trials) -> Row:
    return Row(name, about, accuracy(trials), operating_points(trials))


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured. calibrated_cost_bits: Cllr of the LLR that the engine ships, on test drivers.

    calls: what longer and worse calls tell; None where they were left out. errors: of one window against a template,
    beside the motion that there was to see, by kind of driver.
    """

    engine: str
    rows: tuple[Row, ...]
    calibrated_cost_bits: float
    calls: CallStudy | None
    errors: dict[str, ErrorAnalysis]

    def table(self) -> str:
        """Markdown."""
        lines = ["| Row | AUC | EER | Drivers | Trials |", "|---|---|---|---|---|"]
        for row in self.rows:
            figures = row.accuracy
            lines.append(
                f"| {row.name} | {figures.area} | {figures.equal_error} | {figures.drivers} | {figures.trials} |"
            )
        return "\n".join([*lines, "", f"Cllr of the shipped calibration: {self.calibrated_cost_bits:.3f} bits."])


def evaluate_engine(
    folder: Path, out: Path, unseen: Unseen, static: Path | None, threads: int, *, calls: bool = True
) -> Report:
    """Score the engine, and its input in shuffled time, and the STATIC control on the same clips; write `out`.

    calls: also measure longer and worse calls, which takes twice as long.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    engine = load_engine(str(folder), threads=threads)
    embeds = {"engine": through_engine(engine), "shuffled": shuffled_in_time(through_engine(engine))}
    if static is not None:
        embeds["static"] = through_network(load_static(static))
    calibration = engine.spec.calibration
    protocol = CallProtocol(
        "test", max(1, unseen.seeds // _DRIVERS_PER_FACE), _DRIVERS_PER_FACE, processes=threads,
        probe_seconds=_CALL_SECONDS if calls else _PROBE_SECONDS,
    )  # fmt: skip
    gatherer = CallGatherer(engine)
    procedural: dict[str, list[DriverEmbeddings]] = {name: [] for name in embeds}
    for sides in call_sides(protocol):
        first = replace(sides, probe=sides.probe[: round(_PROBE_SECONDS * FPS)])
        for name, embed in embeds.items():
            procedural[name].append(embed_sides(first, protocol.frames, embed))
        if calls:
            gatherer.add(sides, procedural["engine"][-1])
    rows = _rows("procedural", f"{protocol.frames} frames", procedural, calibration)
    errors = {"procedural": call_errors(protocol, procedural["engine"])}
    live = template_trials(procedural["engine"], against_cohort(calibration.cohort))
    if unseen.data is not None:
        people = load_material("test", Extent(seeds=0, puppets=_PUPPETS), unseen.data, unseen.portraits)
        real = _embedded(people, real_protocol(), embeds)
        rows += _rows("real", f"{SHORT_WINDOW} frames", real, calibration)
        errors["real"] = people_errors(people, real_protocol(), real["engine"])
    study = gatherer.study(_heard_again(protocol), threads) if calls else None
    engine.close()
    llr = calibration.slope * live.scores + calibration.offset
    report = Report(engine.spec.name, tuple(rows), log_likelihood_ratio_cost(llr, live.genuine), study, errors)
    _write(report, out, procedural, live, calibration)
    return report


def _heard_again(protocol: CallProtocol) -> list[Recording]:
    """The first drivers' probes, short: one for each call quality."""
    probes = [probe for _, probe in protocol.recordings()][: _WORSE_CALL_FACES * protocol.drivers_per_face]
    return [replace(probe, seconds=_WORSE_CALL_SECONDS) for probe in probes]


def real_protocol() -> Protocol:
    """Up to 17 s of enrolment and 10 s of probe in short windows, on two faces."""
    return Protocol(frames=SHORT_WINDOW, enrol=16, probe=10, targets=2, channel=ChannelRange(), seed=12)


def _embedded(material: Material, protocol: Protocol, embeds: dict[str, Embed]) -> dict[str, list[DriverEmbeddings]]:
    return embed_material(material, renderer(material.targets, torch.device("cpu")), protocol, embeds)


def _rows(kind: str, window: str, found: dict[str, list[DriverEmbeddings]], calibration: Calibration) -> list[Row]:
    normalised = against_cohort(calibration.cohort)
    engine = found["engine"]
    rows = [
        _row(f"{kind}, {window}", "one window against one window, cosine", window_trials(engine, cosine)),
        _row(f"{kind}, pooled", "10 s against up to 20 s, cosine", pooled_trials(engine, cosine)),
        _row(
            f"{kind}, template",
            "one window against a template, the guard's comparison score",
            template_trials(engine, normalised),
        ),
    ]
    for control in ("shuffled", "static"):
        if control in found:
            about = "frames in random order" if control == "shuffled" else "STATIC: one frame, no motion"
            rows.append(_row(f"{kind}, {window}, {control}", about, window_trials(found[control], cosine)))
            rows.append(_row(f"{kind}, pooled, {control}", about, pooled_trials(found[control], cosine)))
    return rows


def _write(
    report: Report, out: Path, found: dict[str, list[DriverEmbeddings]], live: Trials, calibration: Calibration
) -> None:
    document = {
        "engine": report.engine,
        "rows": as_json(report.rows),
        "calibrated_cost_bits": report.calibrated_cost_bits,
        "calls": None if report.calls is None else calls_json(report.calls),
        "errors": {kind: as_json(found) for kind, found in report.errors.items()},
    }
    (out / "report.json").write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    (out / "report.md").write_text(_markdown(report))
    if report.calls is not None:
        save_lengths(report.calls.windows, report.calls.evidence, out / "evidence.png")
        save_detection(report.calls.swaps, report.calls.detection, out / "detection.png")
        save_conditions(report.calls.conditions, out / "conditions.png")
    for kind, errors in report.errors.items():
        save_analysis(errors, out / f"errors_{kind}.png")
    curves = {
        "engine, 10 s": pooled_trials(found["engine"], cosine),
        "engine, one window": window_trials(found["engine"], cosine),
    }
    for control in ("shuffled", "static"):
        if control in found:
            curves[f"{control}, one window"] = window_trials(found[control], cosine)
    save_curves(curves, out / "roc_det.png")
    llr = calibration.slope * live.scores + calibration.offset
    save_scores(llr, live.genuine, out / "llr_histogram.png")


def _markdown(report: Report) -> str:
    sections = [
        f"# Accuracy of {report.engine}",
        _EVALUATION,
        "Scores run frame by frame through the exported engine, as in the guard. Intervals are 95 %, over drivers.",
        report.table(),
        "## Operating points",
        row_table([(row.name, row.operating) for row in report.rows]),
        "![ROC and DET](roc_det.png)",
        "![Log-likelihood ratios](llr_histogram.png)",
    ]
    if report.calls is not None:
        sections.append(calls_markdown(report.calls))
    for kind, errors in report.errors.items():
        sections += [f"## Errors, {kind} drivers", errors_text(errors), f"![Errors](errors_{kind}.png)"]
    return "\n\n".join(sections) + "\n"


def write_card(folder: Path, report: Report, out: Path) -> None:
    """Put a report's figures and plots into the engine's card; what the engine computes stays."""
    metrics = [metric for row in report.rows for metric in _metrics(row)]
    pictures = ["roc_det.png", "llr_histogram.png", *(f"errors_{kind}.png" for kind in report.errors)]
    if report.calls is not None:
        metrics += call_metrics(report.calls)
        pictures += PICTURES
    documents = tuple(out / name for name in pictures)
    rewrite_card(folder, CardFigures(tuple(metrics), _evaluation(report), documents, report.calls is not None))


def _metrics(row: Row) -> list[Metric]:
    figures = row.accuracy
    return [
        Metric(
            name=f"{name} ({row.name})", value=estimate.value, low=estimate.low, high=estimate.high,
            drivers=figures.drivers, trials=figures.trials, about=row.about,
        )
        for name, estimate in (("AUC", figures.area), ("EER", figures.equal_error))
    ]  # fmt: skip


def _evaluation(report: Report) -> str:
    controlled = any("static" in row.name for row in report.rows)
    sections = [
        f"{_EVALUATION}{_STATIC if controlled else _NO_STATIC}",
        "Cllr of the shipped log-likelihood ratio on procedural test drivers, one window against a template of 20 s: "
        f"{report.calibrated_cost_bits:.3f} bits (1 = knows nothing).",
        _NO_CALLS if report.calls is None else f"{_CALLS} {call_sentences(report.calls)}",
        *(f"Errors, {kind} drivers: {' '.join(limits(errors))}" for kind, errors in report.errors.items()),
    ]
    return "\n\n".join(sections)


_EVALUATION = (
    "All rows: drivers and faces that neither training nor calibration saw; template and probe always show the same "
    "face, genuine = same driver, impostor = another driver of that face; scored frame by frame through this folder's "
    "graphs. *procedural*: artificial drivers on painted faces, eight to a face, two takes each, through a real VP8 "
    "encoder at 300-800 kbit/s. *real*: tracks of real people rendered onto photographed and painted faces, through "
    "the simulated call; people with one clip only are enrolled and probed in two halves of it."
)
_STATIC = " STATIC was trained on the same drivers and faces with the same loss, sees one frame and must stay at 0.5."
_NO_STATIC = " The STATIC control was not measured for this engine."
_CALLS = "Evidence, swaps and worse calls: procedural drivers, the guard's own rule for evidence and alerts."
_NO_CALLS = "Seconds of evidence, time to detect and worse calls were not measured for this engine."
