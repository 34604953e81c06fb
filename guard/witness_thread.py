"""The thread that asks the witnesses: samples go in through one queue, opinions lie ready to be read.

Apart from the pipeline's thread, because a witness takes a few milliseconds for a window, which no frame should wait
for. It runs at a lower priority; what piles up is dropped.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from threading import Thread

from guard.verify.template import Template
from guard.verify.witness_enrolment import CollectedParts
from guard.verify.witnesses import Opinion, Sample, WitnessPanel

logger = logging.getLogger(__name__)

_MOST_WAITING = 512
"""Samples that may wait: five seconds of eight participants."""
_LONGEST_SECONDS = 5.0
"""For the end of an enrolment."""
_NICENESS = 5

_Job = Callable[[], object]


class WitnessThread:
    """Runs a panel from `start` to `stop`; nobody who calls the other methods waits for it, but for `end_enrolment`."""

    def __init__(self, panel: WitnessPanel) -> None:
        self._panel = panel
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._opinions: dict[Hashable, Opinion] = {}
        self._thread = Thread(target=self._run, name="guard-witnesses", daemon=True)
        self.dropped = 0
        """Samples for which there was no time."""

    @property
    def waiting(self) -> int:
        """Samples and orders that it has not got round to."""
        return self._jobs.qsize()

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """CPU that went into samples since the start, by witness."""
        return dict(self._panel.cpu_seconds)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Wait until the thread has ended; at most as long as one sample takes."""
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def join(self, seat: Hashable) -> None:
        """See `WitnessPanel.join`."""
        self._order(seat, lambda: self._panel.join(seat))

    def leave(self, seat: Hashable) -> None:
        """See `WitnessPanel.leave`."""
        self._order(seat, lambda: self._panel.leave(seat))

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """See `WitnessPanel.set_template`."""
        self._order(seat, lambda: self._panel.set_template(seat, template))

    def observe(self, seat: Hashable, sample: Sample, now: float) -> None:
        """See `WitnessPanel.observe`; a sample for which there is no time is dropped."""
        if self._jobs.qsize() >= _MOST_WAITING:
            self.dropped += 1
            return
        self._order(seat, lambda: self._panel.observe(seat, sample, now))

    def opinion(self, seat: Hashable) -> Opinion | None:
        """What was said about a seat last; None where nobody sits."""
        opinion = self._opinions.get(seat)
        trouble = self._panel.tracker_trouble()  # It may have come since, and then nothing else does.
        return opinion if opinion is None or opinion.trouble == trouble else replace(opinion, trouble=trouble)

    def begin_enrolment(self, seat: Hashable) -> None:
        """See `WitnessPanel.begin_enrolment`."""
        self._order(seat, lambda: self._panel.begin_enrolment(seat))

    def cancel_enrolment(self, seat: Hashable) -> None:
        """Forget what was collected."""
        self._order(seat, lambda: self._panel.end_enrolment(seat))

    def end_enrolment(self, seat: Hashable) -> CollectedParts:
        """See `WitnessPanel.end_enrolment`; waits for what is on its way, so not for the event loop's thread."""
        done: Future[CollectedParts] = Future()
        self._jobs.put(lambda: done.set_result(self._panel.end_enrolment(seat)))
        try:
            return done.result(_LONGEST_SECONDS)
        except TimeoutError:
            return CollectedParts(missing=("the witnesses did not answer in time; enrol again for their parts",))

    def _order(self, seat: Hashable, job: _Job) -> None:
        def obey() -> None:
            job()
            if (opinion := self._panel.opinion(seat)) is not None:
                self._opinions[seat] = opinion
            else:
                self._opinions.pop(seat, None)

        self._jobs.put(obey)

    def _run(self) -> None:
        with suppress(OSError):  # Linux takes a thread for a process here.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                # One sample's trouble must not end the opinions on the others; it is in the log.
                logger.exception("the witnesses failed on a sample; going on")
