"""Drive shaded 3-D heads with many motions at once, in torch on any device: the same call as `MeshWarp`.

    model = load_face_model(path)                       # ICT-FaceKit's narrow face, see face_mesh/model.py
    heads = FaceMeshRenderer(model, seeds).to(device)   # a target is a seed: bones, skin, hair, light, room
    clips = heads.render(target_index, motion, head, views)

Landmark motion becomes expression coefficients and a small turn of the head; eyeballs follow the irises; triangles are
drawn at twice the size and averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.drivers.face_basis import jaw_drop
from training.drivers.landmarks import LANDMARKS, PART, eye_apertures
from training.generators.face_mesh.correspondence import mesh_landmarks, part_vertices
from training.generators.face_mesh.fitting import MotionFit
from training.generators.face_mesh.head import build_head, head_topology
from training.generators.face_mesh.looks import draw_look
from training.generators.face_mesh.model import FaceModel, Floats, identity_face
from training.generators.face_mesh.painting import albedo, gloss, highlight_exponents, room
from training.generators.face_mesh.posing import gaze_matrix, head_moved, head_stilled, turn_matrix
from training.generators.face_mesh.rasterizer import rasterize
from training.generators.face_mesh.shading import Surface, shade, triangles_around, vertex_normals
from training.generators.mesh_warp_torch import FRAME_PX, ClipViews
from training.generators.targets import CANONICAL_VIEW, TARGET_SIZE_PX

_FINE_PX = 2 * FRAME_PX
_ROOM_PX = 64
_FRAMES_AT_ONCE, _FRAMES_AT_ONCE_ON_GPU = 4, 64
"""Few enough for a CPU's caches, enough to keep a GPU busy; about 12 MB a frame while it is drawn."""
_IRISES = [range(LANDMARKS)[PART[f"iris_{side}"]][0] for side in ("right", "left")]
_LIT_MOUTH = 0.1
"""Opening of the lips, face units, from which on the teeth get all the light that falls on the face."""


@dataclass(frozen=True, slots=True)
class _Frames:
    """Some frames in a row of all clips: target int64 (N,), motion (N, 95, 2), head (N, 4); of their clips' views,
    centre (N, 2), side (N,) and background (N,)."""

    target: Tensor
    motion: Tensor
    head: Tensor
    centre: Tensor
    side: Tensor
    background: Tensor

    def rows(self, first: int, end: int) -> _Frames:
        chosen = slice(first, end)
        return _Frames(
            self.target[chosen],
            self.motion[chosen],
            self.head[chosen],
            self.centre[chosen],
            self.side[chosen],
            self.background[chosen],
        )


