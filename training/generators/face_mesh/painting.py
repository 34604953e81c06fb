"""What light meets: albedo and gloss of every vertex of a head, and the room behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.seeds import stream
from training.generators.face_mesh.correspondence import part_vertices
from training.generators.face_mesh.head import IRIS_ANGLE, PUPIL_ANGLE, Head, HeadTopology
from training.generators.face_mesh.looks import MESH_STREAM, Look
from training.generators.face_mesh.model import FaceModel, Floats
from training.generators.face_mesh.surfaces import Points, smooth_ramp
from training.generators.targets import CANONICAL_VIEW

_ROOM_CELLS = 7
_WAVES = 24


def albedo(model: FaceModel, topology: HeadTopology, head: Head, look: Look) -> Floats:
    """Albedo, 0-1, of every vertex (V,): skin with lips, brows, lashes, beard and blemishes, then the other parts."""
    rng = stream(MESH_STREAM, look.seed, 1)
    parts = topology.parts
    result = np.empty(len(head.vertices))
    result[parts["face"]] = _skin(model, look, rng)
    for side in ("right", "left"):
        result[parts[f"eye_{side}"]] = _eye(head.vertices[parts[f"eye_{side}"]], look.iris)
        result[parts[f"ear_{side}"]] = 0.85 * look.skin
    result[parts["mouth"]] = np.repeat([0.06, 0.03, 0.1], len(topology.loops["mouth"]))  # rim, walls, tongue
    for row, light in (("upper", 0.75), ("lower", 0.6)):
        across = head.vertices[parts[f"teeth_{row}"], 0]
        result[parts[f"teeth_{row}"]] = light * (1 - 7 * across**2) * (1 + 0.06 * np.cos(across * 95))
    strands = _noise(head.vertices[parts["hair"]] * np.array([18, 3, 18]), rng)
    result[parts["hair"]] = look.hair * (1 + 0.12 * strands)
    result[parts["neck"]] = _neck(head.vertices[parts["neck"]], look)
    return np.clip(result, 0.02, 1).astype(np.float32)


def gloss(topology: HeadTopology, look: Look) -> Floats:
    """How strongly each vertex (V,) mirrors the light: skin a little, eyes much, cloth and mouth not at all."""
    result = np.zeros(len(topology.follow), np.float32)
    result[topology.parts["face"]] = look.gloss
    result[topology.parts["hair"]] = 0.5 * look.gloss
    for side in ("right", "left"):
        result[topology.parts[f"eye_{side}"]] = 0.8
    return result


def highlight_exponents(topology: HeadTopology) -> Floats:
    """Blinn's exponent of every vertex (V,): a wide sheen on skin and hair, a small point on wet eyes."""
    result = np.full(len(topology.follow), 24, np.float32)
    for side in ("right", "left"):
        result[topology.parts[f"eye_{side}"]] = 180
    return result


def room(look: Look) -> NDArray[np.uint8]:
    """A wall out of focus behind the head, canonical framing (224, 224), full-range luma."""
    rng = stream(MESH_STREAM, look.seed, 2)
    base, contrast = rng.uniform(40, 200), rng.uniform(8, 45)
    grid = CANONICAL_VIEW.grid().astype(np.float64)
    blurred = _noise(grid * 1.3, rng)
    return np.clip(base + contrast * blurred, 10, 245).astype(np.uint8)


