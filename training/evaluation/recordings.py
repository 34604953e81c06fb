"""How much video the two sides of real people's trials hold, and whether they come from one recording or from several.

Two halves of one recording share its topic, mood and face tracking, so a driver is known again in them more easily than
in another recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from training.data.material import Material
from training.data.windows import driver_windows
from training.evaluate import DriverEmbeddings, Protocol

OTHER_RECORDING = "another recording"
HALVES = "halves of one"
FEWEST_DRIVERS = 5
"""With fewer an interval over drivers says nothing."""


def by_recordings(
    material: Material, protocol: Protocol, rows: Sequence[DriverEmbeddings]
) -> dict[str, list[DriverEmbeddings]]:
    """Rows that `embed_material` gave for the same material and protocol: of drivers whose sides come from different
    recordings, and of those with one only."""
    found: dict[str, list[DriverEmbeddings]] = {OTHER_RECORDING: [], HALVES: []}
    for row in rows:
        side = driver_windows(material.bank, row.driver, protocol.frames, protocol.enrol, protocol.probe)
        halves = side is not None and side.same_session
        found[HALVES if halves else OTHER_RECORDING].append(row)
    return found


def pooled_seconds(rows: Sequence[DriverEmbeddings], window_seconds: float) -> str:
    """What is compared when all windows of a side are pooled."""
    probe, enrol = probe_seconds(rows, window_seconds), template_seconds(rows, window_seconds)
    return f"{probe} against {enrol}"


def probe_seconds(rows: Sequence[DriverEmbeddings], window_seconds: float) -> str:
    return _seconds({row.driver: len(row.probe) for row in rows}.values(), window_seconds)


def template_seconds(rows: Sequence[DriverEmbeddings], window_seconds: float) -> str:
    return _seconds({row.driver: len(row.enrol) for row in rows}.values(), window_seconds)


def _seconds(windows: Iterable[int], window_seconds: float) -> str:
    """Median and range over drivers."""
    seconds = window_seconds * np.array(list(windows))
    if np.ptp(seconds) == 0:
        return f"{seconds[0]:.1f} s"
    return f"{np.median(seconds):.1f} s (median; {seconds.min():.1f} to {seconds.max():.1f})"
