"""Measures one section in a process of its own: `python -m tests.gpu.section_run NAME RESULT.json [--crops FOLDER]`.

A device that failed once is of no more use to its process, and the next section must not suffer for it.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engines.errors import BackendUnavailableError
from engines.model_folder import ModelFolder, read_model_folder
from engines.onnx_engine import OnnxEngine
from engines.registry import find_model
from tests.gpu.clips import clips_in, drawn_clips
from tests.gpu.engine_parts import Kind, engine_parts
from tests.gpu.section import Section, UnavailableError
from tests.gpu.sections.bandwidth import measure_bandwidth
from tests.gpu.sections.engine import compare_engines
from tests.gpu.sections.kernels import measure_kernels
from tests.gpu.sections.sanitizer import find_tool, measure_sanitizer
from tests.gpu.sections.streams import measure_streams
from tests.gpu.stack import Stack, open_gpu_stack


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="Measure one section of the GPU evidence.")
    parser.add_argument("name", choices=SECTIONS)
    parser.add_argument("result", type=Path)
    parser.add_argument("--crops", type=Path)
    given = parser.parse_args()
    run_section(given.name, given.crops).write(given.result)


def run_section(name: str, crops: Path | None) -> Section:
    """Whatever happens becomes a section: values, or the reason why there are none."""
    begin = time.perf_counter()
    try:
        values = SECTIONS[name](crops)
    except (UnavailableError, BackendUnavailableError) as missing:
        return Section(name, "unavailable", time.perf_counter() - begin, reason=str(missing))
    except Exception:  # noqa: BLE001 - the report says what went wrong, and the other sections go on
        return Section(name, "failed", time.perf_counter() - begin, reason=traceback.format_exc())
    return Section(name, "measured", time.perf_counter() - begin, values)


def _kernels(_crops: Path | None) -> dict[str, Any]:
    with _gpu_stack() as stack:
        return measure_kernels(stack)


def _sanitizer(_crops: Path | None) -> dict[str, Any]:
    with _gpu_stack():  # says why there is none, before the tool says it worse
        tool = find_tool()
    return measure_sanitizer(tool)


def _bandwidth(_crops: Path | None) -> dict[str, Any]:
    with _gpu_stack() as stack:
        return measure_bandwidth(stack, _rivals)


def _rivals(stack: Stack, streams: int, repeats: int) -> dict[str, Any]:
    try:
        from tests.gpu.torch_rivals import torch_rivals
    except ImportError as error:
        raise UnavailableError(f"PyTorch does not load ({error})") from None
    return torch_rivals(stack, streams, repeats)


def _engine(crops: Path | None) -> dict[str, Any]:
    model = read_model_folder(find_model("default"))
    clips = drawn_clips(model.spec.window_frames) + (clips_in(crops) if crops else [])
    with _gpu_stack() as stack:
        engine = engine_parts(model, stack, "best").engine(model, stack)
        values = compare_engines(engine, OnnxEngine(model), clips)
        engine.close()
        return values


def _streams(kind: Kind) -> dict[str, Any]:
    model = read_model_folder(find_model("default"))
    with _gpu_stack() as stack:
        arithmetic = _arithmetic(model)
        values = measure_streams(model, stack, lambda: engine_parts(model, stack, kind))
    values["arithmetic"] = arithmetic
    if "floor_us_per_frame" in arithmetic:
        values["floor_us_per_frame"]["arithmetic"] = arithmetic["floor_us_per_frame"]
    return values


def _arithmetic(model: ModelFolder) -> dict[str, Any]:
    """What PyTorch reaches in half precision and what a frame needs of it, or why that is not known."""
    try:
        from tests.gpu.torch_ceiling import frame_operations, half_product_rate

        product = half_product_rate()
    except (ImportError, UnavailableError) as error:
        return {"unavailable": str(error)}
    operations = frame_operations(model)
    floor_us = 1e6 * operations / product["per_second"]
    return {"half_matrix_product": product, "operations_per_frame": operations, "floor_us_per_frame": floor_us}


@contextlib.contextmanager
def _gpu_stack() -> Iterator[Stack]:
    stack = open_gpu_stack()
    try:
        with stack.device.current():
            yield stack
    finally:
        stack.device.close()


SECTIONS: dict[str, Callable[[Path | None], dict[str, Any]]] = {
    "kernels": _kernels,
    "sanitizer": _sanitizer,
    "bandwidth": _bandwidth,
    "engine": _engine,
    "streams": lambda _crops: _streams("best"),
    "streams-compiled": lambda _crops: _streams("compiled"),
}
"""By name, the surest first: what a run that is cut off has measured should count."""


if __name__ == "__main__":
    main()
