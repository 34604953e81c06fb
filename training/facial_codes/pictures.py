"""Tokens as pictures: ICT-FaceKit's face under a template, with what moves on it in red.

A template says what one token adds to a person's usual face, and single templates are small; so each is drawn stronger
than it is seen, up to one size for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.facial_codes.displacement import mesh_names
from training.generators.face_mesh.head import HairStyle, build_head, head_topology
from training.generators.face_mesh.looks import Look
from training.generators.face_mesh.model import FaceModel
from training.generators.face_mesh.painting import albedo, gloss, highlight_exponents
from training.generators.face_mesh.posing import gaze_matrix
from training.generators.face_mesh.rasterizer import rasterize
from training.generators.face_mesh.shading import Surface, shade, triangles_around, vertex_normals

PICTURE_PX = 96
_FINE = 3
"""Drawn this much larger and averaged."""
_UNIT_PX = 44.0
"""Pixels between the outer eye corners."""
_CENTRE_Y = 0.22
"""What is in the middle of a picture, face units below the eye corners."""
_BACKGROUND = 245.0
_SHOWN_SHIFT = 0.11
"""How far, in face units, the most moved point of a face goes in a picture."""
_STRONGEST = 6.0
"""A template is not drawn stronger than this many times: noise must not look like a grimace."""
_LEAST_SHIFT = 0.1
"""Share of that way below which nothing is coloured."""
_GAZE_TURN = 0.5
"""Sine of the turn of an eye whose blendshape is 1."""
_LOOK = Look(
    seed=0, bones=np.zeros(100), style=HairStyle(-0.15, 0.08, -0.55), skin=0.72, hair=0.2, lips=0.7, brows=0.8,
    brow_width=0.035, beard=0.0, iris=0.2, cloth=0.4, light=np.array([-0.36, -0.48, 0.8]), ambient=0.45, gloss=0.05,
)  # fmt: skip

Pictures = NDArray[np.uint8]


class TokenArtist:
    """Draws changes of blendshapes `names` on one neutral head."""

    def __init__(self, model: FaceModel, names: Sequence[str]) -> None:
        self._topology = head_topology(model)
        self._head = build_head(model, self._topology, model.neutral, _LOOK.style)
        self._names = tuple(names)
        triangles, vertices = self._topology.triangles, len(self._head.vertices)
        self._triangles = torch.from_numpy(triangles)
        self._around, self._begins = (torch.from_numpy(part) for part in triangles_around(triangles, vertices))
        self._albedo = torch.from_numpy(albedo(model, self._topology, self._head, _LOOK))
        self._gloss = torch.from_numpy(gloss(self._topology, _LOOK))
        self._exponent = torch.from_numpy(highlight_exponents(self._topology))
        self._deltas = torch.from_numpy(_by_score(self._topology.deltas, model.expression_names, self._names))

    def draw(self, templates: NDArray[np.floating]) -> Pictures:
        """Templates (K, C), in units of the scores -> pictures uint8 (K, 96, 96, 3), RGB."""
        return np.stack([self._picture(torch.from_numpy(np.asarray(row, np.float32))) for row in templates])

    def _picture(self, template: Tensor) -> Pictures:
        shift = torch.tensordot(template, self._deltas, dims=1)
        gaze = self._gaze(template)
        largest = max(float(shift.norm(dim=1).max()), 1e-6)
        strength = min(_SHOWN_SHIFT / largest, _STRONGEST)
        posed = self._posed(strength * shift, strength * gaze)
        luma, red = self._drawn(posed, strength * shift.norm(dim=1) / _SHOWN_SHIFT)
        tint = np.stack([luma + 0.35 * red * (255 - luma), luma * (1 - 0.55 * red), luma * (1 - 0.6 * red)], axis=2)
        return np.clip(np.round(tint), 0, 255).astype(np.uint8)

    def _posed(self, shift: Tensor, gaze: Tensor) -> Tensor:
        """Vertices (1, V, 3) in face units."""
        vertices = torch.from_numpy(self._head.vertices) + shift
        turns = gaze_matrix(gaze)
        for eye, side in enumerate(("right", "left")):
            part = self._topology.parts[f"eye_{side}"]
            centre = torch.from_numpy(self._head.eye_centres[eye])
            vertices[part] = torch.from_numpy(self._head.vertices[part]) @ turns[eye].T + centre
        return vertices.unsqueeze(0)

    def _gaze(self, template: Tensor) -> Tensor:
        """Where each eye is turned, x and y (2, 2), right eye first; the person's left is the picture's right."""
        value = {name: float(score) for name, score in zip(self._names, template, strict=True)}
        rows = []
        for side, outwards in (("Right", -1.0), ("Left", 1.0)):
            part = {way: value.get(f"eyeLook{way}{side}", 0.0) for way in ("Out", "In", "Down", "Up")}
            rows.append([outwards * (part["Out"] - part["In"]), part["Down"] - part["Up"]])
        return _GAZE_TURN * torch.tensor(rows)

    def _drawn(self, posed: Tensor, moved: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Luma 0-255 and share of red 0-1, (96, 96) each. moved: (V,), 1 = the furthest way."""
        size = PICTURE_PX * _FINE
        offset = torch.tensor([0.0, _CENTRE_Y, 0.0])
        middle = torch.tensor([size / 2, size / 2, 0.0])
        points = (posed - offset) * (_UNIT_PX * _FINE) + middle
        normals = vertex_normals(points, self._triangles, self._around, self._begins)
        surface = Surface(self._albedo[None], self._gloss[None], self._exponent[None])
        light = torch.from_numpy(_LOOK.light).float()[None]
        luma = shade(normals, surface, light, torch.tensor([_LOOK.ambient]))
        fragments = rasterize(points, self._triangles, size)
        values = torch.stack([luma[0], ((moved - _LEAST_SHIFT) / (1 - _LEAST_SHIFT)).clamp(0, 1)])
        picture = torch.zeros(2, size * size)
        picture[0] = _BACKGROUND
        for place, value in enumerate(values):
            picture[place, fragments.pixel] = fragments.interpolate(value[None])
        fine = functional.avg_pool2d(picture.view(1, 2, size, size), _FINE)[0]
        return fine[0].numpy(), fine[1].numpy()


def png(picture: Pictures) -> bytes:
    """A picture uint8 (h, w, 3), RGB, as a PNG file; steps of 4 of 256 that nobody sees make it a third smaller."""
    written, content = cv2.imencode(
        ".png", cv2.cvtColor(picture & 0xFC, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9]
    )
    if not written:
        raise ValueError(f"cannot write a picture of shape {picture.shape}")
    return bytes(content)


def _by_score(deltas: NDArray[np.float32], expressions: Sequence[str], names: Sequence[str]) -> NDArray[np.float32]:
    """Shifts (C, V, 3) of a head by tracker's scores out of those (E, V, 3) by the mesh's expressions."""
    place = {name: row for row, name in enumerate(expressions)}
    return np.stack([deltas[[place[part] for part in mesh_names(name) if part in place]].sum(axis=0) for name in names])
