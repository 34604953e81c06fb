"""A machine on which pycuda is installed and no GPU answers: real pycuda, and a driver that knows no device.

`python tests/gpu/build_pycuda_stub.py FOLDER` builds both; skipped unless WHODRIVES_PYCUDA_STUB names the folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import engines

STUB_VARIABLE = "WHODRIVES_PYCUDA_STUB"
NO_DEVICE = "the NVIDIA driver does not start (cuInit failed: no CUDA-capable device (stub))"
ROOT = Path(engines.__file__).parents[1]


@pytest.fixture(scope="module")
def machine() -> dict[str, str]:
    """The environment of a process on that machine. The stub must be there before anything else is loaded."""
    folder = os.environ.get(STUB_VARIABLE)
    if folder is None:
        pytest.skip(f"{STUB_VARIABLE} is not set; see tests/gpu/build_pycuda_stub.py")
    library, site = Path(folder) / "stub" / "libcuda.so", Path(folder) / "site"
    if not library.is_file() or not (site / "pycuda").is_dir():
        pytest.skip(f"{folder} holds no stub/libcuda.so and site/pycuda; see tests/gpu/build_pycuda_stub.py")
    paths = [str(ROOT), str(site), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run(machine: dict[str, str], program: str, *arguments: str) -> str:
    """What a Python program prints there."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=machine, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pycuda_loads_and_finds_no_device(machine: dict[str, str]) -> None:
    program = "import pycuda.driver as cuda\ntry:\n    cuda.init()\nexcept cuda.Error as error:\n    print(error)\n"
    assert run(machine, program) == "cuInit failed: no CUDA-capable device (stub)\n"


def test_the_calls_of_the_device_exist(machine: dict[str, str]) -> None:
    """No GPU, so nothing can run: at least the stand-in of the device's tests asks for nothing that is not there."""
    program = (
        "import pycuda.driver as cuda\n"
        "names = 'get_driver_version mem_alloc mem_get_info memcpy_htod_async memcpy_dtoh_async memcpy_dtod_async '\n"
        "names += 'memset_d8_async module_from_buffer pagelocked_empty'\n"
        "assert all(callable(getattr(cuda, name)) for name in names.split())\n"
        "assert all(hasattr(cuda.Stream, name) for name in ('handle', 'synchronize', 'wait_for_event'))\n"
        "assert all(hasattr(cuda.Event, name) for name in ('record', 'synchronize'))\n"
        "assert hasattr(cuda.Device, 'retain_primary_context')\n"
        "print(int(cuda.event_flags.DISABLE_TIMING))\n"
    )
    assert run(machine, program) == "2\n"


def test_the_engine_falls_back_to_the_cpu_and_steps(machine: dict[str, str]) -> None:
    program = (
        "import json, sys\n"
        "from dataclasses import asdict\n"
        "from engines.golden import golden_cosine, read_golden\n"
        "from engines.registry import find_model, load_engine\n"
        "engine = load_engine('default', backend='auto')\n"
        "cosine = golden_cosine(engine, read_golden(find_model('default')))\n"
        "print(json.dumps([asdict(engine.status), cosine, 'pycuda.driver' in sys.modules]))\n"
    )
    status, cosine, asked = json.loads(run(machine, program))
    assert status["backend"] == "onnx"
    assert status["fallback_reason"] == f"tensorrt: {NO_DEVICE}"
    assert cosine > 0.9999
    assert asked


def test_the_wanted_backend_is_refused_with_the_reason(machine: dict[str, str]) -> None:
    program = (
        "from engines.errors import BackendUnavailableError\n"
        "from engines.registry import load_engine\n"
        "try:\n"
        "    load_engine('default', backend='tensorrt')\n"
        "except BackendUnavailableError as error:\n"
        "    print(error)\n"
    )
    assert run(machine, program) == f"tensorrt: {NO_DEVICE}; use the backend 'onnx' or 'auto'\n"


def test_the_doctor_tells_the_reason(machine: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from guard.config import StoreConfig, load_config\n"
        "from guard.doctor import run_doctor\n"
        "store = StoreConfig(path=Path(sys.argv[1]) / 'templates.sqlite3')\n"
        "run_doctor(load_config().model_copy(update={'store': store}), as_json=True)\n"
    )
    checks = {check["check"]: check for check in json.loads(run(machine, program, str(tmp_path)))["checks"]}
    assert checks["engine"]["ok"]
    said = f"on onnx, fp32, head int8, cpu, 1 thread(s), not faster because tensorrt: {NO_DEVICE}"
    assert said in checks["engine"]["detail"]
