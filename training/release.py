"""From a trained run to an engine that ships: calibrate on unseen people, export, measure through the engine itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engines.protocol import Calibration
from engines.registry import load_engine
from training.cohort import Cohort, build_cohort, calibrate_on, procedural_trials, real_trials
from training.data.channel import ChannelRange
from training.data.material import Extent, Material, load_material, renderer
from training.drivers.tracks import Split
from training.embedding import Embed, through_engine, through_network
from training.evaluate import CallProtocol, DriverEmbeddings, Protocol, embed_calls, embed_material
from training.export import export_engine
from training.fit import resume
from training.metrics import Trials
from training.report import SHORT_WINDOW, Unseen, blank_card

ENGINE_NAME = "f5c-stream"
FPS_RANGE = (20.0, 34.0)

_PUPPETS = 8
_STRANGERS_FROM = 1000
"""Place of the cohort's first seed, far from those that calibrate."""


@dataclass(frozen=True, slots=True)
class CalibrationMaterial:
    """Embeddings of validation people: strangers for the cohort, drivers to calibrate on, real people where given."""

    strangers: list[DriverEmbeddings]
    procedural: list[DriverEmbeddings]
    real: list[DriverEmbeddings]

    def cohort(self) -> Cohort:
        return build_cohort(self.strangers, self.real)

    def trials(self, cohort: Cohort) -> list[Trials]:
        """One set of trials for each kind of driver."""
        kinds = [procedural_trials(self.procedural, cohort)]
        return [*kinds, real_trials(self.real, cohort)] if len(self.real) > 1 else kinds


def real_material(unseen: Unseen, split: Split) -> Material | None:
    """Real people of a split on that split's faces; None without their tracks."""
    if unseen.data is None:
        return None
    return load_material(split, Extent(seeds=0, puppets=_PUPPETS), unseen.data, unseen.portraits)


def embed_one(material: Material, protocol: Protocol, embed: Embed) -> list[DriverEmbeddings]:
    """`embed_material` with one way of embedding."""
    render = renderer(material.targets, torch.device("cpu"))
    return embed_material(material, render, protocol, {"only": embed})["only"]


def calibration_material(embed: Embed, unseen: Unseen, cohort_seeds: int, processes: int) -> CalibrationMaterial:
    """Embed validation people: artificial ones in calls, strangers on faces of their own, real ones as rendered."""
    only = {"only": embed}
    drivers = embed_calls(calibration_calls(unseen, processes), only)["only"]
    strangers = CallProtocol(
        "val", cohort_seeds, 1, first=_STRANGERS_FROM, enrol_seconds=4.4, probe_seconds=2.2, processes=processes
    )
    real = real_material(unseen, "val")
    return CalibrationMaterial(
        embed_calls(strangers, only)["only"],
        drivers,
        [] if real is None else embed_one(real, real_protocol(2, ChannelRange()), embed),
    )


def calibration_calls(unseen: Unseen, processes: int) -> CallProtocol:
    """Artificial drivers of the validation range, eight to a face."""
    return CallProtocol("val", max(1, unseen.seeds // 8), 8, processes=processes)


def real_protocol(targets: int, channel: ChannelRange | None) -> Protocol:
    """Real people have short clips: short windows, many of them."""
    return Protocol(frames=SHORT_WINDOW, enrol=16, probe=10, targets=targets, channel=channel, seed=3)


def export_run(run: Path, out: Path, version: str, unseen: Unseen, cohort_seeds: int, threads: int) -> None:
    """Write a run as a calibrated engine folder; accuracy is measured afterwards, through the engine."""
    torch.set_num_threads(threads)
    network = resume(run, torch.device("cpu")).streaming().eval()
    found = calibration_material(through_network(network), unseen, cohort_seeds, threads)
    cohort = found.cohort()
    fitted = calibrate_on(found.trials(cohort))
    export_engine(
        network,
        out,
        name=ENGINE_NAME,
        version=version,
        calibration=Calibration(fitted.slope, fitted.offset, cohort.rows),
        fps_min=FPS_RANGE[0],
        fps_max=FPS_RANGE[1],
        card=blank_card(),
    )


def calibrate_engine(engine_folder: Path, unseen: Unseen, threads: int) -> dict[str, float]:
    """What calibration finds for an engine's own streaming path and shipped cohort."""
    torch.set_num_threads(threads)
    engine = load_engine(str(engine_folder), threads=threads)
    rows = embed_calls(calibration_calls(unseen, threads), {"only": through_engine(engine)})["only"]
    shipped = engine.spec.calibration
    cohort = Cohort(shipped.cohort, np.full((len(shipped.cohort), 2), -1))
    fitted = calibrate_on([procedural_trials(rows, cohort)])
    engine.close()
    return {
        "slope": fitted.slope,
        "offset": fitted.offset,
        "cllr_bits": fitted.cost_bits,
        "shipped_slope": shipped.slope,
        "shipped_offset": shipped.offset,
    }
