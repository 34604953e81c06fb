"""Files instead of calls: the same pipeline, with the file's media time for a clock."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from guard.calls.file import FileSource
from guard.calls.source import LatestFrames
from guard.config import GuardConfig
from guard.errors import EnrolmentError, NoFaceError
from guard.pipeline import EnrolmentMoved, Judged, Outcome, Pipeline, SeatKey
from guard.runtime import front_end_factory, make_engine
from guard.verify.enrolment import Enrolment
from guard.verify.states import DriverState
from guard.verify.store import TemplateStore
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template

_BETWEEN_FILES_SECONDS = 2.0
"""Long enough for the pipeline to start a new window with each file."""
_SEAT = SeatKey("file", "file")


class FileRun:
    """Runs files one after the other through one seat of a pipeline."""

    def __init__(self, config: GuardConfig) -> None:
        """Raises EngineError where the configured engine cannot be loaded."""
        self._now = 0.0
        self._faces = 0
        one_seat = config.calls.model_copy(update={"max_participants": 1})
        self.pipeline = Pipeline(
            make_engine(config.engine),
            config.model_copy(update={"calls": one_seat}),
            front_end_factory(config.verify),
            clock=lambda: self._now,
        )
        self._frames = LatestFrames(1)
        self.seat = self.pipeline.add(_SEAT, self._frames, 0.0)

    @property
    def seconds(self) -> float:
        """Media time so far, over all files."""
        return self._now

    def outcomes(self, path: Path) -> Iterator[Outcome]:
        """What the pipeline says while it takes the file in. Raises NoVideoError, NoFaceError."""
        start = self._now + _BETWEEN_FILES_SECONDS if self._now > 0 else 0.0
        found = False
        for frame in FileSource(path):
            self._now = max(self._now, start + frame.pts_seconds)
            self._frames.push(replace(frame, arrival_seconds=self._now))
            for outcome in self.pipeline.tick():
                found = found or (isinstance(outcome, Judged) and outcome.stages is not None)
                yield outcome
        if not found:
            raise NoFaceError(f"no face can be followed in {path}; show one face, larger than a sixth of the height")


def enroll_files(config: GuardConfig, name: str, files: list[Path], consent_by: str, *, as_json: bool) -> None:
    """Enrol `name` from `files`; nothing is stored unless the whole enrolment is accepted. Raises GuardError."""
    store = TemplateStore(config.store)
    consent = ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, consent_by, datetime.now(UTC))
    template = _make_template(FileRun(config), config, name, files, consent)
    store.put(template)
    if as_json:
        report = {"name": name, "windows": len(template.embeddings), "engine_sha256": template.engine_sha256}
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        Console().print(f"enrolled [bold]{name}[/bold] from {len(template.embeddings)} windows; kept in {store.path}")


def _make_template(run: FileRun, config: GuardConfig, name: str, files: list[Path], consent: ConsentRecord) -> Template:
    run.seat.enrolment = Enrolment(name, consent, run.pipeline.engine.spec, config.verify)
    with _progress() as progress:
        task = progress.add_task(f"enrolling {name}", total=1.0)
        for path in files:
            for outcome in run.outcomes(path):
                if not isinstance(outcome, EnrolmentMoved):
                    continue
                if outcome.failure is not None:
                    raise EnrolmentError(outcome.failure)
                if outcome.template is not None:
                    return outcome.template
                progress.update(task, completed=outcome.progress)
    # Raises with how much is missing: a complete one would have come out above.
    return run.seat.enrolment.template(datetime.now(UTC))


def score_file(config: GuardConfig, path: Path, name: str, *, as_json: bool) -> None:
    """Score a file against the template `name` and print the course of it. Raises GuardError."""
    template = TemplateStore(config.store).get(name)
    run = FileRun(config)
    judged = [(run.seconds, run.pipeline.set_template(_SEAT, template))]
    with _progress() as progress:
        progress.add_task(f"scoring {path.name}", total=None)
        judged += [(run.seconds, outcome) for outcome in run.outcomes(path) if isinstance(outcome, Judged)]
    report = _score_report(path, name, template, judged, 1 / config.verify.scores_per_second)
    if as_json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        _print_score(report)


def _score_report(
    path: Path, name: str, template: Template, judged: list[tuple[float, Judged]], step_seconds: float
) -> dict[str, object]:
    llrs = np.array([item.verdict.llr for _, item in judged if item.verdict.llr is not None])
    scores: list[dict[str, object]] = []
    next_seconds = 0.0
    for seconds, item in judged:
        if seconds < next_seconds:
            continue
        next_seconds = seconds + step_seconds
        scores.append(
            {
                "seconds": round(seconds, 3),
                "llr": item.verdict.llr,
                "evidence": item.verdict.evidence,
                "similarity": item.verdict.similarity,
                "state": item.verdict.state,
                "valid_fraction": item.valid_fraction,
            }
        )
    changes = [(seconds, item.verdict.transition) for seconds, item in judged if item.verdict.transition]
    final = judged[-1][1].verdict
    return {
        "file": str(path),
        "name": name,
        "engine_sha256": template.engine_sha256,
        "seconds": round(judged[-1][0], 3),
        "state": final.state,
        "why": final.why,
        "llr_median": float(np.median(llrs)) if llrs.size else None,
        "llr_p5": float(np.quantile(llrs, 0.05)) if llrs.size else None,
        "llr_p95": float(np.quantile(llrs, 0.95)) if llrs.size else None,
        "states": [{"seconds": round(at, 3), "state": change.state, "why": change.why} for at, change in changes],
        "alerts": [
            {"seconds": round(seconds, 3), "severity": alert.severity, "reason": alert.reason}
            for seconds, item in judged
            for alert in item.verdict.alerts
        ],
        "scores": scores,
    }


def _print_score(report: dict[str, object]) -> None:
    console = Console()
    states, alerts = report["states"], report["alerts"]
    table = Table("at", "state", "why", title=f"{report['file']} as {report['name']}")
    for change in states if isinstance(states, list) else []:
        table.add_row(f"{change['seconds']:.1f} s", change["state"], change["why"])
    console.print(table)
    for alert in alerts if isinstance(alerts, list) else []:
        console.print(f"[bold red]{alert['severity']} alert[/bold red] at {alert['seconds']:.1f} s: {alert['reason']}")
    if report["llr_median"] is None:
        console.print("no window could be scored: the video is too short, or its face is lost too often")
    else:
        console.print(
            f"log-likelihood ratio per window: median {report['llr_median']:+.2f} nats "
            f"(5 % {report['llr_p5']:+.2f}, 95 % {report['llr_p95']:+.2f}) over {report['seconds']} s"
        )
    colour = {DriverState.VERIFIED: "green", DriverState.MISMATCH: "red"}.get(
        DriverState(str(report["state"])), "yellow"
    )
    console.print(f"[bold {colour}]{report['state']}[/bold {colour}]: {report['why']}")


def list_templates(config: GuardConfig, *, as_json: bool) -> None:
    """Print who is enrolled. Raises StoreError."""
    infos = TemplateStore(config.store).list()
    if as_json:
        rows = [
            {"name": info.name, "created": info.created.isoformat(), "expires": info.expires.isoformat()}
            for info in infos
        ]
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table("name", "enrolled", "erased on", "consent by")
    for info in infos:
        table.add_row(info.name, f"{info.created:%Y-%m-%d %H:%M}", f"{info.expires:%Y-%m-%d}", info.consent.given_by)
    Console().print(table if infos else "nobody is enrolled; use 'guard enroll NAME FILE' or the dashboard")


def forget_template(config: GuardConfig, name: str) -> None:
    """Erase a template. Raises UnknownNameError, StoreError."""
    TemplateStore(config.store).delete(name)
    Console().print(f"the template of {name} is erased")


def _progress() -> Progress:
    """A spinner on stderr, so that --json stays clean."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
