"""What a network that was trained on motion makes of stored clips, made once and kept: it takes longer than the
training that follows."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from training.data.channel import ChannelRange
from training.data.stored import StoredClips, stored_files, stored_positions
from training.fit import resume

_SEEDS_APART = 1009


def kept_positions(run: Path, clips: Path, out: Path, seed: int, processes: int) -> tuple[StoredClips, ...]:
    """The positions of every batch of a folder, each through a call of its own; batches in `out` are taken from there.

    Several processes of one thread each: two threads on one clip are no faster than one.
    """
    out.mkdir(parents=True, exist_ok=True)
    jobs = [
        (source, out / f"positions_{place:04d}.npz", seed * _SEEDS_APART + place)
        for place, source in enumerate(stored_files(clips))
    ]
    missing = [job for job in jobs if not job[1].exists()]
    if processes == 1 or len(missing) < 2:
        for job in missing:
            _make(run, job)
    else:
        with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            list(pool.map(partial(_make, run), missing))
    return tuple(StoredClips.load(path) for _, path, _ in jobs)


def _make(run: Path, job: tuple[Path, Path, int]) -> None:
    source, path, seed = job
    network = resume(run, torch.device("cpu")).streaming()
    stored_positions(network, StoredClips.load(source), ChannelRange(), seed).save(path)
