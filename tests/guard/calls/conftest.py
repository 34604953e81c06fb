"""Fixtures of the call tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from guard.config import CallsConfig
from tests.guard.calls.connected_publisher import ConnectedPublisher
from tests.whip_endpoint import Endpoint, Recorder, running_endpoint


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """A WHIP endpoint on loopback that admits three streams."""
    async with running_endpoint(CallsConfig(loopback=True, max_participants=3), Recorder()) as running:
        yield running


@pytest.fixture
async def eve() -> AsyncIterator[ConnectedPublisher]:
    """Somebody whose video a sink receives."""
    publisher = ConnectedPublisher()
    await publisher.connect()
    yield publisher
    await publisher.close()
