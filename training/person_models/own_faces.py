"""People on their own videos, enrolled on some days and probed on others: how well their models fit them.

Face, camera and clothes differ between people here, so models are told apart by what somebody looks like. The control
shows each face twice: with no movement to swap, what is left is looks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engines.person_models.faces import FEWEST_FRAMES
from training.errors import DataError
from training.person_models.faces import Recording
from training.person_models.learning import enrolment_of
from training.person_models.score import PROBE_APART_FRAMES
from training.person_models.swap_tables import Enrolled
from training.person_models.trials import ANY_FACE

PROBES = 8
"""Recordings of each person, evenly over all there are."""
FEWEST_PROBES = 4


def sides_of(everybody: Mapping[str, Sequence[Recording]], frames: int) -> tuple[Enrolled, ...]:
    """Everybody with recordings of two days or more, which take sides in turn. frames: to enrol with, about.

    Raises DataError where fewer than three people have enough.
    """
    found: list[Enrolled] = []
    for recordings in everybody.values():
        days = sorted({recording.session for recording in recordings})
        sides = [[r for r in recordings if r.session in set(days[side::2])] for side in (0, 1)]
        long_enough = [r for r in sides[1] if len(r.faces) > PROBE_APART_FRAMES]
        if sum(len(r.faces) for r in sides[0]) < FEWEST_FRAMES or len(long_enough) < FEWEST_PROBES:
            continue
        chosen = np.unique(np.linspace(0, len(long_enough) - 1, PROBES).round().astype(int))
        number = len(found)
        enrol, probe = enrolment_of(sides[0], frames), tuple(long_enough[place] for place in chosen)
        found.append(Enrolled(f"{number:02d}", number, ANY_FACE, enrol, probe))
    if len(found) < 3:
        raise DataError(f"only {len(found)} people have recordings of two days; a cohort needs 3")
    return tuple(found)
