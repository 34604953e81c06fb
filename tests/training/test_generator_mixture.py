"""Batches of several generators: negatives of a face share one, positives differ in theirs, and steps repeat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.batches import BatchMaker, speed_scale
from training.data.material import Material, renderer
from training.data.sampler import CrossedSampler
from training.data.stored import StoredClips, WindowsOfBatches, load_stored, store_batches
from training.errors import DataError
from training.generators.generator import WARPS

CPU = torch.device("cpu")
NAMES = tuple(WARPS)


def maker(material: Material, generators: tuple[str, ...], face_mesh: Path | None = None) -> BatchMaker:
    targets = tuple(range(len(material.targets)))
    sampler = CrossedSampler(material.bank, material.groups, targets, (8,), 3, 2 * 3 * 8, 0, generators)
    render = renderer(material.targets, CPU, generators, face_mesh)
    return BatchMaker(sampler, material.bank, render, CPU, None, speed_scale(material.bank))


def test_negatives_share_a_generator_and_positives_do_not(small_material: Material) -> None:
    sampler = maker(small_material, NAMES).sampler
    of_face: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for step in range(12):
        plan = sampler.plan(step)
        for driver in np.unique(plan.driver):
            assert sorted(plan.generator[plan.driver == driver]) == [0, 1, 2]
        for face in range(3):
            shown = set(plan.generator[plan.target == face].tolist())
            assert len(shown) == 1
            of_face[face] |= shown
    assert all(seen == {0, 1, 2} for seen in of_face.values())


def test_a_mixture_draws_the_same_windows_as_one_generator(small_material: Material) -> None:
    one, mixed = (maker(small_material, names).sampler.plan(7) for names in (NAMES[:1], NAMES))
    assert one.generator.tolist() == [0] * len(one.driver)
    for name in ("driver", "clip", "offset", "target"):
        np.testing.assert_array_equal(getattr(one, name), getattr(mixed, name))


def test_every_clip_comes_from_the_generator_that_is_noted(small_material: Material) -> None:
    batch, again = (maker(small_material, NAMES)(5) for _ in range(2))
    torch.testing.assert_close(batch.inputs, again.inputs, rtol=0, atol=0)
    assert batch.generator == again.generator
    assert set(batch.generator) == set(NAMES)
    for name in NAMES:
        alone = maker(small_material, (name,))(5)
        rows = [row for row, noted in enumerate(batch.generator) if noted == name]
        assert alone.generator == (name,) * len(batch.generator)
        torch.testing.assert_close(batch.inputs[rows], alone.inputs[rows], rtol=0, atol=0.02)


def test_stored_clips_remember_their_generator(small_material: Material, tmp_path: Path) -> None:
    source = maker(small_material, NAMES[::2])
    store_batches(source, 1, tmp_path)
    stored = load_stored(tmp_path)
    assert stored[0].generator == source(0).generator
    mixture = WindowsOfBatches(stored, (4,), 1000, None, 0)(0)
    assert mixture.generator == 2 * stored[0].generator  # two windows of each clip
    unnoted = replace(stored[0], generator=())
    unnoted.save(tmp_path / "old.npz")
    assert StoredClips.load(tmp_path / "old.npz").generator == ()
    assert WindowsOfBatches((unnoted, stored[0]), (4,), 1000, None, 0)(0).generator == ()


def test_a_name_that_no_generator_has_is_refused(small_material: Material) -> None:
    with pytest.raises(DataError, match="no generator is called 'blender'"):
        renderer(small_material.targets, CPU, ("blender",))


def test_the_face_mesh_without_its_model_is_refused(small_material: Material) -> None:
    with pytest.raises(DataError, match="--face-mesh"):
        renderer(small_material.targets, CPU, ("mesh_warp", "face_mesh"))


@pytest.mark.shared_data
def test_shaded_faces_mix_with_warped_ones(small_material: Material, shared_data: Path) -> None:
    names = ("mesh_warp", "face_mesh")
    batch = maker(small_material, names, shared_data / "mesh" / "ict_facekit_narrow.npz")(3)
    warped = maker(small_material, names[:1])(3).inputs
    by_warp = torch.tensor([name == "mesh_warp" for name in batch.generator])
    assert by_warp.any()
    assert not by_warp.all()
    torch.testing.assert_close(batch.inputs[by_warp], warped[by_warp])
    assert (batch.inputs[~by_warp] - warped[~by_warp]).abs().mean() > 10
