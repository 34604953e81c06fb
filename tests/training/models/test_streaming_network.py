"""The streaming network, its pieces for the engine, and the STATIC control."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from training.models.optical_flow import optical_flow
from training.models.static import StaticNet
from training.models.step_graphs import step_graphs
from training.models.streaming import (
    MOMENTS_SIZE,
    POOLED_SIZE,
    POSITION_SIZE,
    TEMPORAL_MARGIN,
    Positions,
    StreamingConfig,
    StreamingFeatDiff,
    TemporalConvolution,
)

torch.set_num_threads(1)


def frames(clips: int, length: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (clips, length, 128, 128), generator=generator, dtype=torch.uint8)


@pytest.fixture
def model() -> StreamingFeatDiff:
    """Random, with BatchNorm statistics that are not trivial, in evaluation mode."""
    torch.manual_seed(5)
    model = StreamingFeatDiff()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    return model.eval()


def test_parameters_are_the_live_ones_of_the_published_network_and_three_residual_convolutions() -> None:
    network = StreamingFeatDiff()
    published = (network.backbone, network.first, network.second)
    assert sum(value.numel() for part in published for value in part.parameters()) == 304_984
    ours = 128 * 128 + 3 * 128 + 64 * 64 * 9 + 3 * 64 + 32 * 32 * 9 + 3 * 32
    assert sum(value.numel() for value in network.parameters()) == 304_984 + ours + MOMENTS_SIZE * 256


@pytest.mark.parametrize("make", [StreamingFeatDiff, StaticNet])
def test_every_parameter_takes_part(make: type[StreamingFeatDiff | StaticNet]) -> None:
    torch.manual_seed(6)
    network = make()
    embedding = network(frames(3, 8))
    assert embedding.shape == (3, 256)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))
    (embedding * torch.randn(3, 256)).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_bytes_and_floats_are_the_same_input(model: StreamingFeatDiff) -> None:
    clip = frames(1, 7)
    with torch.no_grad():
        torch.testing.assert_close(model(clip), model(clip.float()), atol=0, rtol=0)


def test_embedding_is_single_precision_under_autocast(model: StreamingFeatDiff) -> None:
    clip = frames(2, 8)
    with torch.no_grad():
        exact = model(clip)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = model(clip)
    assert rounded.dtype == torch.float32
    assert float((exact * rounded).sum(1).min()) > 0.95


@pytest.mark.parametrize("length", [6, 7, 20])
def test_positions_do_not_depend_on_where_the_clip_begins(model: StreamingFeatDiff, length: int) -> None:
    clip = frames(1, length + 4)
    with torch.no_grad():
        whole, rest = model.embed_positions(clip), model.embed_positions(clip[:, 4:])
    assert rest.values.shape == (1, length - TEMPORAL_MARGIN, POSITION_SIZE)
    torch.testing.assert_close(whole.values[:, 4:], rest.values, atol=1e-5, rtol=1e-5)


def test_fewer_than_six_frames_are_refused(model: StreamingFeatDiff) -> None:
    with pytest.raises(ValueError, match="at least 6 frames, got 5"):
        model(frames(1, 5))


def test_positions_that_see_a_break_do_not_count(model: StreamingFeatDiff) -> None:
    clip, continues = frames(2, 14), torch.ones(2, 14, dtype=torch.bool)
    continues[:, 0] = False
    continues[1, 7] = False
    with torch.no_grad():
        positions = model.embed_positions(clip, continues)
        broken = model(clip, continues)[1]
        before, after = (model.embed_positions(part).values for part in (clip[1:, :7], clip[1:, 7:]))
        whole = torch.cat([before, after], dim=1)
        expected = model.embedding(Positions(whole, torch.ones(whole.shape[:2], dtype=torch.bool)).moments())[0]
    assert positions.valid[0].all()
    assert positions.valid[1].nonzero().flatten().tolist() == [0, 1, 7, 8]
    torch.testing.assert_close(broken, expected, atol=1e-5, rtol=1e-5)


def test_mean_of_no_position_is_zero() -> None:
    nothing = Positions(torch.ones(1, 3, 512), torch.zeros(1, 3, dtype=torch.bool)).moments()
    torch.testing.assert_close(nothing, torch.zeros(1, 1024))


def test_temporal_convolution_is_a_convolution_over_time_and_space() -> None:
    torch.manual_seed(8)
    layer = TemporalConvolution(10, 6).eval()
    slices = torch.randn(2, 9, 10, 16, 8)
    kernel = layer.conv.weight.reshape(6, 3, 10, 3, 3).transpose(1, 2)
    with torch.no_grad():
        volume = nn.functional.conv3d(
            slices.transpose(1, 2), kernel, layer.conv.bias, stride=(1, 1, 2), padding=(0, 1, 1)
        ).transpose(1, 2)
        expected = torch.relu(layer.norm(volume.flatten(0, 1))).reshape(volume.shape)
        torch.testing.assert_close(layer(slices), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(layer.step(slices[:, 4:7].flatten(1, 2)), expected[:, 4], atol=1e-5, rtol=1e-5)


def test_step_graphs_compute_what_the_model_computes(model: StreamingFeatDiff) -> None:
    before = copy.deepcopy(model.state_dict())
    model.train()
    graphs = step_graphs(model)
    assert model.training
    model.eval()
    clip = frames(1, 6)
    with torch.no_grad():
        maps = graphs.backbone(clip[0])
        torch.testing.assert_close(maps, model.feature_maps(clip[0]), atol=1e-4, rtol=1e-4)
        differences = maps[1:] - maps[:-1]
        triples = torch.stack([differences[i : i + 3] for i in range(3)])
        slices, _ = graphs.head(triples, torch.zeros(3, 2, 64, 16, 8))
        _, position = graphs.head(triples[2:], slices[None, :2])
        (whole,) = model.embed_positions(clip).values
        torch.testing.assert_close(position, whole[:, :POOLED_SIZE], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(optical_flow(clip)[0, -1:], whole[:, POOLED_SIZE:], atol=0, rtol=0)
        moments = torch.cat([whole, torch.zeros_like(whole)], dim=1)
        torch.testing.assert_close(graphs.embedding(moments), model(clip), atol=1e-4, rtol=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=0, rtol=0)


@pytest.mark.parametrize("config", [{"window_frames": 5}, {"embedding_size": 0}, {"pixel_std": 0.0}])
def test_impossible_configurations_are_refused(config: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"needed|must exceed"):
        StreamingConfig(**config)  # type: ignore[arg-type]


def test_static_control_sees_only_the_middle_frame() -> None:
    torch.manual_seed(9)
    control = StaticNet().eval()
    clip = frames(1, 9)
    other = frames(1, 9, seed=1)
    other[:, 4] = clip[:, 4]
    with torch.no_grad():
        torch.testing.assert_close(control(clip), control(other), atol=0, rtol=0)
        assert not torch.allclose(control(clip), control(clip.roll(1, dims=1)))


def test_static_control_has_a_head_of_the_same_size() -> None:
    def size(*parts: nn.Module) -> int:
        return sum(parameter.numel() for part in parts for parameter in part.parameters())

    control, network = StaticNet(), StreamingFeatDiff()
    assert size(control.head) == pytest.approx(size(network.first, network.second), rel=0.05)
    assert size(control.embedding) == 2 * POOLED_SIZE * 256, "one frame has no flow"
