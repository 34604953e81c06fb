"""The model card of an engine: what it is, what it was made of, how well it does and where it must not be trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from engines.manifest import Manifest, Metric


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a card says beyond the manifest's numbers. Texts are Markdown.

    evaluation: how the metrics were measured, controls included. documents: files to ship beside it; pictures (.png)
    are shown in the card.
    """

    summary: str
    training_data: str
    licence: str
    metrics: tuple[Metric, ...]
    evaluation: str
    limits: str
    documents: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class CardFigures:
    """What measuring an engine changes in its card, as in ModelCard. worse_calls: those were measured, too."""

    metrics: tuple[Metric, ...]
    evaluation: str
    documents: tuple[Path, ...] = ()
    worse_calls: bool = False


WORSE_CALLS = ", codecs below about 300 kbit/s"
LIMITS = (
    f"Trained on rendered faces; real faces on camera{WORSE_CALLS} and strong head turns were not measured. "
    "Procedural drivers are simpler than people; real people that were measured were rendered: no row is the figure to "
    "expect in a call. A high score says that the motion fits the template, never that a face is real."
)
"""Of an engine that nothing was measured of."""


def remeasured(text: str, manifest: Manifest, figures: CardFigures) -> ModelCard:
    """The card `text` with other figures: what it says of the engine's origin is the engine's own and stays."""
    limits = (_section(text, "## Limits") or LIMITS).replace(WORSE_CALLS, "")
    if not figures.worse_calls:
        limits = limits.replace("faces on camera", f"faces on camera{WORSE_CALLS}")
    return ModelCard(
        summary=_section(text, "# [^\n]*"),
        training_data=manifest.training_data,
        licence=manifest.licence,
        metrics=figures.metrics,
        evaluation=figures.evaluation,
        limits=limits,
        documents=figures.documents,
    )


def _section(text: str, title: str) -> str:
    """What stands between a title and the next section; empty where there is none such."""
    found = re.search(rf"^{title}\n\n(?!## )(.*?)(?=\n\n## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def card_text(manifest: Manifest, card: ModelCard) -> str:
    """The card as Markdown."""
    spec, calibration = manifest.spec, manifest.calibration
    sections = [
        f"# {manifest.name} {manifest.version}",
        card.summary,
        "## What it computes",
        f"- Input: luma crops of 128x128, full range, {spec.fps_min:g}-{spec.fps_max:g} frames per second.\n"
        f"- Output: an L2-normalised embedding of {spec.embedding_size} numbers over the last {spec.window_frames} "
        f"frames ({spec.window_frames - spec.temporal_margin} positions).\n"
        f"- Log-likelihood ratio: {calibration.slope:.4g} x comparison score {calibration.offset:+.4g} "
        "(natural logarithm, positive speaks for the enrolled driver).\n"
        f"- Model hash: `{manifest.model_sha256}`.",
        "## Training data",
        card.training_data,
        "## Accuracy",
        _metric_table(card.metrics),
        card.evaluation,
        *(f"![{path.stem.replace('_', ' ')}]({path.name})" for path in card.documents if path.suffix == ".png"),
        "## Limits",
        card.limits,
        "## Licence",
        card.licence,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _metric_table(metrics: tuple[Metric, ...]) -> str:
    if not metrics:
        return "Not measured yet."
    rows = [
        "Intervals are 95 %, bootstrap over drivers.",
        "",
        "| Metric | Value | Interval | Drivers | Trials | About |",
        "|---|---|---|---|---|---|",
    ]
    for metric in metrics:
        interval = f"{metric.low:.3f}-{metric.high:.3f}"
        rows.append(
            f"| {metric.name} | {metric.value:.3f} | {interval} | {metric.drivers} | {metric.trials} | {metric.about} |"
        )
    return "\n".join(rows)
