"""An engine's accuracy on unseen drivers and faces, measured through its streaming path, and the card that says so."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from engines.manifest import Metric
from engines.protocol import Calibration
from engines.registry import load_engine
from training import card_texts
from training.card_figures import PICTURES, call_metrics, call_sentences
from training.data.calls import FPS, Recording
from training.data.channel import ChannelRange
from training.data.material import Extent, Material, load_material, renderer
from training.drivers.tracks import MOTION_FPS
from training.embedding import Embed, shuffled_in_time, through_engine, through_network
from training.evaluate import (
    CallProtocol,
    DriverEmbeddings,
    Protocol,
    against_cohort,
    call_sides,
    cosine,
    embed_material,
    embed_sides,
    pooled_trials,
    template_trials,
    window_trials,
)
from training.evaluation.call_study import CallGatherer, CallStudy
from training.evaluation.charts import save_conditions, save_detection, save_lengths
from training.evaluation.engine_errors import call_errors, people_errors
from training.evaluation.error_analysis import ErrorAnalysis, save_analysis
from training.evaluation.error_text import errors_text, limits
from training.evaluation.recordings import by_recordings
from training.evaluation.report_text import as_json, calls_json, calls_markdown, row_table
from training.export import rewrite_card
from training.fit import load_static, training_length
from training.metrics import Trials, log_likelihood_ratio_cost
from training.model_card import CardFigures
from training.plots import save_curves, save_scores
from training.report_rows import Kind, Row, recording_rows, recordings_text, rows_of
from training.run_log import TrainingLength

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
class Report:
    """Everything measured. calibrated_cost_bits: Cllr of the LLR that the engine ships, on test drivers of each kind,
    and calibrated_on: what is compared there. static: how long the control was trained; None where there is none.
    recordings: what is to be known about the recordings of real people; "" without them.

    calls: what longer and worse calls tell; None where they were left out. errors: of one window against a template,
    beside the motion that there was to see, by kind of driver.
    """

    engine: str
    rows: tuple[Row, ...]
    calibrated_cost_bits: dict[str, float]
    calibrated_on: dict[str, str]
    static: TrainingLength | None
    recordings: str
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
        return "\n".join([*lines, "", card_texts.cost_text(self.calibrated_cost_bits, self.calibrated_on)])


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
    kinds = {"procedural": Kind(protocol.frames, 1 / FPS, procedural["engine"])}
    rows = rows_of("procedural", kinds["procedural"], procedural, calibration)
    errors = {"procedural": call_errors(protocol, procedural["engine"])}
    recordings = ""
    if unseen.data is not None:
        people = load_material("test", Extent(seeds=0, puppets=_PUPPETS), unseen.data, unseen.portraits)
        real = _embedded(people, real_protocol(), embeds)
        kinds["real"] = Kind(SHORT_WINDOW, 1 / MOTION_FPS, real["engine"])
        rows += rows_of("real", kinds["real"], real, calibration)
        split = by_recordings(people, real_protocol(), real["engine"])
        rows += recording_rows(kinds["real"], split, calibration)
        recordings = recordings_text(kinds["real"], split)
        errors["real"] = people_errors(people, real_protocol(), real["engine"])
    study = gatherer.study(_heard_again(protocol), threads) if calls else None
    engine.close()
    live = {name: template_trials(kind.rows, against_cohort(calibration.cohort)) for name, kind in kinds.items()}
    report = Report(
        engine=engine.spec.name,
        rows=tuple(rows),
        calibrated_cost_bits={name: _cost(trials, calibration) for name, trials in live.items()},
        calibrated_on={name: kind.template_about for name, kind in kinds.items()},
        static=None if static is None else training_length(static),
        recordings=recordings,
        calls=study,
        errors=errors,
    )
    _write(report, out, procedural, live["procedural"], calibration)
    return report


def _cost(trials: Trials, calibration: Calibration) -> float:
    return log_likelihood_ratio_cost(calibration.slope * trials.scores + calibration.offset, trials.genuine)


def _heard_again(protocol: CallProtocol) -> list[Recording]:
    """The first drivers' probes, short: one for each call quality."""
    probes = [probe for _, probe in protocol.recordings()][: _WORSE_CALL_FACES * protocol.drivers_per_face]
    return [replace(probe, seconds=_WORSE_CALL_SECONDS) for probe in probes]


def real_protocol() -> Protocol:
    """Up to 17 s of enrolment and 10 s of probe in short windows, on two faces."""
    return Protocol(frames=SHORT_WINDOW, enrol=16, probe=10, targets=2, channel=ChannelRange(), seed=12)


def _embedded(material: Material, protocol: Protocol, embeds: dict[str, Embed]) -> dict[str, list[DriverEmbeddings]]:
    return embed_material(material, renderer(material.targets, torch.device("cpu")), protocol, embeds)


def _write(
    report: Report, out: Path, found: dict[str, list[DriverEmbeddings]], live: Trials, calibration: Calibration
) -> None:
    document = {
        "engine": report.engine,
        "rows": as_json(report.rows),
        "calibrated_cost_bits": report.calibrated_cost_bits,
        "static": as_json(report.static),
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
        "engine, pooled": pooled_trials(found["engine"], cosine),
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
        card_texts.EVALUATION,
        "Scores run frame by frame through the exported engine, as in the guard. Intervals are 95 %, over drivers.",
        report.table(),
        *_told(report),
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
    sections = [
        card_texts.EVALUATION,
        *_told(report),
        card_texts.cost_text(report.calibrated_cost_bits, report.calibrated_on),
        card_texts.NO_CALLS if report.calls is None else f"{card_texts.CALLS} {call_sentences(report.calls)}",
        *(f"Errors, {kind} drivers: {' '.join(limits(errors))}" for kind, errors in report.errors.items()),
    ]
    return "\n\n".join(sections)


def _told(report: Report) -> list[str]:
    """What has to be known to read the rows."""
    return [*([report.recordings] if report.recordings else []), card_texts.static_text(report.static)]
