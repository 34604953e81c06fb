"""Several drivers on one face, rendered: whose movements a model has learnt is all that can tell them apart."""

from __future__ import annotations

from collections import Counter

import numpy as np

from engines.person_models.faces import FEWEST_FRAMES, small_faces
from training.errors import DataError
from training.evaluation.bench_clips import BenchClips
from training.person_models.faces import Recording
from training.person_models.swap_tables import Enrolled


def driven_faces(clips: BenchClips) -> tuple[Enrolled, ...]:
    """Everybody who is long enough to be enrolled, on every face. Raises DataError for under three such drivers."""
    found = []
    for driver, face in sorted(set(zip(clips.driver.tolist(), clips.face.tolist(), strict=True))):
        shown = (clips.driver == driver) & (clips.face == face)
        enrol, probe = (
            tuple(Recording(small_faces(clips.frames[row]), str(row)) for row in np.flatnonzero(shown & side))
            for side in (~clips.probe, clips.probe)
        )
        if sum(len(recording.faces) for recording in enrol) >= FEWEST_FRAMES:
            found.append(Enrolled(f"{driver:02d}_{face:02d}", driver, face, enrol, probe))
    drivers = Counter(one.face for one in found)
    if not drivers or min(drivers.values()) < 3:
        raise DataError("a face of the bench has fewer than 3 drivers with enough video; a cohort needs 3")
    return tuple(found)
