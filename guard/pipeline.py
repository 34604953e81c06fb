"""One tick of the guard: every participant's new frames through pixels, engine and decision.

No thread, no clock and no network in here: the monitor says what time it is and hands on what comes out.

    LatestFrames -> FaceFrontEnd -> BatchScheduler -> Engine.step (one batch over seats) -> Verifier | Enrolment

A seat whose video is decoded in another process starts from `LatestFaces`: its front end is over there. Face frames
that are evidence also go to `expressions`, which tracks them elsewhere; what comes back of it goes to `watch`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from engines.batching import BatchScheduler, Scheduled
from engines.errors import EngineError
from engines.protocol import Engine, EngineStatus
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import GuardConfig
from guard.errors import EnrolmentError, SourceError
from guard.expressions.sample import ExpressionSample, ExpressionSource, ExpressionWatch, NoExpressions
from guard.liveness.watch import LivenessWatch
from guard.media.front_end import FaceFrame, FaceFrontEnd, NoFrame
from guard.media.latest_faces import LatestFaces
from guard.outcomes import EngineChanged, EnrolmentMoved, Judged, Outcome, StageSeconds
from guard.person_models.face_opinions import FaceOpinions, NoPersonModels
from guard.quiet_moment import is_quiet
from guard.seat import Seat
from guard.seat_key import SeatKey
from guard.verify.decision import Verdict
from guard.verify.enrolment import Enrolment
from guard.verify.fusion import Fusion
from guard.verify.states import AbstainReason
from guard.verify.template import Template
from guard.verify.verifier import Verifier
from guard.verify.witnesses import Opinion, SecondOpinions
from guard.wake import Pause

logger = logging.getLogger(__name__)

_FORGET_WINDOW_SECONDS = 1.0
"""After so long without a frame the window starts anew: what was seen before may have been somebody else."""

_ABSTAIN_REPEAT_SECONDS = 0.5
_LOOK_SECONDS = 0.05
"""Between two looks at the seats of which nothing comes."""
_PROGRESS_STEP = 0.02
_LONGEST_WAIT_SECONDS = 0.2
"""For which the watch waits for a quiet moment, from the arrival of the frame; a witness speaks once a second."""


@dataclass(slots=True)
class StageCpu:
    """CPU seconds of the pipeline's thread, by stage, since the start."""

    pixels: float = 0.0
    engine: float = 0.0
    verify: float = 0.0


@dataclass(slots=True)
class _Taken:
    """A face frame on its way to the engine."""

    seat: Seat
    face: FaceFrame
    queue_seconds: float
    pixels_seconds: float
    doubt: AbstainReason | None
    """Why the frame is no evidence, as far as was known when it was taken."""