def _skin(model: FaceModel, look: Look, rng: np.random.Generator) -> NDArray[np.float64]:
    """Painted on the neutral mesh, so that every part of the face has its own place in all identities."""
    points = model.neutral.astype(np.float64)
    x, y = np.abs(points[:, 0]), points[:, 1]
    tone = look.skin * (1 + 0.05 * _noise(points * 4, rng) + 0.02 * _noise(points * 40, rng))
    for spot in points[rng.integers(0, len(points), 6)]:
        tone *= 1 - 0.3 * np.exp(-(((points - spot) / 0.014) ** 2).sum(axis=1))
    tone *= 1 - (1 - look.lips) * _lips(points)
    beard = np.maximum(smooth_ramp(y, 0.86, 1.0), smooth_ramp(y, 0.1, 0.4) * smooth_ramp(x, 0.5, 0.68))
    beard = np.maximum(beard, smooth_ramp(y, 0.56, 0.6) * smooth_ramp(y, 0.72, 0.66) * smooth_ramp(x, 0.36, 0.28))
    tone = _mixed(tone, 0.5 * (look.hair + 0.5 * look.skin), look.beard * beard * (1 - _lips(points)))
    for side in ("right", "left"):
        brow = _distance(points, part_vertices(f"brow_{side}"))
        tone = _mixed(
            tone, 0.7 * look.hair, look.brows * smooth_ramp(brow, 1.5 * look.brow_width, 0.5 * look.brow_width)
        )
        tone *= 1 - 0.55 * smooth_ramp(_distance(points, part_vertices(f"upper_lid_{side}")), 0.02, 0.006)
    line = look.style.hairline + 1.6 * np.clip(x - 0.45, 0, None) ** 1.3 + 0.02 * _noise(points * 12, rng)
    return _mixed(tone, look.hair, smooth_ramp(line - y, 0.0, 0.06))


def _lips(points: Points) -> NDArray[np.float64]:
    """How much a point belongs to the red of the lips, (V,): within the outline, the inside of the mouth included."""
    corners = points[part_vertices("mouth_corners"), :2]
    upper, lower = (points[part_vertices(f"{lip}_lip_outer"), :2] for lip in ("upper", "lower"))
    above, below = (np.concatenate([corners[:1], lip, corners[3:]]) for lip in (upper, lower))
    x, y = points[:, 0], points[:, 1]
    inside = np.minimum(y - np.interp(x, *above.T), np.interp(x, *below.T) - y)
    return smooth_ramp(inside, -0.012, 0.018) * smooth_ramp(np.abs(x), corners[3, 0] + 0.01, corners[3, 0] - 0.02)


def _eye(directions: Floats, iris: float) -> NDArray[np.float64]:
    """White, iris with a dark rim, pupil, by the angle from the axis."""
    angle = np.arctan2(np.hypot(directions[:, 0], directions[:, 1]), directions[:, 2])
    rim = np.exp(-(((angle - IRIS_ANGLE + 0.03) / 0.05) ** 2))
    inside = iris * (1 - 0.5 * rim)
    ball = _mixed(
        0.72 - 0.12 * smooth_ramp(angle, 0.5, 1.0), inside, smooth_ramp(angle, IRIS_ANGLE + 0.02, IRIS_ANGLE - 0.02)
    )
    return _mixed(ball, 0.03, smooth_ramp(angle, PUPIL_ANGLE + 0.02, PUPIL_ANGLE - 0.02))


def _neck(neck: Floats, look: Look) -> NDArray[np.float64]:
    front = (neck[:, 2] > neck[:, 2].mean()) * np.exp(-((neck[:, 0] / 0.3) ** 2))
    dressed = smooth_ramp(neck[:, 1] - 1.5 - 0.14 * front, -0.035, 0.035)
    return _mixed(0.7 * look.skin, look.cloth, dressed)


def _mixed(
    below: NDArray[np.float64] | float, above: NDArray[np.float64] | float, share: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    return np.asarray(below + share * (above - below))


def _distance(points: Points, line: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance (V,) of points to the line through some of them, in the picture's plane and in depth alike."""
    corners = points[line]
    start, along = corners[:-1], np.diff(corners, axis=0)
    towards = points[:, None] - start
    share = np.clip((towards * along).sum(axis=2) / (along**2).sum(axis=1), 0, 1)
    return np.asarray(np.linalg.norm(towards - share[..., None] * along, axis=2).min(axis=1))


def _noise(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random field at points (..., d): waves with random directions, mean 0, deviation 1."""
    waves, phases = rng.normal(size=(points.shape[-1], _WAVES)), rng.uniform(0, 2 * np.pi, _WAVES)
    return np.asarray(np.cos(points @ waves + phases).sum(axis=-1) * np.sqrt(2 / _WAVES))
