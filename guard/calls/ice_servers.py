"""The configured STUN and TURN servers as aiortc wants them."""

from __future__ import annotations

from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from guard.config import CallsConfig, IceServerConfig


def rtc_configuration(config: CallsConfig) -> RTCConfiguration:
    """How a media connection finds its way; without servers it uses this machine's addresses only."""
    return RTCConfiguration(
        # Without an explicit empty list aiortc asks a public STUN server for every connection.
        iceServers=[_ice_server(server) for server in config.ice_servers],
        iceTransportPolicy=RTCIceTransportPolicy.RELAY if config.relay_only else RTCIceTransportPolicy.ALL,
    )


def _ice_server(server: IceServerConfig) -> RTCIceServer:
    credential = server.credential.get_secret_value() if server.credential is not None else None
    return RTCIceServer(urls=server.url, username=server.username, credential=credential)
