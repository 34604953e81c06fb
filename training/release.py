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
from training.errors import CheckpointError
from training.evaluate import DriverEmbeddings, Protocol, embed_material
from training.export import export_engine
from training.fit import load_network
from training.metrics import Trials
from training.models.streaming import StreamingFeatDiff
from training.report import SHORT_WINDOW, Unseen, blank_card

ENGINE_NAME = "f5c-stream"
FPS_RANGE = (20.0, 34.0)

_PUPPETS = 8


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


def procedural_material(unseen: Unseen, split: Split, seeds: range, seconds: float) -> Material:
    """Procedural drivers of a split, two takes each, on that split's faces. seeds: places within the split."""
    extent = Extent(seeds=len(seeds), skip=seeds.start, takes=2, take_seconds=seconds, puppets=_PUPPETS)
    return load_material(split, extent, None, unseen.portraits)


def real_material(unseen: Unseen, split: Split) -> Material | None:
    """Real people of a split on that split's faces; None without their tracks."""
    if unseen.data is None:
        return None
    return load_material(split, Extent(seeds=0, puppets=_PUPPETS), unseen.data, unseen.portraits)


def embed_one(material: Material, protocol: Protocol, embed: Embed) -> list[DriverEmbeddings]:
    """`embed_material` with one way of embedding."""
    render = renderer(material.targets, torch.device("cpu"))
    return embed_material(material, render, protocol, {"only": embed})["only"]


def calibration_material(embed: Embed, unseen: Unseen, cohort_seeds: int) -> CalibrationMaterial:
    """Embed validation people: calibration drivers first in the seed range, cohort strangers after them."""
    channel = ChannelRange()
    drivers = procedural_material(unseen, "val", range(unseen.seeds), 22.0)
    strangers = procedural_material(unseen, "val", range(unseen.seeds, unseen.seeds + cohort_seeds), 4.4)
    real = real_material(unseen, "val")
    return CalibrationMaterial(
        embed_one(strangers, Protocol(enrol=2, probe=1, targets=8, block=1, channel=channel, seed=1), embed),
        embed_one(drivers, Protocol(enrol=10, probe=4, targets=4, block=10, channel=channel, seed=2), embed),
        [] if real is None else embed_one(real, real_protocol(1, channel), embed),
    )


def real_protocol(targets: int, channel: ChannelRange | None) -> Protocol:
    """Real people have short clips: short windows, many of them."""
    return Protocol(frames=SHORT_WINDOW, enrol=16, probe=10, targets=targets, channel=channel, seed=3)


def export_run(run: Path, out: Path, version: str, unseen: Unseen, cohort_seeds: int, threads: int) -> None:
    """Write a run as a calibrated engine folder; accuracy is measured afterwards, through the engine."""
    torch.set_num_threads(threads)
    network = load_network(run)
    if not isinstance(network, StreamingFeatDiff):
        raise CheckpointError(f"{run} holds the STATIC control, which is no engine")
    found = calibration_material(through_network(network), unseen, cohort_seeds)
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
    drivers = procedural_material(unseen, "val", range(unseen.seeds), 22.0)
    protocol = Protocol(enrol=10, probe=4, targets=4, block=10, channel=ChannelRange(), seed=2)
    rows = embed_one(drivers, protocol, through_engine(engine))
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
