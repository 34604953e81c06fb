"""Who plays in the demo: faces, drivers and what happens to them."""

from __future__ import annotations

from dataclasses import dataclass

CALL = "demo"
PICTURE_SIZE = (400, 224)
"""Width and height of the participants' video, in pixels. Small, because three puppets are drawn and encoded on the
machine that guards them; the face still fills the engine's crop."""


@dataclass(frozen=True, slots=True)
class Role:
    """One participant of the scene."""

    participant: str
    face: int
    """Number of the puppet's look."""
    driver: int
    """Number of the person whose motion drives it; nobody of this range was seen in training."""
    impostor: int | None = None
    """Who takes the same face over in mid-call."""
    enrolled_before: bool = True
    """True where a recording of the driver was enrolled before the call; False where it happens live."""


CAST = (
    Role("alice", face=1, driver=9, impostor=81),
    Role("bob", face=2, driver=94),
    Role("carol", face=3, driver=90, enrolled_before=False),
)
"""Alice's face is taken over by another driver; Bob drives his own all the time; Carol is enrolled during the call.

Alice and her impostor were chosen by how they move, a calm and a lively person, so that the scene shows what an alert
looks like. How often the engine tells any two people apart stands in its model card.
"""