class FaceMeshRenderer(nn.Module):
    """People made from a face model, one for each seed, ready to be driven; buffers only, nothing to train."""

    vertices: Tensor
    eye_centres: Tensor
    eye_radii: Tensor
    irises: Tensor
    gains: Tensor
    albedo: Tensor
    gloss: Tensor
    light: Tensor
    ambient: Tensor
    rooms: Tensor
    deltas: Tensor
    triangles: Tensor
    around: Tensor
    begins: Tensor
    exponent: Tensor
    follow: Tensor
    jaw: Tensor

    def __init__(self, model: FaceModel, seeds: Sequence[int]) -> None:
        super().__init__()
        topology = head_topology(model)
        looks = [draw_look(seed, len(model.identities)) for seed in seeds]
        faces = [identity_face(model, look.bones) for look in looks]
        heads = [build_head(model, topology, face, look.style) for face, look in zip(faces, looks, strict=True)]
        self.fit = MotionFit(model)
        self._parts = topology.parts
        self._lips = tuple(part_vertices(f"{lip}_lip_inner")[1:4].tolist() for lip in ("upper", "lower"))
        around, begins = triangles_around(topology.triangles, len(topology.follow))
        constants = {
            "vertices": np.stack([head.vertices for head in heads]),
            "eye_centres": np.stack([head.eye_centres for head in heads]),
            "eye_radii": np.stack([head.eye_radii for head in heads]),
            "irises": np.stack([mesh_landmarks(face)[_IRISES] for face in faces]),
            "gains": np.stack([_expression_gains(model, face) for face in faces]),
            "albedo": np.stack([albedo(model, topology, *pair) for pair in zip(heads, looks, strict=True)]),
            "gloss": np.stack([gloss(topology, look) for look in looks]),
            "exponent": highlight_exponents(topology),
            "light": np.stack([look.light for look in looks]).astype(np.float32),
            "ambient": np.array([look.ambient for look in looks], np.float32),
            "rooms": np.stack([room(look) for look in looks]),
            "deltas": topology.deltas.reshape(len(topology.deltas), -1),
            "triangles": topology.triangles,
            "around": around,
            "begins": begins,
            "follow": topology.follow[:, None],
            "jaw": jaw_drop(),
        }
        for name, values in constants.items():
            self.register_buffer(name, torch.from_numpy(values))

    @torch.no_grad()
    def render(self, target_index: Tensor, motion: Tensor, head: Tensor, views: ClipViews) -> Tensor:
        """Targets (B,) moved by landmark motion (B, T, 95, 2) and head motion (B, T, 4): float (B, T, 128, 128).

        Full-range luma, 0-255, not rounded.
        """
        batch, count = motion.shape[:2]
        opened = motion + views.rest_opening.view(-1, 1, 1, 1) * self.jaw
        frames = _Frames(
            target_index.repeat_interleave(count),
            opened.flatten(0, 1),
            head.flatten(0, 1),
            views.centre.repeat_interleave(count, dim=0),
            views.side.repeat_interleave(count),
            views.background.repeat_interleave(count),
        )
        at_once = _FRAMES_AT_ONCE if motion.device.type == "cpu" else _FRAMES_AT_ONCE_ON_GPU
        drawn = [self._drawn(frames.rows(first, first + at_once)) for first in range(0, batch * count, at_once)]
        return torch.cat(drawn).view(batch, count, FRAME_PX, FRAME_PX)

    def posed(self, target: Tensor, motion: Tensor, head: Tensor) -> Tensor:
        """Vertices (N, V, 3), face units, of targets (N,) under landmark motion (N, 95, 2) and head motion (N, 4)."""
        coefficients, turn = self.fit(motion)
        shift = (coefficients * self.gains[target]) @ self.deltas
        rest = self.vertices[target]
        turning = turn_matrix(turn)
        moved = (rest + shift.view_as(rest)) @ turning.mT
        centres = self.eye_centres[target] @ turning.mT
        looking = self.irises[target] + motion[:, _IRISES] - centres[..., :2]
        for eye, part in enumerate(("eye_right", "eye_left")):
            gaze = gaze_matrix(looking[:, eye] / self.eye_radii[target, eye, None])
            moved[:, self._parts[part]] = rest[:, self._parts[part]] @ gaze.mT + centres[:, eye, None]
        return torch.lerp(rest, head_moved(moved, head), self.follow)

    def _drawn(self, frames: _Frames) -> Tensor:
        """Pictures (N, 128, 128)."""
        posed = self.posed(frames.target, frames.motion, frames.head)
        fine_unit = (_FINE_PX / frames.side).view(-1, 1, 1)
        corner = functional.pad(frames.centre - frames.side.view(-1, 1) / 2, (0, 1)).unsqueeze(1)
        points = (posed - corner) * fine_unit
        normals = vertex_normals(points, self.triangles, self.around, self.begins)
        target = frames.target
        surface = Surface(self._lit(target, posed), self.gloss[target], self.exponent.expand(len(target), -1))
        luma = shade(normals, surface, self.light[target], self.ambient[target])
        fragments = rasterize(points, self.triangles, _FINE_PX)
        picture = self._room(frames).reshape(-1)
        picture[fragments.pixel] = fragments.interpolate(luma)
        return functional.avg_pool2d(picture.view(-1, 1, _FINE_PX, _FINE_PX), 2).squeeze(1)

    def _lit(self, target: Tensor, posed: Tensor) -> Tensor:
        """Albedo (N, V), teeth in the dark of a mouth that is all but shut."""
        result = self.albedo[target]
        upper, lower = (posed[:, list(lip)].mean(dim=1) for lip in self._lips)
        opening = ((lower - upper)[:, :2].norm(dim=1, keepdim=True) / _LIT_MOUTH).clamp(max=1)
        for row in ("teeth_upper", "teeth_lower"):
            result[:, self._parts[row]] *= opening**2
        return result

    def _room(self, frames: _Frames) -> Tensor:
        """What is behind the heads, (N, 256, 256), moving with them as far as the view says."""
        step = (torch.arange(_ROOM_PX, device=frames.side.device) + 0.5) / _ROOM_PX - 0.5
        offset = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1).view(1, -1, 2)
        points = frames.centre.unsqueeze(1) + offset * frames.side.view(-1, 1, 1)
        share = frames.background.view(-1, 1, 1)
        source = torch.lerp(points, head_stilled(points, frames.head), share).view(-1, _ROOM_PX, _ROOM_PX, 2)
        corner = torch.tensor([CANONICAL_VIEW.left, CANONICAL_VIEW.top], device=step.device)
        at = (source - corner) * (2 * CANONICAL_VIEW.unit_px / TARGET_SIZE_PX) - 1
        rooms = self.rooms[frames.target].unsqueeze(1).float()
        seen = functional.grid_sample(rooms, at, padding_mode="border", align_corners=False)
        return functional.interpolate(seen, size=_FINE_PX, mode="bilinear", align_corners=False)


def _expression_gains(model: FaceModel, face: Floats) -> Floats:
    """Factors (E,) that make the eyes of a face close when those of the neutral face do."""
    wide = eye_apertures(mesh_landmarks(face)) / eye_apertures(mesh_landmarks(model.neutral))
    gains = np.ones(len(model.expression_names), np.float32)
    for place, name in enumerate(model.expression_names):
        if name.startswith("eye"):
            gains[place] = wide[0 if name.endswith("_R") else 1]
    return gains
