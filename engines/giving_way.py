"""How a process gives way to all others of its machine. Only the standard library."""

from __future__ import annotations

import os


def give_way() -> None:
    """To whoever wakes up, at that moment: with a nice value others would wait for the end of a time slice. Threads
    that are started from now on do so too. Raises OSError or AttributeError where this system knows no such thing.
    """
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
