// Half precision as it lies in memory: 16-bit patterns, two to a 32-bit word.
//
// Written as PTX, so that the kernels need no header of the toolkit and NVRTC can compile them without include folders.
#pragma once

#ifndef HOST_SHIM

__device__ __forceinline__ float half_to_float(unsigned short pattern) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(pattern));
    return value;
}

// Rounds to nearest even.
__device__ __forceinline__ unsigned short float_to_half(float value) {
    unsigned short pattern;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(pattern) : "f"(value));
    return pattern;
}

// Two differences, each rounded once.
__device__ __forceinline__ unsigned subtract_halves(unsigned left, unsigned right) {
    unsigned difference;
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(difference) : "r"(left), "r"(right));
    return difference;
}

#endif

__device__ __forceinline__ unsigned pack_halves(float low, float high) {
    return float_to_half(low) | (static_cast<unsigned>(float_to_half(high)) << 16);
}

// |low| + |high|
__device__ __forceinline__ float magnitude_of_halves(unsigned word) {
    return half_to_float(word & 0x7fffu) + half_to_float((word >> 16) & 0x7fffu);
}

// An exponent of all ones is an infinity or a NaN.
__device__ __forceinline__ bool halves_are_finite(unsigned word) {
    return (word & 0x7c00u) != 0x7c00u && (word & 0x7c000000u) != 0x7c000000u;
}

__device__ __forceinline__ bool halves_are_finite(uint4 words) {
    return halves_are_finite(words.x) && halves_are_finite(words.y) && halves_are_finite(words.z) &&
           halves_are_finite(words.w);
}

__device__ __forceinline__ uint4 subtract_halves(uint4 left, uint4 right) {
    return make_uint4(subtract_halves(left.x, right.x), subtract_halves(left.y, right.y),
                      subtract_halves(left.z, right.z), subtract_halves(left.w, right.w));
}
