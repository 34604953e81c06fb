"""Person models that a study learns once and reads again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from training.data.recipe import claim
from training.person_models.checkpoint import load_model, save_model
from training.person_models.faces import Recording
from training.person_models.learning import LearningConfig, learn_person
from training.person_models.network import PersonModel


def kept_model(
    path: Path, general: PersonModel, recordings: Sequence[Recording], config: LearningConfig
) -> PersonModel:
    """The model of a person, learnt where `path` does not hold it yet.

    Raises DataError where it holds one that was learnt otherwise.
    """
    recipe = {**asdict(config), "general": weights_digest(general), "faces": _faces_digest(recordings)}
    claim(path.with_suffix(".json"), recipe, kept=path.exists())
    if not path.exists():
        began = time.process_time()
        model = learn_person(general, recordings, config)
        save_model(model, path, cpu_seconds=time.process_time() - began)
    return load_model(path)


def weights_digest(model: PersonModel) -> str:
    """Names a model by its weights."""
    content = hashlib.sha256()
    for value in model.state_dict().values():
        content.update(value.contiguous().numpy().tobytes())
    return content.hexdigest()[:16]


def _faces_digest(recordings: Sequence[Recording]) -> str:
    content = hashlib.sha256()
    for recording in recordings:
        content.update(recording.faces.tobytes())
    return content.hexdigest()[:16]
