"""Two processes train as one: the same loss and gradient for the same batch, and a run that outlives one of them."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.data.batches import Batch
from training.data.sampler import BatchPlan
from training.distributed import average_gradients, gather, process_group, processes, rank, share_norms
from training.fit import CHECKPOINT, FitConfig, Run, fit, resume, start, train_step
from training.losses import identity_losses
from training.run_log import LOG

CPU = torch.device("cpu")
LENGTH, SPEEDS = 7, 4
STREAMING, HALF = FitConfig(), FitConfig(precision="bf16")
WHOLE = FitConfig(network="landmarks", steps=3, save_every_steps=1)


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """Processes that share one import of torch."""
    forkserver = get_context("forkserver")
    forkserver.set_forkserver_preload(["training.fit", "torch._dynamo"])  # optimisers load the latter
    return forkserver


def batch_of(step: int) -> Batch:
    """Two drivers on two faces."""
    generator = torch.Generator().manual_seed(step)
    return Batch(
        255 * torch.rand(4, LENGTH, 128, 128, generator=generator),
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([0, 1, 0, 1]),
        torch.rand(4, LENGTH - 5, SPEEDS, generator=generator),
        0.02 * torch.randn(4, LENGTH, 95, 2, generator=generator),
    )


def begun(config: FitConfig) -> Run:
    run = start(config, SPEEDS, CPU)
    run.trainee.train()
    return run


def one_step(config: FitConfig) -> tuple[dict[str, float], Tensor]:
    """Losses and the flat gradient of one step on this process's part of the batch."""
    run = begun(config)
    torch.manual_seed(0)
    losses = train_step(run, run.trainee, batch_of(0).part(rank(), processes()))
    return losses, flat_gradient(run.trainee)


def flat_gradient(module: nn.Module) -> Tensor:
    return torch.cat([value.grad.flatten() for value in module.parameters() if value.grad is not None])


@contextmanager
def double_precision() -> Iterator[None]:
    """All of the trainer in double precision, where what it calls single is double, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", Tensor.double)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def alike_steps() -> dict[str, tuple[dict[str, float], Tensor]]:
    """Steps whose rounding depends less on how many clips a process has: oneDNN picks its convolutions by that."""
    torch._C._set_mkldnn_enabled(False)  # `torch.backends.mkldnn.flags` does the same, and warns
    try:
        steps = {"streaming": one_step(STREAMING), "half": one_step(HALF)}
    finally:
        torch._C._set_mkldnn_enabled(True)
    with double_precision():
        return {**steps, "double": one_step(STREAMING)}


def exact_step() -> tuple[Tensor, Tensor, Tensor]:
    """Loss, gradient and running statistics of a small network in double precision."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(3, 5, 2), nn.BatchNorm1d(5), nn.ReLU(), nn.Flatten(), nn.Linear(15, 4)).double()
    inputs, labels = torch.randn(8, 3, 4, dtype=torch.float64), torch.arange(8) // 2
    share_norms(network)
    own = slice(rank(), None, processes())
    embedding = nn.functional.normalize(gather(network(inputs[own])), dim=1)
    losses = identity_losses(embedding, gather(labels[own]), gather(labels[own] % 2), temperature=0.07)
    loss = losses["identity"] + losses["same_face"]
    loss.backward()  # type: ignore[no-untyped-call]
    average_gradients(network.parameters())
    statistics = torch.cat([value.flatten().double() for value in network[1].buffers()])
    return loss.detach(), flat_gradient(network), statistics


def take_one_step(out: Path) -> None:
    steps = {**alike_steps(), "landmarks": one_step(WHOLE)}
    torch.save({"exact": exact_step(), **steps}, out / f"{rank()}.pt")


def train(out: Path) -> None:
    run = resume(out, CPU) if (out / CHECKPOINT).exists() else start(WHOLE, SPEEDS, CPU)
    fit(run, lambda step: batch_of(step).part(rank(), processes()), out)


def train_until_one_dies(out: Path) -> None:
    def source(step: int) -> Batch:
        if rank() == 1 and step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch_of(step).part(rank(), processes())

    fit(start(WHOLE, SPEEDS, CPU), source, out)


def as_one_of_two(number: int, port: int, work: Callable[[Path], None], out: Path) -> None:
    """What torchrun does to a process, then the work."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with process_group("cpu"):
        work(out)


def in_two_processes(context: ForkServerContext, work: Callable[[Path], None], out: Path) -> list[int | None]:
    """Run the work in both; returns how each ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [context.Process(target=as_one_of_two, args=(number, port, work, out)) for number in range(2)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    return [process.exitcode for process in started]


def test_loss_and_gradient_are_those_of_one_process(context: ForkServerContext, tmp_path: Path) -> None:
    assert in_two_processes(context, take_one_step, tmp_path) == [0, 0]
    first, second = (torch.load(tmp_path / f"{number}.pt") for number in range(2))
    alone = alike_steps()
    losses, gradient = alone["streaming"]
    exact_losses, exact_gradient = alone["double"]
    losses_of_half, _ = alone["half"]
    for found in (first, second):
        torch.testing.assert_close(found["exact"], exact_step(), rtol=1e-9, atol=1e-12)
        assert found["streaming"][0] == pytest.approx(losses, abs=2e-5)
        assert float((found["streaming"][1] - gradient).norm() / gradient.norm()) < 1e-3
        assert found["double"][0] == pytest.approx(exact_losses, rel=1e-9)
        torch.testing.assert_close(found["double"][1], exact_gradient, rtol=1e-9, atol=1e-9)
        assert found["half"][0] == pytest.approx(losses_of_half, rel=0.02)
    # The landmark baseline draws its shuffled clips, in each process other ones.
    assert first["landmarks"][0] == second["landmarks"][0]
    torch.testing.assert_close(first["landmarks"][1], second["landmarks"][1], rtol=0, atol=0)


def test_a_run_that_lost_a_process_goes_on_to_the_same_weights(context: ForkServerContext, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_two_processes(context, train, whole) == [0, 0]
    ended = in_two_processes(context, train_until_one_dies, killed)
    assert ended[1] == -signal.SIGKILL
    assert ended[0] not in (0, None)
    assert resume(killed, CPU).step == 2
    assert in_two_processes(context, train, killed) == [0, 0]
    expected, found = resume(whole, CPU).trainee.state_dict(), resume(killed, CPU).trainee.state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0, msg=name)
    logs = [[json.loads(line) for line in (out / LOG).read_text().splitlines()] for out in (whole, killed)]
    assert [line["dynamic_identity"] for line in logs[0]] == [line["dynamic_identity"] for line in logs[1]]
    assert [line["clips"] for line in logs[1]] == [4, 4, 4]


def test_parts_make_the_whole_and_are_equally_large() -> None:
    whole = batch_of(0)
    parts = [whole.part(number, 3) for number in range(3)]
    assert [part.driver.tolist() for part in parts] == [[0], [0], [1]]
    halves = [whole.part(number, 2) for number in range(2)]
    torch.testing.assert_close(torch.stack([half.inputs for half in halves], dim=1).flatten(0, 1), whole.inputs)
    rows = torch.arange(5).numpy()
    plan = BatchPlan(rows, rows, rows, rows, rows, 32)
    assert [plan.part(number, 2).clip.tolist() for number in range(2)] == [[0, 2], [1, 3]]
