"""One run in several processes, as `torchrun` starts them: each computes its part of every batch.

The loss is that of the whole batch, computed alike in every process from gathered outputs. Sums over processes pass
gradients back as sums, so that each process holds its part of the gradient of n equal losses; the average over the
processes is then the gradient that one process would have got from the whole batch. BatchNorm normalises by the
statistics of the whole batch, too. The process group is that of `torch.distributed`; without one, everything here
leaves a single process as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Join the other processes where torchrun started this one. device: cpu (gloo) or cuda (NCCL)."""
    if "WORLD_SIZE" not in os.environ:
        yield
        return
    if device == "cuda":
        torch.cuda.set_device(local_rank())
    backend = "nccl" if device == "cuda" else "gloo"
    store, number, count = next(rendezvous("env://"))
    # torchrun keeps one store over its restarts, in which the addresses of processes that died still stand.
    attempt = PrefixStore(f"attempt_{_restarts()}", store)
    distributed.init_process_group(backend, store=attempt, rank=number, world_size=count)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def processes() -> int:
    """How many there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Number of this process; process 0 writes the files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def local_rank() -> int:
    """Number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def was_restarted() -> bool:
    """Whether torchrun started this process anew because one had died."""
    return _restarts() > 0


def _restarts() -> int:
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def gather(part: Tensor) -> Tensor:
    """Rows of all processes, (n, ...) to (processes * n, ...), in order of rank; gradients flow back to each."""
    if processes() == 1:
        return part
    whole = part.new_zeros(processes(), *part.shape)
    whole[rank()] = part
    return _sum(whole).flatten(0, 1)


def first_says(value: float) -> float:
    """What process 0 has, everywhere."""
    if processes() == 1:
        return value
    said = [value]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Put the mean over all processes into the gradients that there are."""
    if processes() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= processes()
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def share_norms(module: nn.Module) -> None:
    """Make every BatchNorm inside use the statistics of all processes; names and values of its state stay."""
    if processes() == 1:
        return
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            setattr(module, name, SharedBatchNorm(child))
        else:
            share_norms(child)


class SharedBatchNorm(nn.Module):
    """BatchNorm over the rows of all processes, of which each has the same number; on any device.

    `torch.nn.SyncBatchNorm` does the same on GPUs only.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> None:
        super().__init__()
        self.eps = norm.eps
        self.momentum = cast(float, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, values: Tensor) -> Tensor:
        """(n, channels, ...) to the same shape and type; statistics are summed in the type of the running ones."""
        if not self.training:
            return nn.functional.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        others = [0, *range(2, values.ndim)]
        count = processes() * values.numel() // values.shape[1]
        precise = values.to(self.running_mean.dtype)
        mean = _sum(precise.sum(others, keepdim=True)) / count
        centred = precise - mean
        variance = _sum(centred.square().sum(others, keepdim=True)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.flatten(), self.momentum)
            self.running_var.lerp_(variance.flatten() * count / (count - 1), self.momentum)
        normal = centred * (variance + self.eps).rsqrt()
        if self.weight is None or self.bias is None:
            return normal.to(values.dtype)
        return (normal * self.weight.view(mean.shape) + self.bias.view(mean.shape)).to(values.dtype)


class _Sum(torch.autograd.Function):
    """Sum over processes; its gradient is the sum of the gradients."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _sum(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total
