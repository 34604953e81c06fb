"""`guard enroll`, `guard score` and the list of templates: what is done with files instead of calls."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from guard.config import GuardConfig
from guard.errors import EnrolmentError
from guard.file_run import FILE_SEAT, FileRun
from guard.opinion_report import opinions_report, print_opinions
from guard.outcomes import EnrolmentMoved, Judged
from guard.verify.enrolment import Enrolment
from guard.verify.states import DriverState
from guard.verify.store import TemplateStore
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template
from guard.verify.witness_enrolment import CollectedParts
from guard.verify.witness_words import plain_name


def enroll_files(config: GuardConfig, name: str, files: list[Path], consent_by: str, *, as_json: bool) -> None:
    """Enrol `name` from `files`; nothing is stored unless the whole enrolment is accepted. Raises GuardError."""
    store = TemplateStore(config.store)
    consent = ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, consent_by, datetime.now(UTC))
    collected = CollectedParts()
    with FileRun(config) as run:
        if run.panel is not None:
            run.panel.begin_enrolment(FILE_SEAT)
        template = _make_template(run, config, name, files, consent)
        if run.panel is not None:
            _tell_trouble(run)
            collected = run.panel.end_enrolment(FILE_SEAT)
            template = replace(template, parts=collected.parts)
    store.put(template)
    if as_json:
        report: dict[str, object] = {
            "name": name,
            "windows": len(template.embeddings),
            "engine_sha256": template.engine_sha256,
        }
        if config.expressions.enabled:
            report["witnesses"] = {part.witness: len(part.embeddings) for part in template.parts}
            report["missing"] = list(collected.missing)
        sys.stdout.write(json.dumps(report) + "\n")
        return
    console = Console()
    console.print(f"enrolled [bold]{name}[/bold] from {len(template.embeddings)} windows; kept in {store.path}")
    for part in template.parts:
        console.print(f"  {plain_name(part.witness)} took {len(part.embeddings)} windows of it")
    for sentence in collected.missing:
        console.print(f"  [yellow]{escape(sentence)}[/yellow]")


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
    with FileRun(config) as run:
        judged = [(run.seconds, run.pipeline.set_template(FILE_SEAT, template))]
        with _progress() as progress:
            progress.add_task(f"scoring {path.name}", total=None)
            judged += [(run.seconds, outcome) for outcome in run.outcomes(path) if isinstance(outcome, Judged)]
        _tell_trouble(run)
    report = _score_report(path, name, template, judged, 1 / config.verify.scores_per_second)
    if heard := [item.verdict.second for _, item in judged if item.verdict.second is not None]:
        report["opinions"] = opinions_report(heard)
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
    if isinstance(opinions := report.get("opinions"), dict):
        print_opinions(opinions, console)
    colour = {DriverState.VERIFIED: "green", DriverState.MISMATCH: "red"}.get(
        DriverState(str(report["state"])), "yellow"
    )
    console.print(f"[bold {colour}]{report['state']}[/bold {colour}]: {report['why']}")


def _tell_trouble(run: FileRun) -> None:
    if (why := run.tracker_trouble) is not None:
        Console(stderr=True).print(f"no second opinions: {why}", markup=False, style="yellow", soft_wrap=True)


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