@dataclass(slots=True)
class Pipeline:
    """All seats of this process. One thread at a time calls it."""

    engine: Engine
    config: GuardConfig
    make_front_end: Callable[[], FaceFrontEnd]
    clock: Callable[[], float] = time.monotonic
    expressions: ExpressionSource = field(default_factory=NoExpressions)
    watch: ExpressionWatch = field(default_factory=NoExpressions)
    seats: dict[SeatKey, Seat] = field(default_factory=dict)
    cpu: StageCpu = field(default_factory=StageCpu)
    scheduler: BatchScheduler[_Taken] = field(default_factory=BatchScheduler)
    witnesses: SecondOpinions | None = None
    """Whose opinions on the seats are heard; as the `watch` it hears of them."""
    fusion: Fusion | None = None
    """Weighs what the witnesses say."""
    person_models: FaceOpinions = field(default_factory=NoPersonModels)
    """Are shown the faces that are evidence, and heard beside the witnesses."""
    _free_slots: list[int] = field(default_factory=list)
    _looked_seconds: float = -np.inf
    _unjudged: list[Seat] = field(default_factory=list)
    """Whose newest frame showed nothing to judge."""
    _judged_faces: list[tuple[SeatKey, FaceFrame]] = field(default_factory=list)
    """That are evidence, and were not offered yet."""
    _judged_seats: list[Seat] = field(default_factory=list)
    """Whose opinion is asked for before the next frame."""
    _samples: list[ExpressionSample] = field(default_factory=list)
    """That the watch has not seen yet."""
    _status: EngineStatus = field(init=False)

    def __post_init__(self) -> None:
        slots = self.config.calls.max_participants
        self.engine.open(slots)
        self._status = self.engine.status
        self._free_slots = list(range(slots))[::-1]

    def add(self, key: SeatKey, frames: LatestFrames | LatestFaces, now: float) -> Seat:
        """A participant's video starts. Raises SourceError when they are here already or all slots are taken."""
        if key in self.seats:
            raise SourceError(f"{key.participant} is in call {key.call} already; leave first")
        if not self._free_slots:
            raise SourceError("all slots are taken; raise calls.max_participants or wait until somebody leaves")
        slot = self._free_slots.pop()
        verifier = Verifier(self.engine.spec, self.config.verify, self.fusion)
        liveness = LivenessWatch(self.config.verify.min_fps, self.config.calls.stalled_seconds, now)
        seat = Seat(key, slot, frames, self.make_front_end(), verifier, liveness)
        self.seats[key] = seat
        self.scheduler.join(slot)
        self.watch.join(key)
        self.person_models.join(key)
        return seat

    def remove(self, key: SeatKey) -> None:
        """A participant's video has ended; everything about them is forgotten."""
        seat = self.seats.pop(key, None)
        if seat is not None:
            self.scheduler.leave(seat.slot)
            self._free_slots.append(seat.slot)
            self._judged_faces = [(seated, face) for seated, face in self._judged_faces if seated != key]
            self._samples = [sample for sample in self._samples if sample.seat != key]
            self.expressions.leave(key)
            self.watch.leave(key)
            self.person_models.leave(key)

    def set_template(self, key: SeatKey, template: Template | None) -> Judged:
        """Compare a participant with this template from now on, or with nobody."""
        seat = self.seats[key]
        if self.witnesses is not None:
            self.witnesses.set_template(key, template)
        self.person_models.set_template(key, template)
        return self._judged(seat, seat.verifier.set_template(template))

    def tick(self) -> Iterator[Outcome]:
        """Take what has arrived, and judge one batch over seats where one is due.

        Never more than one: under a load that cannot be kept up with, orders and verdicts would wait without end.
        """
        self._offer_frames()
        if batch := self.scheduler.take(self.clock(), self.engine.batching):
            yield from self._judge_batch(batch)
            self._offer_frames()
        now = self.clock()
        if now - self._looked_seconds >= _LOOK_SECONDS:
            self._looked_seconds = now
            self._unjudged = list(self.seats.values())
        for seat in self._unjudged:
            yield from self._without_frames(seat, now)
        self._unjudged = []
        if self.engine.status != self._status:
            self._status = self.engine.status
            yield EngineChanged(self._status)

    def settle(self) -> None:
        """What no verdict waits for: faces go to the tracker, what it saw to the watch in a quiet moment, and what is
        said about a seat is asked for, so that the next frame's verdict has it at hand.

        To be called after every tick, when its outcomes are handed over: it wakes other threads.
        """
        judged, self._judged_faces = self._judged_faces, []
        for key, face in judged:
            self.expressions.offer(key, face)
            self.person_models.offer(key, face)
        self._samples.extend(self.expressions.take())
        if self._samples and self._may_disturb(self._samples[0].arrival_seconds):
            samples, self._samples = self._samples, []
            for sample in samples:
                self.watch.observe(sample.seat, sample, sample.arrival_seconds)
        for seat in self._judged_seats:
            seat.opinion = self._opinion(seat)
        self._judged_seats = []

    def _may_disturb(self, since: float) -> bool:
        """Whether the watch may go to work: no frame is expected, or it has waited for too long. since: for what."""
        now = self.clock()
        if now - since > _LONGEST_WAIT_SECONDS:
            return True
        if self.scheduler.due_seconds(self.engine.batching) is not None:
            return False
        faces = (seat.last_face for seat in self.seats.values())
        return is_quiet(((face.arrival_seconds, face.fps) for face in faces if face is not None), now)

    def pause(self, longest: float) -> Pause:
        """How long `tick` may be left alone: until a batch is due, at most `longest` seconds."""
        batching = self.engine.batching
        due = self.scheduler.due_seconds(batching)
        seconds = longest if due is None else min(max(due - self.clock(), 0.0), longest)
        return Pause(seconds, batching.wait_seconds, max(self.scheduler.missing(batching), 1))

    def _offer_frames(self) -> None:
        """Give the scheduler a frame of every seat that has one and none waiting there, those first that came first.

        One at a time: what piles up stays in the seat's own queue, where a short jam costs no frame, and a long one
        costs the oldest before any work went into them.
        """
        ready = [seat for seat in self.seats.values() if seat.frames and not self.scheduler.waits(seat.slot)]
        found = [taken for seat in ready if (taken := self._take(seat)) is not None]
        for taken in sorted(found, key=lambda taken: taken.face.arrival_seconds):
            face = taken.face
            self.scheduler.offer(taken.seat.slot, taken, face.continues, self.clock(), came=face.arrival_seconds)

    def _take(self, seat: Seat) -> _Taken | None:
        """The seat's next frame that shows a face; frames that show none are dealt with on the way."""
        while (received := seat.frames.pop()) is not None:
            popped, cpu = self.clock(), time.thread_time()
            seat.liveness.received(received.arrival_seconds, received.pts_seconds)
            result = self._face(seat, received)
            doubt = seat.liveness.face(result) if isinstance(result, FaceFrame) else None
            self.cpu.pixels += time.thread_time() - cpu
            if isinstance(result, FaceFrame):
                seat.missing = None
                seat.last_face = result
                seat.breaks += not result.continues
                # Of a face frame that came as one, the crop was made before it waited here.
                elsewhere = 0.0 if isinstance(received, ReceivedFrame) else result.pixels_seconds
                waited = popped - received.arrival_seconds - elsewhere
                return _Taken(seat, result, waited, self.clock() - popped + elsewhere, doubt)
            if result.reason is not None:
                seat.missing = result.reason
                seat.liveness.no_face()
                self._unjudged.append(seat)
        return None

    @staticmethod
    def _face(seat: Seat, received: ReceivedFrame | FaceFrame | NoFrame) -> FaceFrame | NoFrame:
        if not isinstance(received, ReceivedFrame):
            return received
        seat.last_received = received
        return seat.front_end.process(received)

    def _judge_batch(self, batch: list[Scheduled[_Taken]]) -> Iterator[Outcome]:
        cpu = time.thread_time()
        try:
            for scheduled in batch:
                self._forget_old_window(scheduled.frame)
            result = self.engine.step(
                np.array([scheduled.stream for scheduled in batch], np.int32),
                np.stack([scheduled.frame.face.pixels for scheduled in batch]),
                np.array([scheduled.continues for scheduled in batch]),
            )
        except EngineError:
            # An engine without another to take over: what was said of these seats before must not stand.
            logger.exception("the engine failed; %d participants get no verdict", len(batch))
            for scheduled in batch:
                yield from self._abstain(scheduled.frame.seat, AbstainReason.ENGINE_FAILED, self.clock())
            return
        ended, judging = self.clock(), time.thread_time()
        self.cpu.engine += judging - cpu
        refused = set(result.refused.tolist())
        for row, scheduled in enumerate(batch):
            if row in refused:
                yield from self._abstain(scheduled.frame.seat, AbstainReason.ENGINE_FULL, ended)
                continue
            engine_seconds = ended - scheduled.offered_seconds
            valid_fraction = float(result.valid_fraction[row])
            yield from self._judge(scheduled.frame, result.embeddings[row], valid_fraction, engine_seconds)
        self.cpu.verify += time.thread_time() - judging

    def _forget_old_window(self, taken: _Taken) -> None:
        """Start the window anew on joining, after a long gap, and with the first frame that is evidence again."""
        seat, arrival_seconds = taken.seat, taken.face.arrival_seconds
        last, seat.last_face_seconds = seat.last_face_seconds, arrival_seconds
        late = last is not None and arrival_seconds - last > _FORGET_WINDOW_SECONDS
        seat.window_over |= late or (seat.doubted and taken.doubt is None)
        seat.doubted = taken.doubt is not None
        if seat.window_over:
            self.engine.reset(seat.slot)
            seat.window_over = False  # Not where that failed: tried again with the next frame.

    def _judge(
        self, taken: _Taken, embedding: NDArray[np.float32], valid_fraction: float, engine_seconds: float
    ) -> Iterator[Outcome]:
        seat, face = taken.seat, taken.face
        started = self.clock()
        fps = face.fps if face.fps > 0 else self.engine.spec.fps_max  # Not known yet: no reason to abstain.
        if taken.doubt is not None:
            yield from self._wait(seat, face.arrival_seconds)
            verdict = seat.verifier.abstain(taken.doubt, face.arrival_seconds, seat.opinion)
        else:
            yield from self._enrol(seat, face, embedding, valid_fraction)
            verdict = seat.verifier.update(embedding, valid_fraction, face.arrival_seconds, fps, seat.opinion)
            self._judged_faces.append((seat.key, face))
        self._judged_seats.append(seat)
        stages = StageSeconds(
            face.arrival_seconds, taken.queue_seconds, taken.pixels_seconds, engine_seconds, self.clock() - started
        )
        yield self._judged(seat, verdict, face, valid_fraction, stages)

    def _without_frames(self, seat: Seat, now: float) -> Iterator[Outcome]:
        reason = seat.liveness.reason(now)
        if reason is not AbstainReason.STALLED and seat.missing is not None:
            reason = seat.missing
        if reason is not None:
            yield from self._abstain(seat, reason, now)

    def _abstain(self, seat: Seat, reason: AbstainReason, now: float) -> Iterator[Outcome]:
        """No verdict on a seat; told at most twice a second."""
        if now - seat.last_abstained_seconds < _ABSTAIN_REPEAT_SECONDS:
            return
        seat.last_abstained_seconds = now
        yield from self._wait(seat, now)
        yield self._judged(seat, seat.verifier.abstain(reason, now, self._opinion(seat)))

    def _opinion(self, seat: Seat) -> Opinion | None:
        opinion = None if self.witnesses is None else self.witnesses.opinion(seat.key)
        return self.person_models.beside(seat.key, opinion)

    def _wait(self, seat: Seat, now: float) -> Iterator[Outcome]:
        """A running enrolment gets nothing for now, which it does not bear for ever."""
        if seat.enrolment is None:
            return
        try:
            seat.enrolment.wait(now)
        except EnrolmentError as error:
            yield self._end_enrolment(seat, seat.enrolment, failure=str(error))

    def _enrol(
        self, seat: Seat, face: FaceFrame, embedding: NDArray[np.float32], valid_fraction: float
    ) -> Iterator[Outcome]:
        enrolment = seat.enrolment
        if enrolment is None:
            return
        try:
            enrolment.add(embedding, valid_fraction, face.arrival_seconds, face.fps, face.continues)
            if enrolment.complete:
                yield self._end_enrolment(seat, enrolment, template=enrolment.template(datetime.now(UTC)))
                return
        except EnrolmentError as error:
            yield self._end_enrolment(seat, enrolment, failure=str(error))
            return
        if enrolment.progress - seat.announced_progress >= _PROGRESS_STEP:
            seat.announced_progress = enrolment.progress
            yield EnrolmentMoved(seat.key, enrolment, enrolment.progress)

    @staticmethod
    def _end_enrolment(
        seat: Seat, enrolment: Enrolment, template: Template | None = None, failure: str | None = None
    ) -> EnrolmentMoved:
        seat.enrolment, seat.announced_progress = None, 0.0
        return EnrolmentMoved(seat.key, enrolment, enrolment.progress, template, failure)

    def _judged(
        self,
        seat: Seat,
        verdict: Verdict,
        face: FaceFrame | None = None,
        valid_fraction: float = 0.0,
        stages: StageSeconds | None = None,
    ) -> Judged:
        seat.verdict = verdict
        if face is None:
            return Judged(seat.key, seat.frames, verdict, 0.0, 0.0, 0.0, None)
        return Judged(seat.key, seat.frames, verdict, face.pts_seconds, valid_fraction, face.fps, stages)
