"""Keeps MediaPipe from calling home.

The pinned 0.10.35 looks for play.googleapis.com when a finder is closed, to send usage data there (traced; its library
holds `mediapipe/util/analytics`); no setting against it is known. 0.10.21 did not. So whoever uses it gives up the
internet.
"""

from __future__ import annotations

import ctypes
import platform

from engines.errors import TrackerError
from engines.system_call_filter import install, refuse, refuse_new_privileges, without_internet

_done: list[bool] = []


def give_up_internet() -> None:
    """Make no socket of the internet in this process any more, for good; again changes nothing.

    Raises TrackerError where this system has no such filter.
    """
    if _done:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        refuse_new_privileges(libc)
        install(libc, without_internet(platform.machine(), refuse()))
    except (OSError, KeyError, AttributeError) as error:
        raise TrackerError(
            f"MediaPipe sends usage data, and nothing here keeps it from that ({error}); use Linux with seccomp"
        ) from error
    _done.append(True)
