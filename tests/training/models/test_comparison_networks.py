"""The rows that the engine is compared with: each is what its name says, and all of them train."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training.data.batches import Batch
from training.drivers.landmarks import LANDMARKS
from training.errors import TrainingError
from training.fit import FitConfig, start, train_step
from training.models.f5c import FullyConnectedCircular
from training.models.landmark_net import LANDMARK_MARGIN, LandmarkNet
from training.models.mol_f5c import EdgeCorrespondence, MolBlock, MolFeatDiff
from training.models.pixel_diff import PixelDiff
from training.models.raw_feat import RawFeat
from training.models.registry import NETWORKS, network_kind
from training.models.resnet18 import ResNet18, ResNet18Diff
from training.models.shuffled_time import ShuffledTime, shuffle_time
from training.models.static import StaticNet
from training.models.streaming import TEMPORAL_MARGIN, StreamingFeatDiff

LENGTH = 8


def frames(clips: int, length: int = LENGTH, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (clips, length, 128, 128), generator=generator, dtype=torch.uint8)


def batch() -> Batch:
    """Two drivers on two faces; every clip a picture of its own with a little noise."""
    generator = torch.Generator().manual_seed(1)
    pictures = nn.functional.interpolate(torch.rand(4, 1, 8, 8, generator=generator), (128, 128), mode="bilinear")
    return Batch(
        200 * pictures + 20 * torch.rand(4, LENGTH, 128, 128, generator=generator),
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([0, 1, 0, 1]),
        torch.rand(4, LENGTH - TEMPORAL_MARGIN, LANDMARKS + 4, generator=generator),
        0.02 * torch.randn(4, LENGTH, LANDMARKS, 2, generator=generator),
    )


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_one_step_reduces_the_loss_of_the_same_batch(name: str) -> None:
    run = start(FitConfig(network=name), LANDMARKS + 4, torch.device("cpu"))
    run.trainee.train()
    losses = []
    for _ in range(2):
        torch.manual_seed(3)  # the same dropout and the same shuffled time in both
        losses.append(sum(train_step(run, run.trainee, batch()).values()))
    assert losses[1] < losses[0]
    gradients = {name: parameter.grad for name, parameter in run.trainee.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.isfinite().all()] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_embeddings_have_the_size_asked_for_and_length_one(name: str) -> None:
    kind = NETWORKS[name]
    network = kind.build(24).eval()
    shape = (2, kind.shortest, LANDMARKS, 2) if kind.reads == "landmarks" else (2, kind.shortest, 128, 128)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        embedding = network(inputs)
        torch.testing.assert_close(network(inputs), embedding, rtol=0, atol=0)
    assert embedding.shape == (2, 24)
    assert embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


def test_an_unknown_network_is_named_with_those_that_are_known() -> None:
    with pytest.raises(TrainingError, match=r"unknown network 'lstm'; known are streaming, feat_diff, .*landmarks"):
        network_kind("lstm")


def test_pixel_differences_of_a_still_clip_are_zero_and_tell_nothing_of_the_picture() -> None:
    still = frames(2, 1).expand(2, LENGTH, 128, 128)
    assert PixelDiff.differences(frames(1)).shape == (1, LENGTH - 1, 128, 128)
    assert not PixelDiff.differences(still).any()
    with torch.no_grad():
        first, second = PixelDiff().eval()(still)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_raw_features_are_not_differenced() -> None:
    """A still clip keeps its picture: maps of T frames reach the head, and two pictures stay two."""
    network = RawFeat().eval()
    seen: list[Tensor] = []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    still = frames(2, 1).expand(2, LENGTH, 128, 128)
    with torch.no_grad():
        first, second = network(still)
    assert seen[0].shape == (2, 128, 16, 16, LENGTH)
    assert float(seen[0].abs().max()) > 0
    assert float((first * second).sum()) < 1 - 1e-6


def test_static_depends_on_the_middle_frame_alone() -> None:
    network = StaticNet().eval()
    clip = frames(1)
    others = frames(1, seed=9)
    others[:, LENGTH // 2] = clip[:, LENGTH // 2]
    changed = clip.clone()
    changed[:, LENGTH // 2] = 255 - changed[:, LENGTH // 2]
    with torch.no_grad():
        torch.testing.assert_close(network(others), network(clip), rtol=0, atol=0)
        assert not torch.allclose(network(changed), network(clip))


def test_shuffled_clips_hold_their_own_frames_each_once_in_another_order() -> None:
    clips = torch.arange(3 * 20).reshape(3, 20)
    shuffled = shuffle_time(clips, torch.Generator().manual_seed(0))
    torch.testing.assert_close(shuffled.sort(dim=1).values, clips)
    assert len({tuple((row % 20).tolist()) for row in shuffled} | {tuple(range(20))}) == 4
    torch.testing.assert_close(shuffle_time(clips, torch.Generator().manual_seed(0)), shuffled)


def test_the_shuffled_control_is_the_streaming_network_on_another_order() -> None:
    torch.manual_seed(4)
    control, network = ShuffledTime().eval(), StreamingFeatDiff().eval()
    network.load_state_dict(control.network.state_dict())
    still, moving = frames(1, 1).expand(1, LENGTH, 128, 128), frames(1)
    with torch.no_grad():
        torch.testing.assert_close(control(still), network(still))
        torch.testing.assert_close(control(moving), control(moving), rtol=0, atol=0)
        assert not torch.allclose(control(moving), network(moving))
    assert parameters(control) == parameters(network)


def test_resnet18_has_the_published_size_and_the_head_of_the_published_network() -> None:
    trunk = 11_565_248 - (512 * 512 + 512 + 2 * 512 + 512 * 256 + 256)  # the reference's total without its MLP
    assert parameters(ResNet18()) == trunk
    assert parameters(ResNet18Diff().head) == 473_888
    with torch.no_grad():
        assert ResNet18().eval()(torch.zeros(1, 1, 128, 128)).shape == (1, 512, 4, 4)


def test_mol_parts_have_the_sizes_of_the_reference() -> None:
    network = MolFeatDiff()
    assert parameters(network.stem) == 19_048
    assert parameters(EdgeCorrespondence()) == 131_584
    assert parameters(MolBlock()) == 149_378 - 898  # without the layers that are declared and never called
    assert parameters(FullyConnectedCircular(32)) == 16_896
    assert {id(value) for value in network.earlier.parameters()}.isdisjoint(map(id, network.later.parameters()))


def test_edge_correspondence_follows_its_definition() -> None:
    torch.manual_seed(5)
    layer, maps = EdgeCorrespondence(), torch.randn(1, 128, 16, 16)
    with torch.no_grad():
        out = layer(maps)[0].flatten(1)
        values = maps[0].flatten(1)
        unit = nn.functional.normalize(values, dim=0)
        nearest = (unit.T @ unit).topk(4, dim=1).indices  # (256, 4), each position its own first
        torch.testing.assert_close(nearest[:, 0], torch.arange(256))
        for channel in (0, 77):
            own = values[channel]
            edges = [values[channel, nearest[:, place]] - own for place in range(4)]
            expected = torch.stack([torch.relu(layer.node(own) + layer.edge(edge - own)) for edge in edges]).amax(0)
            torch.testing.assert_close(out[channel], expected, atol=1e-5, rtol=1e-5)


def test_landmark_distances_are_those_of_the_moved_face() -> None:
    network = LandmarkNet().eval()
    still = torch.zeros(1, LENGTH, LANDMARKS, 2)
    moved = still.clone()
    moved[0, 3:, 1] = network.neutral[0] - network.neutral[1] + torch.tensor([3.0, 4.0])  # 5 away from landmark 0
    assert network.distances(still).shape == (1, LENGTH, LANDMARKS * (LANDMARKS - 1) // 2)
    assert [round(float(value), 5) for value in network.distances(moved)[0, 2:4, 0]] == [
        round(float((network.neutral[0] - network.neutral[1]).norm()), 5),
        5.0,
    ]
    with torch.no_grad():
        steps = network.steps(moved)
        torch.testing.assert_close(network.distances(moved + 0.25), network.distances(moved))
    assert steps.shape == (1, LENGTH - LANDMARK_MARGIN, 256)
    torch.testing.assert_close(steps.norm(dim=2), torch.ones(1, LENGTH - LANDMARK_MARGIN))
