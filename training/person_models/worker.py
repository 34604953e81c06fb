"""The process in which a guard has person models learnt and asked: orders in, answers out, until its socket closes.

The guard runs without torch; this is where it has it. Two of them run at once where somebody is enrolled: one learns,
one is asked. Before the first order the process gives up the internet, and whoever else wants a core goes first.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engines import system_call_filter
from engines.errors import EngineError
from engines.giving_way import give_way
from engines.person_models.folder import read_person_manifest
from engines.person_models.messages import Kind, Message, read_message, write_message
from training.errors import TrainingError

if TYPE_CHECKING:
    from training.person_models.answering import Answering


def serve(channel: socket.socket, folder: Path, model_sha256: str, parent: int) -> None:
    """Answer until the channel closes. A worker that cannot run says why, and is done."""

    def say(message: Message) -> None:
        channel.sendall(write_message(message))

    try:
        answering, told = _ready(folder, model_sha256)
    except (EngineError, TrainingError, OSError) as error:
        say(Message(Kind.REFUSED, content=str(error).encode()))
        return
    say(Message(Kind.READY, content=told.encode()))
    with channel.makefile("rb") as orders:
        while True:
            order = read_message(lambda count: _whole(orders.read(count), count))
            began = time.process_time()
            try:
                answer = answering.answer(order, say, lambda: os.getppid() != parent)
            except (TrainingError, ValueError) as error:
                say(Message(Kind.REFUSED, order.person, content=str(error).encode()))
                continue
            if answer is not None:
                spent = time.process_time() - began
                say(Message(answer.kind, answer.person, answer.value, spent, answer.content))


def _ready(folder: Path, model_sha256: str) -> tuple[Answering, str]:
    """Who answers, and what runs, for people."""
    try:
        import torch

        from training.person_models.answering import Answering
    except ImportError as error:
        raise TrainingError(f"person models need torch ({error}); pip install 'whodrives[training]'") from None
    torch.set_num_threads(1)
    manifest = read_person_manifest(folder)
    if manifest.model_sha256 != model_sha256:
        raise TrainingError(f"{folder} was released anew since this guard started; start it again, then enrol again")
    answering, holding = Answering(folder, manifest), _give_up_internet()
    people = f"person models {manifest.version}, {len(manifest.cohort)} in the cohort"
    return answering, f"PyTorch {torch.__version__}, {people}; {holding}"


def _give_up_internet() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        system_call_filter.refuse_new_privileges(libc)
        program = system_call_filter.without_internet(platform.machine(), system_call_filter.refuse())
        system_call_filter.install(libc, program)
    except (OSError, KeyError, AttributeError) as error:  # this system knows no such filter
        return f"NOT no internet ({error})"
    return "no internet"


def _whole(content: bytes, count: int) -> bytes:
    if len(content) != count:
        raise EOFError
    return content


def main(arguments: list[str]) -> None:
    """Entry point: file descriptor of the socket, process id of the guard, folder of person models, and its hash."""
    descriptor, parent, folder, model_sha256 = arguments
    with suppress(OSError, AttributeError):  # only Linux has it, and it is not needed
        give_way()
    with socket.socket(fileno=int(descriptor)) as channel, suppress(ConnectionError, EOFError, KeyboardInterrupt):
        serve(channel, Path(folder), model_sha256, int(parent))
