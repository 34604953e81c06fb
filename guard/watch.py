"""`guard watch`: the live events of a call on the terminal."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing

from rich.console import Console
from rich.text import Text

from guard.serve.client import follow
from guard.serve.events import (
    AlertEvent,
    EngineEvent,
    Event,
    HealthEvent,
    HelloEvent,
    ParticipantEvent,
    ScoreEvent,
    SourceEvent,
    SourceSnapshot,
    StateEvent,
    WitnessesEvent,
)
from guard.verify.states import DriverState
from guard.verify.witness_words import plain_name

_STATE_STYLES = {
    DriverState.VERIFIED: "green",
    DriverState.MISMATCH: "bold red",
    DriverState.UNCERTAIN: "yellow",
    DriverState.ABSTAIN: "magenta",
    DriverState.WARMING: "cyan",
    DriverState.UNENROLLED: "dim",
}


class _PipedConsole(Console):
    """rich exits the process where its output is closed; we have a connection to close first."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


async def watch(
    url: str, *, token: str | None, call: str = "main", since: int | None = None, json_lines: bool = False
) -> None:
    """Print the events of a call until interrupted: a line each, or with `json_lines` a JSON object each.

    Raises ServerError where the guard cannot be reached at the start, or refuses.
    """
    console = _PipedConsole(highlight=False, soft_wrap=True)
    notices = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    last = since

    def on_lost(why: str) -> None:
        notices.print(f"{why}; reconnecting", style="yellow")

    try:
        async with aclosing(follow(url, token=token, call=call, since=since, on_lost=on_lost)) as events:
            async for text, event in events:
                if json_lines:
                    sys.stdout.write(text + "\n")
                    sys.stdout.flush()
                    continue
                if isinstance(event, HelloEvent) and event.resumed_from is None and last is not None:
                    notices.print(f"what came after seq {last} is not kept any more; going on from now", style="yellow")
                last = event.seq
                console.print(event_line(event))
    except BrokenPipeError:
        # Whoever read our output has seen enough (`guard watch ... | head`); Python would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def event_line(event: Event) -> Text:
    """One coloured line: local time, participant, type, and what it says."""
    line = Text(event.time.astimezone().strftime("%H:%M:%S "), style="dim")
    line.append(f"{event.participant or '-':<12} ", style="bold")
    line.append(f"{event.type:<11} ", style="not dim")
    return line.append_text(_body(event))


def _body(event: Event) -> Text:
    match event:
        case HelloEvent():
            seats = ", ".join(f"{seat.participant} {seat.state}" for seat in event.participants) or "nobody"
            return Text(f"guard {event.server_version}, engine {event.engine.name} on {event.engine.device}: {seats}")
        case ScoreEvent():
            return _score(event)
        case StateEvent():
            return (
                Text(f"{event.previous} -> ").append(event.state, _STATE_STYLES[event.state]).append(f"  {event.why}")
            )
        case AlertEvent():
            return Text(
                f"{event.severity}: {event.reason}", style="bold red" if event.severity == "critical" else "red"
            )
        case WitnessesEvent():
            return Text(_witnesses(event), style="dim")
        case EngineEvent():
            engine = event.engine
            slower = f": {engine.fallback_reason}" if engine.fallback_reason else ""
            return Text(f"goes on with {engine.backend} on {engine.device}{slower}", style="yellow")
        case SourceEvent():
            return Text(_source(event.source), style="yellow" if event.source.why else "")
        case ParticipantEvent():
            return Text(_participant(event))
        case HealthEvent():
            return Text(
                f"received {event.received_frames}, dropped {event.dropped_frames}, breaks {event.breaks}, "
                f"queue {event.queue_frames}, engine lag {event.engine_lag_ms:.0f} ms",
                style="dim",
            )


def _score(event: ScoreEvent) -> Text:
    line = Text().append(f"{event.state:<10} ", _STATE_STYLES[event.state])
    llr = "   none" if event.llr is None else f"{event.llr:+7.2f}"
    line.append(f"llr {llr}  evidence {event.evidence:+6.2f} nats  {event.fps:4.1f} fps")
    if event.latency is not None:
        line.append(f"  {event.latency.total_ms:4.0f} ms")
    return line.append(f"  {event.why}" if event.why else "", "dim")


def _witnesses(event: WitnessesEvent) -> str:
    said = [
        f"{plain_name(each.name)} {each.llr:+.1f}" if each.llr is not None else f"{plain_name(each.name)} -"
        for each in event.witnesses
    ]
    fused = "" if event.fused_llr is None else f"  together {event.fused_llr:+.1f} nats"
    return ", ".join(said) + fused + "".join(f"; {each.direction} often: {each.words}" for each in event.movements[:2])


def _source(source: SourceSnapshot) -> str:
    words = f"{source.url} {source.state.value}" + (f": {source.why}" if source.why else "")
    if source.next_attempt is None:
        return words
    return f"{words}; again at {source.next_attempt.astimezone():%H:%M:%S}"


def _participant(event: ParticipantEvent) -> str:
    words = [event.action.replace("_", " ")]
    if event.enrolled_as is not None:
        words.append(f"as {event.enrolled_as}")
    if event.enrolment_progress is not None:
        words.append(f"{event.enrolment_progress:.0%}")
    return " ".join(words) + (f": {event.why}" if event.why else "")
