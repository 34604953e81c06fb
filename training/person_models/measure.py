"""One study from files to a page: who is measured, on which clips, with which general models."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from engines.person_models.folder import PersonLearning, PersonModelManifest
from training.data.channel import ChannelRange
from training.errors import DataError
from training.evaluate import Protocol
from training.evaluation.bench_clips import BenchClips, BenchSource, bench_clips
from training.person_models.common_faces import driven_faces
from training.person_models.faces import people
from training.person_models.learning import PERSON
from training.person_models.own_faces import sides_of
from training.person_models.page import NAME, study_text, write_study
from training.person_models.release import release_person_models
from training.person_models.study import StudyPlan, run_study

COMMON_PROTOCOL = Protocol(frames=32, enrol=8, probe=8, targets=1, channel=ChannelRange(), seed=31)
"""Eight windows of 1.07 s a side, as far as people have them, on one face, through simulated calls. Every further face
asks for as many models again."""
COMMON_GENERATOR = "mesh_warp"


def measure_people(
    manifest: Path,
    generals: Path,
    out: Path,
    *,
    data: Path | None,
    portraits: Path | None,
    frames: int,
    epochs: int | None,
    variants: tuple[str, ...],
    common_seeds: int,
    read_out: bool,
    threads: int,
    tell: Callable[[str], None],
) -> str:
    """Run the study, write its page into `out` and return it. Raises DataError for what is missing."""
    torch.set_num_threads(threads)
    if common_seeds and data is None:
        raise DataError("drivers on common faces need --data with their tracks; or leave them out: --common-seeds 0")
    out.mkdir(parents=True, exist_ok=True)
    sides = sides_of(people(manifest, {"val", "test"}), frames)
    clips = _common_clips(data, portraits, out / "bench") if common_seeds and data is not None else None
    plan = StudyPlan(
        tuple(sorted(generals.glob("*.pt"))),
        out,
        data / "tracks" if data is not None and read_out else None,
        frames,
        replace(PERSON, epochs=epochs or PERSON.epochs),
        variants,
        common_seeds,
    )
    study = run_study(plan, sides, clips, tell)
    write_study(study, out)
    return study_text(study)


def release_study(
    study: Path,
    general: Path,
    out: Path,
    *,
    data: Path,
    portraits: Path | None,
    people: int,
    version: str,
    licence: str,
    threads: int,
) -> PersonModelManifest:
    """A folder for guards of what `measure_people` left in `study`, begun with this general model (SEED.pt).

    people: in the cohort, at most. Raises DataError where the study holds no models of that seed, on common faces too.
    """
    torch.set_num_threads(threads)
    learning = _learning_of(study)
    driven = driven_faces(_common_clips(data, portraits, study / "bench"))
    cohort = sorted((study / "models" / f"own_{general.stem}").glob("*.pt"))[:people]
    models = [study / "models" / f"common_{general.stem}" / f"{one.name}.pt" for one in driven]
    if not cohort or not all(path.is_file() for path in models):
        raise DataError(f"{study} holds no models that began with {general}; run 'person measure' with --common-seeds")
    return release_person_models(
        out,
        general,
        cohort,
        driven,
        models,
        learning=learning,
        version=version,
        licence=licence,
        training_data=f"general model {general.name}; a cohort of {len(cohort)} people on their own faces",
        kept=study / "errors",
    )


def _learning_of(study: Path) -> PersonLearning:
    """How the study's people were learnt."""
    try:
        found = json.loads((study / f"{NAME}.json").read_bytes())
        return PersonLearning(frames=found["enrolment_frames"], epochs=found["config"]["epochs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{study} holds no finished study ({error}); run 'person measure' to its end") from None


def _common_clips(data: Path, portraits: Path | None, folder: Path) -> BenchClips:
    # Painted faces only where there are no photographs: the general model has seen photographed faces alone.
    puppets = 8 if portraits is None else 0
    source = BenchSource(data, portraits, None, seeds=0, puppets=puppets, protocol=COMMON_PROTOCOL)
    return bench_clips(source, (COMMON_GENERATOR,), folder)[COMMON_GENERATOR]
