"""Every brightness becomes the half that numpy makes of it."""

from __future__ import annotations

import numpy as np

from engines.cuda import launches
from engines.protocol import FRAME_SIZE_PX
from tests.engines.kernels.host_device import HostDevice


def test_normalised_luma_is_numpys(host_device: HostDevice) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, FRAME_SIZE_PX, FRAME_SIZE_PX)).astype(np.uint8)
    frames[0].reshape(-1)[:256] = np.arange(256)
    normal = np.empty(frames.shape, np.float16)
    source, target = host_device.allocate(frames.nbytes), host_device.allocate(normal.nbytes)
    host_device.upload(source, frames)
    host_device.launch(
        launches.normalise_luma(3, frames=source.address, normal=target.address, pixel_mean=0.45, pixel_std=0.27)
    )
    host_device.download(normal, target)
    exact = (frames.astype(np.float64) / 255 - 0.45) / 0.27
    np.testing.assert_allclose(normal, exact, rtol=2**-11, atol=1e-6)
