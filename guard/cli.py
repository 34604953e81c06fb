"""The `guard` command. Every command imports what it needs when it runs, so that `guard --help` answers at once."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

COMMANDS_GROUP = "guard.commands"
"""Entry points of this group add commands: the demo scenes come in this way, without guard importing them."""

app = typer.Typer(
    help="Says, per call participant and all the time, whether the talking head is driven by the enrolled person.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
bench_app = typer.Typer(help="Measure on this machine.", no_args_is_help=True)
engine_app = typer.Typer(help="Engines.", no_args_is_help=True)
config_app = typer.Typer(help="Settings.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")
app.add_typer(engine_app, name="engine")
app.add_typer(config_app, name="config")

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.", envvar="GUARD_CONFIG")]
Model = Annotated[str | None, typer.Option(help="Shipped engine's name or an engine folder's path.")]
Host = Annotated[str | None, typer.Option(help="Address to bind to [default: 127.0.0.1].")]
Port = Annotated[int | None, typer.Option(help="TCP port [default: 8734]; 0 takes a free one.")]
Thumbnails = Annotated[bool | None, typer.Option(help="Send a small live picture to the dashboard.")]
Loopback = Annotated[bool | None, typer.Option(help="Offer callers 127.0.0.1 too: for calls on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Streams = Annotated[str, typer.Option(help="Numbers of streams, comma-separated.")]
Token = Annotated[str | None, typer.Option(help="Bearer token of the running guard.", envvar="GUARD_SERVER__TOKEN")]


def _overrides(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Only what the command line really gave."""
    given = {
        name: {key: value for key, value in fields.items() if value is not None} for name, fields in sections.items()
    }
    return {name: fields for name, fields in given.items() if fields}


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    model: Model = None,
    thumbnails: Thumbnails = None,
    loopback: Loopback = None,
    config: ConfigFile = None,
) -> None:
    """Run the guard: WHIP endpoint, WebSocket, API and live dashboard.

    Publish to [bold]/whip/CALL/PARTICIPANT[/bold] with any WHIP client, or open the join page in a browser.
    """
    from guard.config import load_config
    from guard.server import serve_forever

    settings = load_config(
        config,
        _overrides(
            server={"host": host, "port": port, "thumbnails": thumbnails},
            calls={"loopback": loopback},
            engine={"model": model},
        ),
    )
    serve_forever(settings)


@app.command()
def join(
    url: Annotated[
        str,
        typer.Argument(
            help="Address of the call: whep://HOST/PATH (https), whep+http://HOST/PATH, janus://HOST:PORT/ROOM (wss), "
            "janus+ws://HOST:PORT/ROOM; a room takes ?pin=..., ?display=... and ?hidden=1; livekit://HOST (wss), "
            "livekit+ws://HOST, with /ROOM?display=...&hidden=1 for an API key. Or of one participant's video: "
            "rtsp://HOST/PATH, rtsps://HOST/PATH (TLS), file:///PATH (in real time, once)."
        ),
    ],
    call: Annotated[str, typer.Option(help="Name of the call on the dashboard.")] = "main",
    name: Annotated[
        str | None, typer.Option(help="Who is seen, where the call does not tell it (whep, rtsp, file).")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="Token for the call's server; for rtsp USER:PASSWORD, for livekit an access token or APIKEY:SECRET.",
            envvar="GUARD_JOIN_TOKEN",
        ),
    ] = None,
    host: Host = None,
    port: Port = None,
    model: Model = None,
    thumbnails: Thumbnails = None,
    loopback: Loopback = None,
    config: ConfigFile = None,
) -> None:
    """Join a call that runs elsewhere, and run the whole guard on it: scores, WebSocket and dashboard.

    Comes back by itself when the call is lost. Set [bold]calls.sources[/bold] to join several.
    """
    from guard.config import load_config
    from guard.server import serve_forever

    settings = load_config(
        config,
        _overrides(
            server={"host": host, "port": port, "thumbnails": thumbnails},
            calls={"loopback": loopback, "sources": [{"url": url, "call": call, "name": name, "token": token}]},
            engine={"model": model},
        ),
    )
    serve_forever(settings, must_join=True)


