"""The crop stands still while the face is inside, follows when it is not, and says so."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.pixels import CropBox, FaceBox, face_crop
from engines.stable_crop import (
    INNER_REACH,
    LOST_MISSES,
    MAX_FRAMES_PER_LOOK,
    MIN_FRAMES_PER_LOOK,
    SIZE_RATIO,
    StableCrop,
    fits,
)

FRAME = (1280, 720)
FACE = FaceBox(500, 200, 150, 200, 0.9)


def moved(dx: float = 0, dy: float = 0, zoom: float = 1) -> FaceBox:
    """FACE, moved by pixels and zoomed around its centre."""
    x, y = FACE.center
    width, height = FACE.width * zoom, FACE.height * zoom
    return FaceBox(x + dx - width / 2, y + dy - height / 2, width, height, 0.9)


class Scene:
    """A stream whose face can be put anywhere; counts the looks."""

    def __init__(self, fps: float = 30) -> None:
        self.crop = StableCrop()
        self.face: FaceBox | None = FACE
        self.size = FRAME
        self.pts = 0.0
        self.looks = 0
        self.near: CropBox | None = None
        self._fps = fps

    def look(self, near: CropBox | None) -> FaceBox | None:
        self.looks += 1
        self.near = near
        return self.face

    def frame(self) -> CropBox | None:
        box = self.crop.update(self.pts, self.size, self.look)
        self.pts += 1 / self._fps
        return box

    def play(self, seconds: float) -> CropBox | None:
        boxes = [self.frame() for _ in range(round(seconds * self._fps))]
        return boxes[-1]


def test_looks_at_the_first_frame_and_then_about_once_a_second() -> None:
    scene = Scene()
    assert scene.frame() == face_crop(FACE)
    assert (scene.looks, scene.near) == (1, None)
    scene.play(10)
    assert 10 <= scene.looks <= 11
    assert scene.near == face_crop(FACE)
    assert scene.crop.generation == 1


SIDE = face_crop(FACE).side
INSIDE = INNER_REACH * SIDE - 1


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-INSIDE, INSIDE), st.floats(-INSIDE, INSIDE), st.floats(0.8, 1.25)), min_size=1, max_size=15
    )
)
def test_never_moves_while_the_face_stays_in_the_inner_part(places: list[tuple[float, float, float]]) -> None:
    scene = Scene()
    first = scene.frame()
    for dx, dy, zoom in places:
        scene.face = moved(dx, dy, zoom)
        assert scene.play(1.1) == first
    assert scene.crop.generation == 1


@settings(deadline=None)
@given(
    angle=st.sampled_from([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1)]),
    beyond=st.floats(INNER_REACH * SIDE + 1, 3 * SIDE),
)
def test_always_follows_a_face_that_has_left(angle: tuple[int, int], beyond: float) -> None:
    scene = Scene()
    scene.frame()
    scene.face = moved(angle[0] * beyond, angle[1] * beyond)
    assert scene.play(1.1) == face_crop(scene.face)
    assert scene.crop.generation == 2


@settings(deadline=None)
@given(st.one_of(st.floats(0.2, 1 / SIZE_RATIO - 0.01), st.floats(SIZE_RATIO + 0.01, 4)))
def test_is_drawn_anew_when_the_size_has_changed_much(zoom: float) -> None:
    scene = Scene()
    scene.frame()
    scene.face = moved(zoom=zoom)
    assert scene.play(1.1) == face_crop(scene.face)


def test_a_face_that_trembles_on_the_border_moves_the_box_once() -> None:
    scene = Scene()
    scene.frame()
    for step in range(20):
        scene.face = moved(dx=INNER_REACH * SIDE + (3 if step % 2 else -3))
        scene.play(1.1)
    assert scene.crop.generation == 2


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.tuples(st.floats(-500, 500), st.floats(-150, 300), st.floats(0.3, 3))),
            st.sampled_from([FRAME, (640, 360), (480, 640)]),
            st.floats(0.03, 2.5),
        ),
        max_size=20,
    )
)
def test_another_box_is_another_generation(
    scenes: list[tuple[tuple[float, float, float] | None, tuple[int, int], float]],
) -> None:
    scene = Scene()
    shown: dict[int, CropBox] = {}
    generation = 0
    for place, size, seconds in scenes:
        scene.face = None if place is None else moved(*place)
        scene.size = size
        for _ in range(max(1, round(seconds * 30))):
            box = scene.frame()
            assert scene.crop.generation >= generation
            generation = scene.crop.generation
            if box is not None:
                assert shown.setdefault(generation, box) == box


def test_a_lost_face_is_held_for_a_second_and_found_again() -> None:
    scene = Scene()
    scene.play(1)
    scene.face = None
    assert scene.play(0.9) is not None
    assert scene.play(1.5) is None
    looks = scene.looks
    assert scene.play(10) is None
    assert scene.looks - looks <= 10 * 30 / MIN_FRAMES_PER_LOOK  # searching stays bounded
    scene.face = FACE
    assert scene.play(0.5) == face_crop(FACE)
    assert scene.crop.generation == 2


def test_a_face_far_larger_than_the_frame_is_none() -> None:
    scene = Scene()
    scene.face = moved(zoom=40)
    assert scene.play(1) is None


def test_one_missed_look_changes_nothing() -> None:
    scene = Scene()
    first = scene.frame()
    scene.face = None
    scene.play(1.05)
    scene.face = FACE
    assert scene.play(3) == first
    assert scene.crop.generation == 1


def test_a_simulcast_switch_scales_the_box_and_looks_again() -> None:
    scene = Scene()
    scene.play(2)
    looks = scene.looks
    scene.size = (640, 360)
    scene.face = FaceBox(FACE.x / 2, FACE.y / 2, FACE.width / 2, FACE.height / 2, 0.9)
    box = scene.frame()
    assert box is not None
    assert fits(box, scene.face)
    assert scene.crop.generation == 2
    scene.play(0.5)
    assert scene.looks > looks


def test_another_aspect_ratio_is_another_picture() -> None:
    scene = Scene()
    scene.play(2)
    scene.size = (720, 1280)
    scene.face = None
    assert scene.frame() is None


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=400))
def test_odd_time_stamps_cannot_buy_more_or_fewer_looks(times: list[float]) -> None:
    scene = Scene()
    for at in times:
        scene.pts = at
        scene.frame()
    assert len(times) // (MAX_FRAMES_PER_LOOK + 1) <= scene.looks <= 1 + len(times) / MIN_FRAMES_PER_LOOK


def test_a_face_is_lost_even_when_time_stands_still() -> None:
    scene = Scene(fps=1e9)
    scene.frame()
    scene.face = None
    for _ in range((LOST_MISSES + 1) * MAX_FRAMES_PER_LOOK):
        box = scene.frame()
    assert box is None
