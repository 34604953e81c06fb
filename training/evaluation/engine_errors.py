"""Errors of an engine that was measured on its own, laid beside the exact motion of what it was probed with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.data.material import Material
from training.data.windows import driver_windows
from training.errors import DataError
from training.evaluate import CallProtocol, DriverEmbeddings, Protocol
from training.evaluation.bench_clips import PROCEDURAL_FROM
from training.evaluation.error_analysis import ErrorAnalysis, analyse, probe_motion


def call_errors(protocol: CallProtocol, rows: Sequence[DriverEmbeddings]) -> ErrorAnalysis:
    """Of artificial drivers in calls. rows: of the protocol's recordings in their order; as many of the probe's first
    windows as they hold."""
    landmarks, driver, face = [], [], []
    for row, (_, probe) in zip(rows, protocol.recordings(), strict=True):
        moved = probe.landmarks(len(row.probe) * protocol.frames)
        landmarks.append(moved.reshape(-1, protocol.frames, *moved.shape[1:]))
        driver.append(np.full(len(row.probe), row.driver + PROCEDURAL_FROM))
        face.append(np.full(len(row.probe), row.target))
    motion = probe_motion(*(np.concatenate(part) for part in (landmarks, driver, face)))
    return analyse(motion, [replace(row, driver=row.driver + PROCEDURAL_FROM) for row in rows])


def people_errors(material: Material, protocol: Protocol, rows: Sequence[DriverEmbeddings]) -> ErrorAnalysis:
    """Of real people's motion on other faces. rows: what `embed_material` gave for the same material and protocol."""
    landmarks, driver, face = [], [], []
    for row in rows:
        side = driver_windows(material.bank, row.driver, protocol.frames, protocol.enrol, protocol.probe)
        if side is None:
            raise DataError(f"driver {row.driver} has no windows of {protocol.frames} frames on both sides")
        landmarks.append(material.bank.windows(side.probe[:, 0], side.probe[:, 1], protocol.frames)[0])
        driver.append(np.full(len(side.probe), row.driver))
        face.append(np.full(len(side.probe), row.target))
    return analyse(probe_motion(*(np.concatenate(part) for part in (landmarks, driver, face))), rows)
