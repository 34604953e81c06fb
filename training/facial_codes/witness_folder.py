"""Writes the live witness's folder: graph, cohort, calibration, card, and what each token means."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from training.facial_codes.clips import ExpressionClip, levelled
from training.facial_codes.explanation import ExplainedTokens
from training.facial_codes.fitting import FitSettings
from training.facial_codes.sheet import save_sheet
from training.facial_codes.witness import (
    WINDOW,
    Calls,
    MadeWitness,
    graph_file,
    make_witness,
    parts_of,
    witness_metrics,
)
from training.facial_codes.witness_graph import RATE_HZ, WINDOW_FRAMES
from training.metrics import Trials
from training.witness_release import Movements, WitnessDraft, write_witness

if TYPE_CHECKING:
    from training.facial_codes.session import Tracked

NAME = "facial_codes"
LICENCE = "Apache-2.0"
LIMITS = (
    "Counts which facial movements somebody makes, not how they follow each other. On people's own faces the shape of "
    "a face colours what a tracker sees, so the figure that counts is that of calls whose drivers share a face; there "
    "a single window tells little. A mood, a topic or a light that is unlike enrolment changes the counts, too."
)


def write(tracked: Tracked, calls: Calls, out: Path, version: str, settings: FitSettings) -> list[str]:
    """Make it and write it; a line a figure. The contact sheet of all tokens goes beside the folder's other files."""
    from training.facial_codes.session import explained_tokens

    clips = tracked.clips()
    made = make_witness(clips, calls, tracked.shifts(), settings)
    parts = parts_of(clips)
    explained, shares = explained_tokens(made.graph.network, [levelled(clip) for clip in parts.train], tracked.artist())
    sheet = out.with_name(f"{out.name}_tokens.png")
    out.parent.mkdir(parents=True, exist_ok=True)
    save_sheet(explained.pictures, explained.words, shares, sheet)
    metrics = witness_metrics(made)
    write_witness(
        out,
        draft(made, version),
        graph_file(made.graph),
        made.cohort.rows,
        {
            "licence": LICENCE,
            "training_data": training_data(made, parts.train, settings),
            "limits": LIMITS,
            "metrics": metrics,
        },
        movements=movements(explained),
    )
    figures = [f"{row['name']} {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for row in metrics]
    return [
        *figures,
        f"llr = {made.calibration.slope:.3f} x score {made.calibration.offset:+.3f}",
        f"tokens drawn in {sheet}",
    ]


def draft(made: MadeWitness, version: str) -> WitnessDraft:
    return WitnessDraft(
        name=NAME,
        version=version,
        reads="blendshapes",
        rate_hz=RATE_HZ,
        window_frames=WINDOW_FRAMES,
        embedding_size=made.graph.network.size.codes,
        slope=made.calibration.slope,
        offset=made.calibration.offset,
    )


def movements(explained: ExplainedTokens) -> Movements:
    return Movements([asdict(entry) for entry in explained.entries], explained.files())


def training_data(made: MadeWitness, train: list[ExpressionClip], settings: FitSettings) -> str:
    """In numbers, as cards tell it: nobody is named."""
    people = len({clip.person for clip in train})
    frames = sum(len(clip.values) for clip in train)
    size, own, shared = settings.size, made.own_faces, made.same_face[WINDOW]
    return (
        f"{settings.steps} steps of {settings.batch} frames (seed {settings.seed}): {size.codes} codes in "
        f"{size.stages} stages were learnt of {frames} frames of {people} people, each recording about its own median. "
        f"The cohort ({len(made.cohort.rows)} rows) holds blends of two of {made.calibration_people} other people "
        f"each, and {made.calibration_drivers} artificial drivers of rendered calls, on whom the witness is "
        f"calibrated, each pair without its own rows. Figures come from {_drivers(shared)} artificial drivers and "
        f"{_drivers(own)} people who took no part in any of it."
    )


def _drivers(trials: Trials) -> int:
    return len(set(trials.template_driver.tolist()))
