"""The projector on a GPU, by CuPy: the same footprints, and so the same numbers but for the order of sums.

Both ways gather: every detector pixel looks for the voxels that land on it, every voxel for the rows that it lands on.
No thread writes where another does, so the same input gives the same output to the last digit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.tomography.projector import FRACTIONS, Projector

_NOWHERE = -(2**30)
_ALONG_X, _ACROSS = 32, 8
"""Threads of a block."""
_KERNELS = r"""
extern "C" __global__ void forward(const float* volume, const int* landing, const float* footprint, const float* first,
                                   const float* per_y, const float* per_z, float* stack, int nz, int ny, int nx, int nd)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, d = blockIdx.y * blockDim.y + threadIdx.y, t = blockIdx.z;
    if (x >= nx || d >= nd) return;
    const float c = per_y[t];
    float sum = 0.0f;
    for (int z = 0; z < nz; ++z) {
        // Rows d - 1 to d + 2 and a little: what truly lands here the table says.
        const float base = first[t] + z * per_z[t];
        int low = 0, high = ny - 1;
        if (fabsf(c) > 1e-3f) {
            const float a = (d - 1.01f - base) / c, b = (d + 2.01f - base) / c;
            low = max(low, (int)ceilf(fminf(a, b)) - 1);
            high = min(high, (int)floorf(fmaxf(a, b)) + 1);
        } else if (fabsf(base - (d + 0.5f)) > 1.51f + fabsf(c) * ny) {
            continue;
        }
        for (int y = low; y <= high; ++y) {
            const int q = landing[(t * nz + z) * ny + y];
            const int part = d - (q >> SHIFT) + 1;
            if (part >= 0 && part <= 2)
                sum += footprint[(t * FRACTIONS + (q & (FRACTIONS - 1))) * 3 + part] * volume[(z * ny + y) * nx + x];
        }
    }
    stack[(t * nd + d) * nx + x] = sum;
}

extern "C" __global__ void backward(const float* stack, const int* landing, const float* footprint, float* volume,
                                    int nt, int nz, int ny, int nx, int nd)
{
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, z = blockIdx.z;
    if (x >= nx || y >= ny) return;
    float sum = 0.0f;
    for (int t = 0; t < nt; ++t) {
        const int q = landing[(t * nz + z) * ny + y], d = q >> SHIFT;
        if (d < 0 || d >= nd) continue;
        const float* w = footprint + (t * FRACTIONS + (q & (FRACTIONS - 1))) * 3;
        const float* row = stack + (t * nd + d) * nx + x;
        if (d > 0) sum += w[0] * row[-nx];
        sum += w[1] * row[0];
        if (d < nd - 1) sum += w[2] * row[nx];
    }
    volume[(z * ny + y) * nx + x] = sum;
}
"""


class CudaProjector(Projector):
    """`Projector` on a GPU. Arrays that live there stay there; arrays of the host go there and come back."""

    def __init__(self, tilts_deg: NDArray[np.float64], shape: tuple[int, int, int], rows: int | None = None) -> None:
        super().__init__(tilts_deg, shape, rows)
        cupy, (self._gather, self._spread) = _cupy(), _kernels()
        nz, ny, _ = shape
        c, s = self._cos[:, None, None], self._sin[:, None, None]
        # Rounded as on the processor, or what lies between two rows would be looked up on another side of it.
        base = (np.arange(nz)[:, None] - 0.5 * (nz - 1)) * s - 0.5 * (ny - 1) * c + 0.5 * self.rows
        at = base + np.arange(ny) * c
        row = np.floor(at)
        inside = (row >= 0) & (row < self.rows)
        landing = np.where(inside, row * FRACTIONS + np.floor((at - row) * FRACTIONS), _NOWHERE).astype(np.int32)
        first = at[:, 0, 0].astype(np.float32)
        parts = (landing, self._footprint, first, self._cos.astype(np.float32), self._sin.astype(np.float32))
        self._landing, self._weights, *self._lines = (cupy.ascontiguousarray(cupy.asarray(p)) for p in parts)

    def array(self, values: Any) -> Any:
        """On the GPU."""
        return _cupy().ascontiguousarray(_cupy().asarray(values, np.float32))

    def home(self, values: Any) -> NDArray[np.float32]:
        return np.asarray(values.get(), np.float32)

    def forward(self, volume: Any) -> Any:
        nz, ny, nx = self.shape
        stack = _cupy().empty((self._cos.size, self.rows, nx), np.float32)
        grid = (-(-nx // _ALONG_X), -(-self.rows // _ACROSS), self._cos.size)
        what = (self.array(volume), self._landing, self._weights, *self._lines, stack)
        self._gather(grid, (_ALONG_X, _ACROSS), (*what, *map(np.int32, (nz, ny, nx, self.rows))))
        return stack.get() if isinstance(volume, np.ndarray) else stack

    def backward(self, stack: Any) -> Any:
        nz, ny, nx = self.shape
        volume = _cupy().empty(self.shape, np.float32)
        grid = (-(-nx // _ALONG_X), -(-ny // _ACROSS), nz)
        sizes = map(np.int32, (self._cos.size, nz, ny, nx, self.rows))
        what = (self.array(stack), self._landing, self._weights, volume)
        self._spread(grid, (_ALONG_X, _ACROSS), (*what, *sizes))
        return volume.get() if isinstance(stack, np.ndarray) else volume


@cache
def why_no_cuda() -> str:
    """Why there is no GPU to use; nothing where there is one."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed (pip install 'alloyscope[cuda]')"
    try:
        if cupy.cuda.runtime.getDeviceCount() < 1:
            return "CuPy sees no GPU"
        _kernels()
    except Exception as error:  # noqa: BLE001  # whatever driver, runtime or compiler lack, the CPU serves
        return f"CuPy cannot use a GPU: {error}"
    return ""


def _cupy() -> Any:
    import cupy

    return cupy


@cache
def _kernels() -> tuple[Any, Any]:
    options = (f"-DFRACTIONS={FRACTIONS}", f"-DSHIFT={FRACTIONS.bit_length() - 1}")
    module = _cupy().RawModule(code=_KERNELS, options=options)
    return module.get_function("forward"), module.get_function("backward")
