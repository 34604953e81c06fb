"""The running guard: seats come and go on the event loop, the pipeline runs on a thread of its own.

The loop's side, here, keeps the roster (who is here, enrolled as whom, last verdict); `PipelineThread` owns the
pipeline. Orders go to it, outcomes come back through `call_soon_threadsafe`, so that neither waits for the other.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime

from engines.protocol import Engine
from guard import __version__
from guard.announcements import Announcements
from guard.calls.source import LatestFrames
from guard.config import GuardConfig
from guard.errors import EnrolmentBusyError, EnrolmentError, GuardError, NotInCallError, UnknownNameError
from guard.media.front_end import FaceFrontEnd
from guard.media.latest_faces import LatestFaces
from guard.opinion_sources import OpinionSources
from guard.outcomes import EngineChanged, EnrolmentMoved, Judged, Outcome
from guard.person_models.person_models import PersonModels
from guard.person_models.worker_thread import Stretches
from guard.pipeline import Pipeline
from guard.pipeline_thread import PipelineThread
from guard.reports import engine_info, limits, template_info, thresholds
from guard.roster import Member
from guard.seat import Seat
from guard.seat_key import SeatKey
from guard.serve.events import ParticipantSnapshot, SourceSnapshot
from guard.serve.hub import EventHub
from guard.serve.service import CallSnapshot, Consent, StatusReport, TemplateInfo
from guard.source_board import SourceBoard
from guard.thumbnail import jpeg_crop, jpeg_thumbnail
from guard.verify.enrolment import Enrolment
from guard.verify.store import TemplateStore
from guard.verify.template import ConsentRecord, Template, WitnessPart
from guard.verify.witness_set import WitnessSet

logger = logging.getLogger(__name__)

_HEALTH_SECONDS = 1.0
_EXPIRY_SECONDS = 24 * 3600.0
_CAPACITY_FRAMES = 4
"""Frames that may wait for the pipeline: 130 ms at 30 fps; older ones are dropped and counted."""


class Monitor:
    """Joins call sources, the pipeline, the template store and the event hub. Lives on one event loop."""

    def __init__(
        self,
        engine: Engine,
        config: GuardConfig,
        store: TemplateStore,
        hub: EventHub,
        make_front_end: Callable[[], FaceFrontEnd],
        witnesses: WitnessSet | None = None,
        person_models: PersonModels | None = None,
    ) -> None:
        """witnesses: who is asked for second opinions; none where expressions are not tracked. person_models: None
        where they are off.
        """
        self._config = config
        self._store = store
        self._viewers = Announcements(hub, config.verify.scores_per_second)
        self._engine = engine
        self.pipeline = Pipeline(engine, config, make_front_end)
        self.opinions = OpinionSources(config, witnesses, person_models)
        self.opinions.attach(self.pipeline)
        self.source_board = SourceBoard(config.calls.sources, hub)
        self._members: dict[SeatKey, Member] = {}
        self._seated: dict[SeatKey, str | None] = {}
        """Whom each seat is compared with; outlives leaving, so that rejoining does not shake off a template."""
        self._storing = asyncio.Lock()
        """Held from reading or writing a template until its seats know: none is seated that was erased meanwhile."""
        self._thread = PipelineThread(self.pipeline, self._hand_over)
        self._stopping = False
        self._started_seconds = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.publishing_cpu_seconds = 0.0
        """CPU of the loop's thread that went into taking outcomes and publishing events."""

    async def start(self) -> None:
        """Start the pipeline's thread, and the clock of the health reports."""
        self._loop = asyncio.get_running_loop()
        await self.expire_templates(datetime.now(UTC))
        self.opinions.start()
        self._thread.start()
        self._spawn(self._report_health())
        self._spawn(self._expire_daily())

    async def stop(self) -> None:
        """Stop the thread and free the engine. Sources must have stopped pushing before."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.stop)
        await asyncio.to_thread(self.opinions.stop)
        self._engine.close()

    # --- CallListener and FaceListener -------------------------------------------------------------------------------

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        """A participant's video starts; a template under their seat's or their own name applies at once."""
        frames = LatestFrames(_CAPACITY_FRAMES, on_ready=self._thread.frame)
        self._join(SeatKey(call, participant), frames)
        return frames

    def faces_joined(self, call: str, participant: str) -> LatestFaces:
        """The same for a participant whose video is decoded elsewhere."""
        faces = LatestFaces(_CAPACITY_FRAMES, on_ready=self._thread.frame)
        self._join(SeatKey(call, participant), faces)
        return faces

    def _join(self, key: SeatKey, frames: LatestFrames | LatestFaces) -> None:
        self._members[key] = Member(frames)
        now = time.monotonic()
        self._thread.order(lambda: self.pipeline.add(key, frames, now))
        self._viewers.publish(key, {"type": "participant", "action": "joined", "enrolled_as": self._seated.get(key)})
        self._spawn(self._seat_on_joining(key))

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """A participant's video has ended."""
        key = SeatKey(call, participant)
        if self._members.pop(key, None) is None:
            return
        self._thread.order(lambda: self.pipeline.remove(key))
        self._viewers.publish(key, {"type": "participant", "action": "left", "why": why})

    # --- GuardService -------------------------------------------------------------------------------------------

    def status(self) -> StatusReport:
        """The running guard at a glance."""
        return StatusReport(
            version=__version__,
            engine=engine_info(self._engine),
            uptime_seconds=time.monotonic() - self._started_seconds,
            participants=len(self._members),
            limits=limits(self._config),
            thresholds=thresholds(self._config.verify),
        )

    def calls(self) -> list[CallSnapshot]:
        """Calls with somebody in them, with seats that somebody may come back to, and those that the guard joins."""
        keys = {key.call for key in self._members} | {key.call for key in self._seated}
        names = sorted(keys | {source.call for source in self.sources()})
        return [CallSnapshot(call=call, participants=len(self._in_call(call))) for call in names]

    def participants(self, call: str) -> list[ParticipantSnapshot]:
        """Everybody connected to this call, by name."""
        return [self._snapshot(key) for key in self._in_call(call)]

    def sources(self) -> list[SourceSnapshot]:
        """The calls that the guard joins by itself, in the order of the settings."""
        return self.source_board.snapshots()

    def start_enrolment(self, call: str, participant: str, name: str, consent: Consent) -> ParticipantSnapshot:
        """Collect a template from the live video of this participant and seat them as `name` when it is done."""
        key, member = self._member(call, participant)
        if member.enrolment is not None:
            raise EnrolmentBusyError(f"{participant} is being enrolled already; wait for it or cancel it first")
        record = ConsentRecord(consent.text_version, consent.statement, consent.given_by, datetime.now(UTC))
        enrolment = Enrolment(name, record, self._engine.spec, self._config.verify)
        member.enrolment, member.enrolment_progress = enrolment, 0.0
        self._thread.order(lambda: self._set_enrolment(key, enrolment))
        self._viewers.publish(key, {"type": "participant", "action": "enrolling", "enrolment_progress": 0.0})
        return self._snapshot(key)

    def cancel_enrolment(self, call: str, participant: str) -> None:
        """Stop a running enrolment and forget what it collected."""
        key, member = self._member(call, participant)
        if member.enrolment is None:
            raise EnrolmentError(f"no enrolment of {participant} is running; nothing to cancel")
        member.enrolment = None
        self._thread.order(lambda: self._set_enrolment(key, None))
        self._viewers.enrolment_failed(key, "cancelled")

    async def set_seat(self, call: str, participant: str, name: str | None) -> ParticipantSnapshot:
        """Compare this participant with the template `name` from now on; None compares with nobody."""
        key, _ = self._member(call, participant)
        async with self._storing:
            template = await asyncio.to_thread(self._store.get, name) if name is not None else None
            self._seat(key, template)
        self._member(call, participant)  # They may have left while the store was read.
        return self._snapshot(key)

    async def templates(self) -> list[TemplateInfo]:
        """Who is enrolled, by name."""
        running = self._engine.spec.model_sha256
        return [template_info(stored, running) for stored in await asyncio.to_thread(self._store.list)]

    async def delete_template(self, name: str) -> None:
        """Erase a template and clear every seat that uses it."""
        async with self._storing:
            await asyncio.to_thread(self._store.delete, name)
            self._clear_seats(name)

    async def expire_templates(self, now: datetime) -> None:
        """Erase the templates that were kept for long enough, and clear every seat that uses one. Raises StoreError."""
        async with self._storing:
            for name in await asyncio.to_thread(self._store.expire, now):
                self._clear_seats(name)

    def thumbnail(self, call: str, participant: str) -> bytes | None:
        """A small JPEG of what this participant sends; None where pictures are switched off or there is none yet."""
        seat = self._pipeline_seat(*self._member(call, participant))
        if not self._config.server.thumbnails or seat is None:
            return None
        if seat.last_received is not None:
            return jpeg_thumbnail(seat.last_received.image)
        return jpeg_crop(seat.last_face.pixels) if seat.last_face is not None else None

    def witness_picture(self, witness: str, picture: str) -> bytes | None:
        """The PNG of a facial movement out of a witness's folder, as it was when it was checked."""
        return self.opinions.pictures.get(witness, {}).get(picture)

    # --- the loop's side ----------------------------------------------------------------------------------------

    async def _seat_on_joining(self, key: SeatKey) -> None:
        async with self._storing:
            name = self._seated.get(key, key.participant)
            if name is None:
                return
            try:
                template = await asyncio.to_thread(self._store.get, name)
            except UnknownNameError:
                if key in self._seated:
                    self._clear_seat(key)  # Erased by another process.
                return
            except GuardError as error:
                logger.warning("cannot load the template of %s: %s", name, error)
                return
            if key in self._members:
                self._seat(key, template)

    def _seat(self, key: SeatKey, template: Template | None, why: str = "") -> None:
        self._seated[key] = template.name if template is not None else None
        self._compare_with(key, template, why)

    def _clear_seats(self, name: str) -> None:
        self.opinions.forget(name)
        for key in [key for key, seated in self._seated.items() if seated == name]:
            self._clear_seat(key)

    def _clear_seat(self, key: SeatKey) -> None:
        """Its template is gone. Nobody asked for no comparison: a template under their own name applies again."""
        del self._seated[key]
        self._compare_with(key, None)

    def _compare_with(self, key: SeatKey, template: Template | None, why: str = "") -> None:
        if key not in self._members:
            return
        self._thread.order(lambda: self._set_template(key, template))
        action = "enrolled" if template is not None else "seat_cleared"
        self._viewers.publish(
            key, {"type": "participant", "action": action, "why": why, "enrolled_as": self._seated.get(key)}
        )

    async def _keep_template(self, key: SeatKey, template: Template, faces: Stretches) -> None:
        template, missing = await asyncio.to_thread(self.opinions.with_parts, key, template)
        async with self._storing:
            self.opinions.forget(template.name)
            try:
                await asyncio.to_thread(self._store.put, template)
            except GuardError as error:
                self._viewers.enrolment_failed(key, str(error))
                return
            self._seat(key, template, missing)
        self.opinions.learn(template, faces, self._learnt)

    def _learnt(self, template: Template, part: WitnessPart) -> None:
        """Called on a thread of the person models."""
        if self._loop is not None and not self._stopping:
            self._loop.call_soon_threadsafe(lambda: self._spawn(self._keep_model(template, part)))

    async def _keep_model(self, template: Template, part: WitnessPart) -> None:
        try:
            async with self._storing:
                kept = await asyncio.to_thread(self._store.put_part, template, part)
        except GuardError as error:
            self.opinions.not_kept(template, str(error))
            return
        if kept:  # Heard of after orders that seat the template without its model.
            self._thread.order(lambda: self.opinions.learnt(template, part))

    def _receive(self, outcomes: list[Outcome]) -> None:
        cpu = time.thread_time()
        for outcome in outcomes:
            if isinstance(outcome, EngineChanged):
                self._viewers.engine(self._engine)
                continue
            member = self._members.get(outcome.seat)
            if member is None:
                continue
            if isinstance(outcome, Judged):
                self._receive_verdict(member, outcome)
            else:
                self._receive_enrolment(member, outcome)
        self.publishing_cpu_seconds += time.thread_time() - cpu

    def _receive_verdict(self, member: Member, judged: Judged) -> None:
        if judged.frames is not member.frames:
            return  # Of somebody who had this seat before.
        now = time.monotonic()
        member.verdict = judged.verdict
        if judged.stages is not None:
            member.lag_ms = 1000 * (now - judged.stages.arrival_seconds)
        self._viewers.verdict(member, judged, now)

    def _receive_enrolment(self, member: Member, moved: EnrolmentMoved) -> None:
        if moved.enrolment is not member.enrolment:
            return  # Cancelled in the meantime, or of somebody who has left.
        if moved.template is not None:
            member.enrolment = None
            faces = self.opinions.collected_faces(moved.seat)
            self._spawn(self._keep_template(moved.seat, moved.template, faces))
        elif moved.failure is not None:
            member.enrolment = None
            self.opinions.collect(moved.seat, None)
            self._viewers.enrolment_failed(moved.seat, moved.failure)
        else:
            member.enrolment_progress = moved.progress
            fields = {"type": "participant", "action": "enrolling", "enrolment_progress": moved.progress}
            self._viewers.publish(moved.seat, fields)

    async def _report_health(self) -> None:
        while True:
            await asyncio.sleep(_HEALTH_SECONDS)
            for key, member in self._members.items():
                seat = self._pipeline_seat(key, member)
                if seat is not None:
                    self._viewers.health(key, seat, member)

    async def _expire_daily(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRY_SECONDS)
            try:
                await self.expire_templates(datetime.now(UTC))
            except GuardError as error:
                logger.warning("cannot erase expired templates: %s", error)

    def _member(self, call: str, participant: str) -> tuple[SeatKey, Member]:
        key = SeatKey(call, participant)
        if (member := self._members.get(key)) is None:
            raise NotInCallError(f"{participant} is not in call {call}; see GET /api/calls/{call}/participants")
        return key, member

    def _pipeline_seat(self, key: SeatKey, member: Member) -> Seat | None:
        """The pipeline's view of this member; None while it still has who was here before, or nobody."""
        seat = self.pipeline.seats.get(key)
        return seat if seat is not None and seat.frames is member.frames else None

    def _in_call(self, call: str) -> list[SeatKey]:
        return sorted(key for key in self._members if key.call == call)

    def _snapshot(self, key: SeatKey) -> ParticipantSnapshot:
        pictures = self._config.server.thumbnails
        return self._members[key].snapshot(key.participant, self._seated.get(key), thumbnail=pictures)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the pipeline's side ------------------------------------------------------------------------------------

    def _set_template(self, key: SeatKey, template: Template | None) -> None:
        if key in self.pipeline.seats:
            self._hand_over([self.pipeline.set_template(key, template)])

    def _set_enrolment(self, key: SeatKey, enrolment: Enrolment | None) -> None:
        if (seat := self.pipeline.seats.get(key)) is not None:
            seat.enrolment = enrolment
            seat.announced_progress = 0.0
            self.opinions.collect(key, enrolment)

    def _hand_over(self, outcomes: list[Outcome]) -> None:
        """The loop gets up only for what is told."""
        now = time.monotonic()
        told = [outcome for outcome in outcomes if self._viewers.wants(outcome, self._member_of(outcome), now)]
        if told and self._loop is not None and not self._stopping:
            self._loop.call_soon_threadsafe(self._receive, told)

    def _member_of(self, outcome: Outcome) -> Member | None:
        return None if isinstance(outcome, EngineChanged) else self._members.get(outcome.seat)
