"""A whole head around the face mesh: eyeballs, mouth and teeth inside it, hair, ears, neck and shoulders about it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from training.generators.face_mesh.correspondence import LOWER_GUM, part_vertices
from training.generators.face_mesh.model import FaceModel, Floats
from training.generators.face_mesh.surfaces import Points, around, ball, grid_triangles, smooth_ramp

IRIS_ANGLE, PUPIL_ANGLE = 0.44, 0.17
"""Radii of iris and pupil on the eyeball, radians."""
_EYE_ANGLES = np.array([0, 0.09, 0.16, 0.18, 0.26, 0.34, 0.42, 0.46, 0.55, 0.7, 0.9, 1.15, 1.4, 1.7])
_EYE_COLUMNS = 28
_BALL_SHARE = 0.95
"""Radius of the eyeball in that of the sphere on which the lids' inner edges glide."""
_TOOTH_ROWS, _TOOTH_COLUMNS = 4, 41
_HAIR_ROWS, _HAIR_COLUMNS = 26, 96
_NECK_COLUMNS = 56
_NECK_ROWS = np.concatenate([np.linspace(1.0, 1.4, 5), np.linspace(1.44, 1.8, 22), np.linspace(1.9, 2.8, 5)])
"""Heights of the rows: close together where the collar runs."""
_NECK_PROFILE = np.array(
    [  # y, half width, depth, share of the head's motion
        (1.0, 0.48, 0.30, 1.0), (1.3, 0.50, 0.48, 1.0), (1.42, 0.52, 0.50, 0.85), (1.56, 0.62, 0.54, 0.6),
        (1.68, 0.92, 0.58, 0.35), (1.82, 1.30, 0.62, 0.12), (2.0, 1.62, 0.64, 0.0), (2.8, 1.85, 0.64, 0.0),
    ]
)  # fmt: skip
_NECK_Z = -0.74
PARTS = (
    "face",
    "eye_right",
    "eye_left",
    "mouth",
    "teeth_upper",
    "teeth_lower",
    "hair",
    "ear_right",
    "ear_left",
    "neck",
)
_GRIDS = {
    "eye_right": (len(_EYE_ANGLES), _EYE_COLUMNS, True), "eye_left": (len(_EYE_ANGLES), _EYE_COLUMNS, True),
    "teeth_upper": (_TOOTH_ROWS, _TOOTH_COLUMNS, False), "teeth_lower": (_TOOTH_ROWS, _TOOTH_COLUMNS, False),
    "hair": (_HAIR_ROWS, _HAIR_COLUMNS, True), "ear_right": (9, 16, True), "ear_left": (9, 16, True),
    "neck": (len(_NECK_ROWS), _NECK_COLUMNS, True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HairStyle:
    """lower: y of its lower edge. volume: thickness in face units. hairline: y where it begins on the forehead."""

    lower: float
    volume: float
    hairline: float


@dataclass(frozen=True, slots=True)
class HeadTopology:
    """What all heads share. triangles int64 (F, 3) over all parts; deltas float32 (E, V, 3), what each expression
    moves; follow float32 (V,), share of the head's motion; parts: name -> slice of the vertices; loops: the mesh's
    inner rims, "eye_right", "eye_left" and "mouth", as vertices in order."""

    triangles: NDArray[np.int64]
    deltas: Floats
    follow: Floats
    parts: dict[str, slice]
    loops: dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Head:
    """One head at rest. vertices float32 (V, 3), the eyeballs' as offsets from their centres, looking at the viewer;
    eye_centres float32 (2, 3); eye_radii float32 (2,); right, then left."""

    vertices: Floats
    eye_centres: Floats
    eye_radii: Floats


def head_topology(model: FaceModel) -> HeadTopology:
    """Join the parts of a head in the order of PARTS."""
    loops = _inner_loops(model)
    mouth = len(loops["mouth"])
    grids = {"face": (1, len(model.neutral), False), "mouth": (3, mouth, True), **_GRIDS}
    ends = list(accumulate(grids[part][0] * grids[part][1] for part in PARTS))
    parts = {part: slice(end - grids[part][0] * grids[part][1], end) for part, end in zip(PARTS, ends, strict=True)}
    triangles = [model.triangles]
    triangles += [grid_triangles(*grids[part]) + parts[part].start for part in PARTS if part != "face"]
    triangles[PARTS.index("mouth")] = triangles[PARTS.index("mouth")][:, [0, 2, 1]]  # a bag is seen from inside
    deltas = np.zeros((len(model.expressions), ends[-1], 3), np.float32)
    deltas[:, parts["face"]] = model.expressions
    rim = model.expressions[:, loops["mouth"]]
    deltas[:, parts["mouth"]] = np.concatenate(
        [rim, rim, np.broadcast_to(rim.mean(axis=1, keepdims=True), rim.shape)], 1
    )
    for place, name in enumerate(model.expression_names):
        if name.startswith("jaw"):
            deltas[place, parts["teeth_lower"]] = model.expressions[place, LOWER_GUM]
    follow = np.ones(ends[-1], np.float32)
    shares = np.interp(_NECK_ROWS, _NECK_PROFILE[:, 0], _NECK_PROFILE[:, 3])
    follow[parts["neck"]] = np.repeat(shares, _NECK_COLUMNS)
    return HeadTopology(np.concatenate(triangles), deltas, follow, parts, loops)


def build_head(model: FaceModel, topology: HeadTopology, face: Floats, style: HairStyle) -> Head:
    """A head with the vertices (V, 3) of an identity's face."""
    balls = [_eyeball(model, topology, face, side) for side in ("right", "left")]
    width, chin = float(np.abs(face[:, 0]).max()), float(face[part_vertices("oval"), 1].max())
    eye = ball(_EYE_ANGLES, _EYE_COLUMNS).reshape(-1, 3)
    shapes = {
        "face": face.astype(np.float64),
        "eye_right": eye * balls[0][1],
        "eye_left": eye * balls[1][1],
        "mouth": _mouth(face[topology.loops["mouth"]]),
        "teeth_upper": _teeth(face, topology, upper=True),
        "teeth_lower": _teeth(face, topology, upper=False),
        "hair": _hair(width, style),
        "ear_right": _ear(-width),
        "ear_left": _ear(width),
        "neck": _neck(width, chin),
    }
    return Head(
        np.concatenate([shapes[part] for part in PARTS]).astype(np.float32),
        np.stack([centre for centre, _ in balls]).astype(np.float32),
        np.array([radius for _, radius in balls], np.float32),
    )


def _inner_loops(model: FaceModel) -> dict[str, NDArray[np.int64]]:
    """The rims of the eye and mouth openings: edges with one triangle, chained; the longest rim is the mesh's outer."""
    directed = np.concatenate([model.triangles[:, [0, 1]], model.triangles[:, [1, 2]], model.triangles[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in directed}
    following = {a: b for a, b in known if (b, a) not in known}
    loops: list[list[int]] = []
    while following:
        start, after = following.popitem()
        loop = [start]
        while after != start:
            loop.append(after)
            after = following.pop(after)
        loops.append(loop)
    inner = [np.array(loop) for loop in sorted(loops, key=len)[:3]]
    middle = {float(model.neutral[loop, 0].mean()): loop for loop in inner}
    right, mouth, left = (middle[x] for x in sorted(middle))
    return {"eye_right": right, "eye_left": left, "mouth": mouth}


def _eyeball(model: FaceModel, topology: HeadTopology, face: Floats, side: str) -> tuple[Points, float]:
    """Centre (3,) and radius of the ball on which the lids' inner edge glides when they open, close and follow it."""
    loop, letter = topology.loops[f"eye_{side}"], side[0].upper()
    moving = [f"{name}_{letter}" for name in ("eyeBlink", "eyeWide", "eyeLookDown", "eyeLookUp")]
    shifts = [model.expressions[model.expression_names.index(name)][loop] for name in moving]
    points = np.concatenate([face[loop], *(face[loop] + shift for shift in shifts)]).astype(np.float64)
    system = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    solution = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return solution[:3], _BALL_SHARE * float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def _mouth(rim: Floats) -> Points:
    """A dark bag behind the lips: the rim, the rim pushed back, and its middle."""
    back = rim - np.array([0, 0, 0.25])
    bottom = np.repeat(back.mean(axis=0, keepdims=True), len(rim), axis=0)
    return np.concatenate([rim, back, bottom])


def _teeth(face: Floats, topology: HeadTopology, upper: bool) -> Points:
    """A row of teeth on an arch just behind the lips."""
    rim = face[topology.loops["mouth"]]
    line = float(face[part_vertices("upper_lip_inner"), 1].mean())
    half = 0.26 if upper else 0.24
    front = float(rim[:, 2].max()) - (0.035 if upper else 0.06)
    edge, gum = (line + 0.045, line - 0.13) if upper else (line + 0.02, line + 0.2)
    turn = np.linspace(-1.35, 1.35, _TOOTH_COLUMNS)
    rows = np.linspace(min(edge, gum), max(edge, gum), _TOOTH_ROWS)
    x, y = np.meshgrid(half * np.sin(turn), rows)
    z = np.broadcast_to(front - 0.33 * (1 - np.cos(turn)), x.shape)
    return np.stack([x, y, z], axis=2).reshape(-1, 3)


def _hair(width: float, style: HairStyle) -> Points:
    """A cap that hangs down to its lower edge behind the face and is open towards it."""
    top = -1.02 - style.volume
    step = np.linspace(0, 1, _HAIR_ROWS - 1) ** 1.3
    y = top + (style.lower - top) * step
    rounding = np.sqrt(1 - np.clip((y + 0.1) / (top + 0.1), 0, 1) ** 2)
    ends = np.sqrt(1 - 0.6 * step**12)
    half = (width - 0.02 + style.volume) * rounding * ends
    front = (1.02 + 0.5 * style.volume) * rounding * (1 - 0.85 * smooth_ramp(y, -0.7, -0.3))
    y, half, front = np.append(y, y[-1]), np.append(half, 0.5 * half[-1]), np.append(front, 0.5 * front[-1])
    turn = np.linspace(0, 2 * np.pi, _HAIR_COLUMNS, endpoint=False)
    x, z = around(turn, half, front, half)
    return np.stack([x, np.repeat(y[:, None], _HAIR_COLUMNS, 1), z - 0.8], axis=2).reshape(-1, 3)


def _ear(x: float) -> Points:
    shape = ball(np.linspace(0, np.pi / 2 + 0.3, 9), 16) * np.array([0.09, 0.2, 0.1])
    lean = np.sign(x) * 0.25 * shape[..., 1:2] * np.array([-1.0, 0, 0])
    return np.asarray((shape + lean + np.array([x * 1.02, 0.17, -0.62])).reshape(-1, 3))


def _neck(width: float, chin: float) -> Points:
    """Neck and shoulders, hung below the chin."""
    half, depth = (np.interp(_NECK_ROWS, _NECK_PROFILE[:, 0], _NECK_PROFILE[:, column]) for column in (1, 2))
    turn = np.linspace(0, 2 * np.pi, _NECK_COLUMNS, endpoint=False)
    x, z = around(turn, half * width / 0.81, depth, depth)
    return np.stack([x, np.repeat(_NECK_ROWS[:, None] + chin - 1.3, _NECK_COLUMNS, 1), z + _NECK_Z], axis=2).reshape(
        -1, 3
    )
