"""What a frozen embedding tells of a face's movements: blendshapes read out of it by a linear classifier.

As the publication reads action units out (mean F1 over those that are active often enough), with MediaPipe's
blendshapes in the place of a coder's action units: they are scores of a tracker, and no human ever labelled them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.errors import DataError
from training.evaluation.kept_arrays import kept_rows
from training.person_models.faces import Faces, Recording
from training.person_models.kept_models import weights_digest
from training.person_models.network import PersonModel
from training.person_models.swap_tables import Enrolled

_ACTIVE = 0.35
"""Blendshape score from which a movement counts as made (our choice; human coders of action units say yes or no)."""
_OFTEN = 0.02
"""Of the frames of both sides: rarer movements, and rarer rests, are left out (published for action units)."""
_FRAMES_AT_ONCE = 64

Features = NDArray[np.float32]
Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelledFaces:
    """faces: uint8 (n, 64, 64). moves: bool (n, 52), which blendshapes are active."""

    faces: Faces
    moves: Labels


@dataclass(frozen=True, slots=True)
class ReadOut:
    """Mean F1 of one person's movements on the probe side. movements: how many were read out."""

    own: float
    general: float
    others: float
    pixels: float
    movements: int


def labelled(recordings: Sequence[Recording], tracks: Path) -> LabelledFaces:
    """Faces with what the tracker saw move in them. tracks: folder of tracks.npz.

    Recordings without a track of their length are left out. Raises DataError where none is left or the file is unfit.
    """
    faces, moves = [], []
    path = tracks / "tracks.npz"
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            for recording in recordings:
                if f"{recording.key}|blend" not in arrays:
                    continue
                scores, seen = arrays[f"{recording.key}|blend"], arrays[f"{recording.key}|ok"]
                if len(scores) == len(recording.faces):
                    faces.append(recording.faces[seen])
                    moves.append(scores[seen] >= 255 * _ACTIVE)
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"cannot read the face tracks in {path}: {error}") from error
    if not faces:
        raise DataError(f"{path} holds no blendshapes of these recordings")
    return LabelledFaces(np.concatenate(faces), np.concatenate(moves))


@torch.no_grad()
def embeddings(model: PersonModel, faces: Faces) -> Features:
    """float32 (n, D) of faces uint8 (n, 64, 64)."""
    parts = []
    for first in range(0, len(faces), _FRAMES_AT_ONCE):
        shown = torch.from_numpy(faces[first : first + _FRAMES_AT_ONCE]).float()[:, None] / 255
        parts.append(model.encoder(model.normalised(shown)).numpy())
    return np.concatenate(parts)


def read_out_scores(
    sides: Sequence[Enrolled], general: PersonModel, models: Sequence[PersonModel], tracks: Path, kept: Path
) -> tuple[ReadOut, ...]:
    """Of each person, trained on the enrolment side: with the own model, the general one and the next person's.

    What `kept` holds is not computed again. Raises DataError where nobody moves often enough.
    """
    found = []
    for number, person in enumerate(sides):
        enrol, probe = labelled(person.enrol, tracks), labelled(person.probe, tracks)
        if not _both_often(enrol, probe).any():
            continue
        encoders = models[number], general, models[(number + 1) % len(models)]
        maker = "".join(weights_digest(model) for model in encoders).encode()
        faces = np.concatenate([enrol.faces, probe.faces])
        (row,) = kept_rows("read_out", maker, faces, kept, partial(_read_out_row, enrol, probe, encoders))
        own, common, others, pixels, movements = row.tolist()
        found.append(ReadOut(own, common, others, pixels, int(movements)))
    if not found:
        raise DataError("nobody moves often enough to read a movement out")
    return tuple(found)


def _read_out_row(enrol: LabelledFaces, probe: LabelledFaces, encoders: Sequence[PersonModel]) -> Features:
    """float32 (1, 5): mean F1 by each encoder and by as many principal components of the faces; how many movements."""
    movements = _both_often(enrol, probe)
    scores = [
        _mean_f1(embeddings(model, enrol.faces), embeddings(model, probe.faces), enrol, probe, movements)
        for model in encoders
    ]
    flat = [side.faces.reshape(len(side.faces), -1).astype(np.float32) / 255 for side in (enrol, probe)]
    components = PCA(encoders[0].encoder.embedding_size, random_state=0).fit(flat[0])
    pixels = _mean_f1(components.transform(flat[0]), components.transform(flat[1]), enrol, probe, movements)
    return np.array([[*scores, pixels, movements.sum()]], np.float32)


def _both_often(enrol: LabelledFaces, probe: LabelledFaces) -> Labels:
    both: Labels = _often(enrol.moves) & _often(probe.moves)
    return both


def _often(moves: Labels) -> Labels:
    share = moves.mean(axis=0)
    often: Labels = (share > _OFTEN) & (share < 1 - _OFTEN)
    return often


def _mean_f1(known: Features, asked: Features, enrol: LabelledFaces, probe: LabelledFaces, kept: Labels) -> float:
    scores = []
    for movement in np.flatnonzero(kept):
        reader: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300))
        reader.fit(known, enrol.moves[:, movement])
        scores.append(f1_score(probe.moves[:, movement], reader.predict(asked)))
    return float(np.mean(scores))
