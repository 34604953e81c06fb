"""Who is shown the faces of seats and says something about them beside the witnesses; `PersonModels` is one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from guard.media.front_end import FaceFrame
from guard.verify.template import Template
from guard.verify.witnesses import Opinion


class FaceOpinions(Protocol):
    """As the pipeline's thread calls them: none of these may take long."""

    def join(self, seat: Hashable) -> None:
        """A participant's video starts."""

    def leave(self, seat: Hashable) -> None:
        """A participant's video has ended. Harmless where nobody sits."""

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """Compare a seat with this template from now on, or with nobody."""

    def offer(self, seat: Hashable, face: FaceFrame) -> None:
        """The next face that is evidence."""

    def beside(self, seat: Hashable, opinion: Opinion | None) -> Opinion | None:
        """What witnesses say about a seat, and what is said here of the same template."""


class NoPersonModels:
    """In place of them where they are off."""

    def join(self, seat: Hashable) -> None:
        """Nobody waits for them."""

    def leave(self, seat: Hashable) -> None:
        """There is nothing to forget."""

    def set_template(self, seat: Hashable, template: Template | None) -> None:
        """Nobody compares."""

    def offer(self, seat: Hashable, face: FaceFrame) -> None:
        """Nobody looks at it."""

    def beside(self, seat: Hashable, opinion: Opinion | None) -> Opinion | None:  # noqa: ARG002 - as the protocol has it
        """The witnesses' alone."""
        return opinion