@app.command()
def watch(
    url: Annotated[str, typer.Argument(help="Address of a running guard, e.g. http://127.0.0.1:8734")],
    token: Token = None,
    call: Annotated[str, typer.Option(help="Which call.")] = "main",
    since: Annotated[int | None, typer.Option(help="Resume after this seq.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False,
) -> None:
    """Tail the live events of a call on the terminal."""
    import asyncio

    from guard.watch import watch as watch_events

    asyncio.run(watch_events(url, token=token, call=call, since=since, json_lines=as_json))


@app.command()
def enroll(
    name: Annotated[str, typer.Argument(help="Who: 1-64 letters, digits, '.', '_' or '-'.")],
    files: Annotated[list[Path], typer.Argument(help="Videos of this person driving (20 s or more in all).")],
    consent_by: Annotated[str, typer.Option(help="Who gave consent to store this motion template.")],
    model: Model = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Enrol a person from video files. A template of the same name is replaced only if all goes well."""
    from guard.config import load_config
    from guard.offline import enroll_files

    settings = load_config(config, _overrides(engine={"model": model}))
    enroll_files(settings, name, files, consent_by, as_json=as_json)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="A video.")],
    name: Annotated[str, typer.Option("--as", help="The enrolled person who should be driving.")],
    model: Model = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Score a video file against an enrolled person, through the same path as a live call."""
    from guard.config import load_config
    from guard.offline import score_file

    settings = load_config(config, _overrides(engine={"model": model}))
    score_file(settings, file, name, as_json=as_json)


@app.command()
def templates(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List who is enrolled."""
    from guard.config import load_config
    from guard.offline import list_templates

    list_templates(load_config(config), as_json=as_json)


@app.command()
def forget(name: Annotated[str, typer.Argument(help="Whose template to erase.")], config: ConfigFile = None) -> None:
    """Erase a person's template for good."""
    from guard.config import load_config
    from guard.offline import forget_template

    forget_template(load_config(config), name)


@app.command()
def doctor(model: Model = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check this machine: packages, codecs, face detector, engine, store, dashboard, port.

    Exit status 1 where a check fails.
    """
    from guard.config import load_config
    from guard.doctor import run_doctor

    healthy = run_doctor(load_config(config, _overrides(engine={"model": model})), as_json=as_json)
    raise typer.Exit(0 if healthy else 1)


@engine_app.command("build")
def engine_build(
    name: Annotated[str, typer.Argument(help="Shipped engine's name or an engine folder's path.")] = "default",
    precision: Annotated[Literal["fp16", "fp32"], typer.Option(help="fp16 is mixed, and what a GPU runs.")] = "fp16",
) -> None:
    """Compile an engine for the GPU of this machine (TensorRT), so that the first call does not wait for it."""
    from engines.tensorrt.build_command import build_engine

    build_engine(name, precision)


@bench_app.command("engine")
def bench_engine(
    streams: Streams = "1,4,8",
    backend: Annotated[str | None, typer.Option(help="auto, onnx or tensorrt [default: auto].")] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Time for each of three passes over each number of streams.")
    ] = 5.0,
    model: Model = None,
    config: ConfigFile = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file; '-' prints them instead of tables.")
    ] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", help="Draw them into this file (.png, .svg).")] = None,
) -> None:
    """The engine alone: time per frame, whether it keeps up at 30 fps, stages, share of the machine's ceilings."""
    from guard.bench.engine import run_engine_bench
    from guard.bench.stream_counts import parse_stream_counts
    from guard.config import load_config

    counts = parse_stream_counts(streams)
    settings = load_config(config, _overrides(engine={"model": model, "backend": backend}))
    run_engine_bench(settings, counts, seconds, json_file=json_file, plot_file=plot_file)


@bench_app.command("latency")
def bench_latency(
    streams: Streams = "1,4,8",
    seconds: Annotated[
        float, typer.Option(min=5, help="Measured time for each number of streams, after warm-up.")
    ] = 20.0,
    model: Model = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    browser: Annotated[bool, typer.Option(help="Also through a real Chromium, up to the painted dashboard.")] = False,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page with histograms to this file.")] = None,
    earlier: Annotated[
        Path | None, typer.Option("--compare", help="Print ratios to this file, which --json printed earlier.")
    ] = None,
) -> None:
    """Latency from camera to score, stage by stage, beside a plain aiortc sink; CPU split; real WebRTC at 30 fps."""
    from guard.bench.latency.command import LatencyBench, run_latency_bench
    from guard.bench.stream_counts import parse_stream_counts
    from guard.config import load_config

    bench = LatencyBench(parse_stream_counts(streams), seconds, browser)
    settings = load_config(config, _overrides(engine={"model": model}))
    run_latency_bench(settings, bench, as_json=as_json, html_file=html_file, earlier_file=earlier)


@bench_app.command("streams")
def bench_streams(
    seconds: Annotated[float, typer.Option(min=2, help="Measured time of each probe, after warm-up.")] = 6.0,
    limit: Annotated[int, typer.Option(min=1, max=256, help="Most streams that are tried.")] = 64,
    video: Annotated[Path | None, typer.Option(help="What to send, at 30 frames a second [default: puppets].")] = None,
    model: Model = None,
    config: ConfigFile = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file; '-' prints them instead of tables.")
    ] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", help="Draw them into this file (.png, .svg).")] = None,
) -> None:
    """Capacity: most streams at 30 fps with p99 <= 100 ms, CPU for each stream by stage and beside decoding alone."""
    from guard.bench.streams.command import StreamsBench, run_streams_bench
    from guard.config import load_config

    settings = load_config(config, _overrides(engine={"model": model}))
    run_streams_bench(settings, StreamsBench(seconds, limit, video), json_file=json_file, plot_file=plot_file)


@bench_app.command("network")
def bench_network(
    seconds: Annotated[float, typer.Option(min=2, help="Measured time of each of a network's two calls.")] = 15.0,
    genuine: Annotated[
        Path | None, typer.Option(help="A video of the driver to enrol, 33 s or more [default: a puppet].")
    ] = None,
    impostor: Annotated[Path | None, typer.Option(help="A video of another driver [default: a puppet].")] = None,
    seed: Annotated[int, typer.Option(help="Which packets are lost or late.")] = 1,
    model: Model = None,
    config: ConfigFile = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write all figures to this file; '-' prints them instead of the table."),
    ] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the table to this file.")] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", help="Draw them into this file (.png, .svg).")] = None,
) -> None:
    """Bad networks (loss, bursts, jitter, limited rate, delay): latency, freezes, usable windows, verification."""
    from guard.bench.network.command import NetworkBench, OutputFiles, run_network_bench
    from guard.config import load_config

    settings = load_config(config, _overrides(engine={"model": model}))
    bench = NetworkBench(seconds, seed, genuine, impostor)
    run_network_bench(settings, bench, OutputFiles(json_file, markdown_file, plot_file))


@bench_app.command("witnesses")
def bench_witnesses(
    streams: Annotated[int, typer.Option(min=1, max=64, help="Participants.")] = 2,
    seconds: Annotated[float, typer.Option(min=2, help="Measured time of each turn, after warm-up.")] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Turns with second opinions, and as many without.")] = 5,
    video: Annotated[Path | None, typer.Option(help="What to send, at 30 frames a second [default: puppets].")] = None,
    model: Model = None,
    config: ConfigFile = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file; '-' prints them instead of tables.")
    ] = None,
) -> None:
    """Second opinions: CPU of the tracker, and whether the engine's verdicts come later with them (p99, in turns)."""
    from guard.bench.witnesses.command import WitnessesBench, run_witnesses_bench
    from guard.config import load_config

    settings = load_config(config, _overrides(engine={"model": model}))
    run_witnesses_bench(settings, WitnessesBench(streams, seconds, rounds, video), json_file=json_file)


@config_app.command("show")
def config_show(config: ConfigFile = None) -> None:
    """Print every setting in force, with its meaning."""
    from guard.config import load_config
    from guard.config_text import print_config

    print_config(load_config(config))


def _add_scene_commands() -> None:
    for entry in entry_points(group=COMMANDS_GROUP):
        app.command(entry.name)(entry.load())


def main() -> None:
    """Entry point: known errors become one line on stderr and exit status 1."""
    from engines.errors import EngineError
    from guard.errors import GuardError

    _add_scene_commands()
    try:
        app()
    except (GuardError, EngineError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
