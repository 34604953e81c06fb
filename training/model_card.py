"""The model card of an engine: what it is, what it was made of, how well it does and where it must not be trusted."""

from __future__ import annotations

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
