"""What a worker does for a guard: learns models of people, and asks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.person_models.faces import FACE_SIDE_PX
from engines.person_models.folder import GENERAL_FILE, PersonModelManifest, read_person_models
from engines.person_models.messages import Kind, Message, read_stretches
from training.errors import TrainingError
from training.person_models.checkpoint import model_of, weights_of, with_weights
from training.person_models.faces import Faces, Recording
from training.person_models.learning import PERSON, LearningProgress, learn_person
from training.person_models.network import PersonModel
from training.person_models.score import log_ratio, swap_errors

_PROGRESS_STEP = 0.02


class Answering:
    """Knows the general model, the cohort, and the people whom it was told of."""

    def __init__(self, folder: Path, manifest: PersonModelManifest) -> None:
        """Raises ModelFolderError, CheckpointError where the folder cannot be trusted."""
        contents = read_person_models(folder, manifest)
        self._calibration, self._limit = manifest.calibration, manifest.limit
        self._learning = replace(PERSON, epochs=manifest.learning.epochs)
        self._general = model_of(contents[GENERAL_FILE], folder / GENERAL_FILE)
        if len(weights_of(self._general)) != manifest.weights:
            raise TrainingError(f"{folder / GENERAL_FILE}: is no model of {manifest.weights} weights; release it again")
        self._cohort = [model_of(contents[name], folder / name) for name in manifest.cohort]
        self._people: dict[int, PersonModel] = {}

    def answer(self, order: Message, tell: Callable[[Message], None], is_over: Callable[[], bool]) -> Message | None:
        """Do as ordered; None for an order without an answer. Raises TrainingError, ValueError where that fails.

        tell: takes news on the way. is_over: whether nobody waits for the answer any more.
        """
        if order.kind is Kind.KNOW:
            self._people[order.person] = with_weights(self._general, _weights(order.content))
            return None
        if order.kind is Kind.FORGET:
            self._people.pop(order.person, None)
            return None
        if order.kind is Kind.LEARN:
            return Message(Kind.LEARNT, order.person, content=self._learn(order, tell, is_over).tobytes())
        if order.kind is Kind.JUDGE:
            return Message(Kind.JUDGED, order.person, self._llr(order.person, _faces(order.content)))
        raise ValueError(f"no order: {order.kind}")

    def _learn(
        self, order: Message, tell: Callable[[Message], None], is_over: Callable[[], bool]
    ) -> NDArray[np.float32]:
        lengths, content = read_stretches(order.content)
        parts = np.split(_faces(content), np.cumsum(lengths)[:-1])
        told = 0.0

        def report(done: LearningProgress) -> None:
            nonlocal told
            share = done.step / done.steps
            if share - told >= _PROGRESS_STEP or share == 1:
                told = share
                tell(Message(Kind.PROGRESS, order.person, share))

        recordings = [Recording(part, "call") for part in parts]
        return weights_of(learn_person(self._general, recordings, self._learning, report=report, cancelled=is_over))

    def _llr(self, person: int, faces: Faces) -> float:
        own = self._people.get(person)
        if own is None or len(faces) < 2 or len(faces) % 2:
            raise ValueError(f"no probe of somebody known: person {person}, {len(faces)} faces")
        first, second = faces[: len(faces) // 2], faces[len(faces) // 2 :]
        claimed, *others = (swap_errors(model, first, second) for model in (own, *self._cohort))
        llr = self._calibration.slope * log_ratio(claimed, others) + self._calibration.offset
        return min(max(llr, -self._limit), self._limit)


def _faces(content: bytes) -> Faces:
    return np.frombuffer(content, np.uint8).reshape(-1, FACE_SIDE_PX, FACE_SIDE_PX)


def _weights(content: bytes) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = np.frombuffer(content, "<f4").astype(np.float32)
    if not np.isfinite(weights).all():
        raise ValueError("weights that are not finite")
    return weights
