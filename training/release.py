"""From a trained run to an engine that ships: calibrate on unseen people, export, measure through the engine itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from engines.protocol import Calibration
from engines.registry import load_engine
from training.cohort import (
    FILMED,
    NOBODY,
    Cohort,
    build_cohort,
    calibrate_on,
    procedural_trials,
    real_trials,
    recognised_cohort,
)
from training.data.channel import ChannelRange
from training.data.material import Extent, Material, load_material, renderer
from training.drivers.tracks import Split
from training.embedding import Embed, through_engine, through_network
from training.evaluate import CallProtocol, DriverEmbeddings, Protocol, embed_calls, embed_material
from training.evaluation.prepared_clips import prepared_clips
from training.export import export_engine
from training.filmed_cohort import filmed_people
from training.fit import resume
from training.metrics import Trials
from training.model_card import LIMITS, ModelCard
from training.origin import Stage, effort, origin_text
from training.report import SHORT_WINDOW, Unseen

FPS_RANGE = (20.0, 34.0)

_PUPPETS = 8
_STRANGERS_FROM = 1000
"""Place of the cohort's first seed, far from those that calibrate."""


@dataclass(frozen=True, slots=True)
class CalibrationMaterial:
    """Embeddings of validation people to calibrate on: artificial drivers, and real people where given."""

    procedural: list[DriverEmbeddings]
    real: list[DriverEmbeddings]

    def trials(self, cohort: Cohort) -> list[Trials]:
        """One set of trials for each kind of driver."""
        kinds = [procedural_trials(self.procedural, cohort)]
        return [*kinds, real_trials(self.real, cohort)] if len(self.real) > 1 else kinds

    def text(self) -> str:
        """A sentence for the card."""
        people = len({one.driver for one in self.real})
        kinds = [f"{len({one.driver for one in self.procedural})} procedural drivers"]
        kinds += [f"{people} real people"] if len(self.real) > 1 else []
        return f"Calibrated on {' and '.join(kinds)} of the validation split, whom training never saw."


def real_material(unseen: Unseen, split: Split) -> Material | None:
    """Real people of a split on that split's faces; None without their tracks."""
    if unseen.data is None:
        return None
    return load_material(split, Extent(seeds=0, puppets=_PUPPETS), unseen.data, unseen.portraits)


def embed_one(material: Material, protocol: Protocol, embed: Embed) -> list[DriverEmbeddings]:
    """`embed_material` with one way of embedding."""
    render = renderer(material.targets, torch.device("cpu"))
    return embed_material(material, render, protocol, {"only": embed})["only"]


def calibration_material(embed: Embed, unseen: Unseen, processes: int) -> CalibrationMaterial:
    """Embed validation people: artificial ones in calls, real ones as rendered."""
    drivers = embed_calls(calibration_calls(unseen, processes), {"only": embed})["only"]
    real = real_material(unseen, "val")
    return CalibrationMaterial(
        drivers, [] if real is None else embed_one(real, real_protocol(2, ChannelRange()), embed)
    )


def strangers(embed: Embed, seeds: int, processes: int) -> list[DriverEmbeddings]:
    """Artificial drivers of the validation range for the cohort, on faces of their own."""
    calls = CallProtocol(
        "val", seeds, 1, first=_STRANGERS_FROM, enrol_seconds=4.4, probe_seconds=2.2, processes=processes
    )
    return embed_calls(calls, {"only": embed})["only"]


def calibration_calls(unseen: Unseen, processes: int) -> CallProtocol:
    """Artificial drivers of the validation range, eight to a face."""
    return CallProtocol("val", max(1, unseen.seeds // 8), 8, processes=processes)


def real_protocol(targets: int, channel: ChannelRange | None) -> Protocol:
    """Real people have short clips: short windows, many of them."""
    return Protocol(frames=SHORT_WINDOW, enrol=16, probe=10, targets=targets, channel=channel, seed=3)


def export_run(
    run: Path, out: Path, version: str, unseen: Unseen, cohort_seeds: int, threads: int, filmed: Path | None = None
) -> None:
    """Write a run as a calibrated engine, named as its folder; accuracy is measured afterwards, through the engine.

    filmed: manifest of prepared clips, whose people of the training split join the cohort in their own videos.
    """
    torch.set_num_threads(threads)
    trained = resume(run, torch.device("cpu"))
    network = trained.streaming().eval()
    embed = through_network(network)
    found = calibration_material(embed, unseen, threads)
    own = [] if filmed is None else prepared_clips(filmed, "train")
    people = filmed_people(own, embed, network.config.window_frames)
    cohort = build_cohort(strangers(embed, cohort_seeds, threads), found.real, list(people.values()))
    fitted = calibrate_on(found.trials(cohort))
    export_engine(
        network,
        out,
        name=out.resolve().name,
        version=version,
        calibration=Calibration(fitted.slope, fitted.offset, cohort.rows),
        fps_min=FPS_RANGE[0],
        fps_max=FPS_RANGE[1],
        card=blank_card(trained.stages(), found, cohort),
    )


def blank_card(stages: Sequence[Stage], found: CalibrationMaterial, cohort: Cohort) -> ModelCard:
    """The card before anything was measured: where the engine comes from, as far as its checkpoint tells."""
    training_data = f"{origin_text(stages)}\n\n{found.text()} The cohort holds {_strangers_text(cohort)}."
    return ModelCard(_SUMMARY.format(effort=effort(stages)), training_data, "Apache-2.0", (), "", LIMITS)


def _strangers_text(cohort: Cohort) -> str:
    count = {kind: int((cohort.parents[:, 0] == kind).sum()) for kind in (NOBODY, FILMED)}
    rendered = len(cohort.rows) - sum(count.values())
    kinds = [f"{count[NOBODY]} procedural strangers"]
    kinds += [f"{rendered} blends of two real people each"] if rendered else []
    own = f"{count[FILMED]} blends of two people of the training split in their own videos"
    kinds += [own] if count[FILMED] else []
    return " and ".join([", ".join(kinds[:-1]), kinds[-1]] if len(kinds) > 1 else kinds)


def calibrate_engine(engine_folder: Path, unseen: Unseen, threads: int) -> dict[str, float]:
    """What calibration finds for an engine's own streaming path and shipped cohort, on what `export` calibrates on."""
    torch.set_num_threads(threads)
    engine = load_engine(str(engine_folder), threads=threads)
    found = calibration_material(through_engine(engine), unseen, threads)
    engine.close()
    shipped = engine.spec.calibration
    fitted = calibrate_on(found.trials(recognised_cohort(shipped.cohort, found.real)))
    return {
        "slope": fitted.slope,
        "offset": fitted.offset,
        "cllr_bits": fitted.cost_bits,
        "shipped_slope": shipped.slope,
        "shipped_offset": shipped.offset,
    }


_SUMMARY = (
    "Tells by motion alone who drives a talking face: F5C backbone, differences of consecutive feature maps, two "
    "temporal convolutions without padding, optical flow beside them, mean and deviation over the window. Trained for "
    "{effort}: read the accuracy below before relying on it."
)
