"""What runs inside the process that compute-sanitizer watches: `python -m tests.gpu.sanitized_run WHAT`.

WHAT is "sequence" (random steps against NumPy) or "overread" (new maps that are 16 bytes short), which it must report.
"""

from __future__ import annotations

import sys

from engines.cuda.pycuda_device import PycudaDevice
from tests.engines.kernels.sanitized_run import MAP_BYTES, difference_one_map, run_sequence


def main(what: str) -> None:
    """Prints "begun" and "done", by which the caller knows how far it came."""
    device = PycudaDevice()
    print("begun", flush=True)  # noqa: T201 - read by the caller
    with device.current():
        if what == "sequence":
            run_sequence(device)
        else:
            difference_one_map(device, MAP_BYTES - 16, 0)
        device.synchronise()
    device.close()
    print("done", flush=True)  # noqa: T201 - read by the caller


if __name__ == "__main__":
    main(*sys.argv[1:])
