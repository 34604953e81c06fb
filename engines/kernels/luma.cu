#include "half.cuh"
#include "record.cuh"

// Four pixels of one word to four halves: pixel * scale + shift.
__device__ __forceinline__ uint2 normalised(unsigned pixels, float scale, float shift) {
    const float first = pixels & 0xffu, second = (pixels >> 8) & 0xffu, third = (pixels >> 16) & 0xffu,
                fourth = pixels >> 24;
    return make_uint2(pack_halves(fmaf(first, scale, shift), fmaf(second, scale, shift)),
                      pack_halves(fmaf(third, scale, shift), fmaf(fourth, scale, shift)));
}

// Luma u8 [rows][128][128] to half, for a graph that does not take bytes. One thread per 16 pixels.
extern "C" __global__ void __launch_bounds__(THREADS)
    normalise_luma(const uint4 *frames, uint4 *normal, float scale, float shift) {
    const size_t vector = static_cast<size_t>(blockIdx.x) * THREADS + threadIdx.x;
    const uint4 pixels = frames[vector];
    const uint2 first = normalised(pixels.x, scale, shift), second = normalised(pixels.y, scale, shift),
                third = normalised(pixels.z, scale, shift), fourth = normalised(pixels.w, scale, shift);
    normal[2 * vector] = make_uint4(first.x, first.y, second.x, second.y);
    normal[2 * vector + 1] = make_uint4(third.x, third.y, fourth.x, fourth.y);
}
