// CUDA's words on the host, so that g++ compiles the kernels as they are and tests can run them without a GPU.
//
// In a cooperative launch each CUDA thread of a block is a fiber. One host thread resumes the fibers of a block in turn
// until all have returned, then takes the next block. A fiber gives way at barriers and shuffles only, so this finds
// wrong arithmetic, wrong indices and stray accesses, but no races. Kernels without barriers and shuffles need no
// fibers: their threads are called one after the other, which is much quicker.
#pragma once
#define HOST_SHIM

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
// Blocks come one after the other, so they may all have the same.
#define __shared__ static

// Aligned as on the device, so that the sanitizer reports a misaligned vector access.
struct alignas(2) uchar2 { unsigned char x, y; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct Extent { unsigned x, y, z; };

inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
using std::max;
using std::min;

namespace shim {

constexpr size_t STACK_BYTES = 64 * 1024;
constexpr unsigned LANES = 32;

// Of __builtin_setjmp. The contexts of ucontext only begin fibers: switching with them costs two system calls.
using Jump = void *[5];
[[noreturn, gnu::noinline]] inline void jump_to(Jump &jump) { __builtin_longjmp(jump, 1); }

struct Fiber {
    ucontext_t context;
    Jump jump{};
    bool begun = false;
    std::vector<char> stack = std::vector<char>(STACK_BYTES);
    Extent thread;
    bool done;
    // What this lane last offered to a shuffle, and the one before: no lane is ever more than one shuffle ahead.
    uint64_t offered[2];
    unsigned turn = 0;
};

struct Grid {
    Extent grid_size, block_size, block;
    bool cooperative;
    std::function<void()> body;
    std::vector<Fiber> &fibers;
    size_t current = 0, living = 0, waiting = 0;
    unsigned generation = 0;
    int gathered = 0, result = 0;
    Jump scheduler{};
};

inline Grid *grid = nullptr;

inline Fiber &current() { return grid->fibers[grid->current]; }

[[gnu::noinline]] inline void give_way() {
    if (!grid->cooperative) std::abort();
    if (__builtin_setjmp(current().jump) == 0) jump_to(grid->scheduler);
}

// Runs the current fiber until it gives way.
[[gnu::noinline]] inline void resume() {
    if (__builtin_setjmp(grid->scheduler) != 0) return;
    if (current().begun) jump_to(current().jump);
    current().begun = true;
    setcontext(&current().context);
}

inline void release_barrier() {
    grid->result = grid->gathered;
    grid->gathered = 0;
    grid->waiting = 0;
    ++grid->generation;
}

// What a fiber does all its life: its thread of one block after the other.
inline void live() {
    while (true) {
        grid->body();
        current().done = true;
        // Those who wait at a barrier do not wait for one that has returned.
        if (--grid->living > 0 && grid->waiting == grid->living) release_barrier();
        give_way();
    }
}

inline int barrier_or(int condition) {
    const unsigned generation = grid->generation;
    grid->gathered |= condition != 0;
    if (++grid->waiting == grid->living) release_barrier();
    while (grid->generation == generation) give_way();
    return grid->result;
}

template <typename T> T shuffle_xor(T value, unsigned offset) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    Fiber &self = current();
    const unsigned slot = self.turn++ % 2;
    self.offered[slot] = 0;
    std::memcpy(&self.offered[slot], &value, sizeof value);
    give_way();  // after one round every lane of the warp has offered its value
    const size_t lane = grid->current % LANES, source = grid->current - lane + (lane ^ offset);
    if ((lane ^ offset) >= LANES || source >= grid->fibers.size()) return value;
    std::memcpy(&value, &grid->fibers[source].offered[slot], sizeof value);
    return value;
}

// The fibers of blocks of this size; they live on from launch to launch.
inline std::vector<Fiber> &fibers_of(Extent size) {
    static std::map<std::array<unsigned, 3>, std::vector<Fiber>> kept;
    std::vector<Fiber> &fibers = kept[{size.x, size.y, size.z}];
    if (!fibers.empty()) return fibers;
    fibers.resize(size_t{size.x} * size.y * size.z);
    unsigned index = 0;
    for (Fiber &fiber : fibers) {
        fiber.thread = {index % size.x, index / size.x % size.y, index / size.x / size.y};
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, live, 0);
        ++index;
    }
    return fibers;
}

inline void run_block() {
    for (Fiber &fiber : grid->fibers) fiber.done = false;
    grid->living = grid->fibers.size();
    while (grid->living > 0)
        for (grid->current = 0; grid->current < grid->fibers.size(); ++grid->current)
            if (!current().done) resume();
}

inline void run_block_in_turn() {
    Fiber &self = current();
    const Extent size = grid->block_size;
    for (self.thread.z = 0; self.thread.z < size.z; ++self.thread.z)
        for (self.thread.y = 0; self.thread.y < size.y; ++self.thread.y)
            for (self.thread.x = 0; self.thread.x < size.x; ++self.thread.x) grid->body();
}

inline void launch(Extent grid_size, Extent block_size, bool cooperative, std::function<void()> body) {
    std::vector<Fiber> &fibers = fibers_of(cooperative ? block_size : Extent{1, 1, 1});
    Grid now{grid_size, block_size, {}, cooperative, std::move(body), fibers};
    grid = &now;
    for (now.block.z = 0; now.block.z < grid_size.z; ++now.block.z)
        for (now.block.y = 0; now.block.y < grid_size.y; ++now.block.y)
            for (now.block.x = 0; now.block.x < grid_size.x; ++now.block.x)
                cooperative ? run_block() : run_block_in_turn();
    grid = nullptr;
}

}  // namespace shim

#define threadIdx (shim::current().thread)
#define blockIdx (shim::grid->block)
#define blockDim (shim::grid->block_size)
#define gridDim (shim::grid->grid_size)

inline int __syncthreads_or(int condition) { return shim::barrier_or(condition); }
inline void __syncthreads() { shim::barrier_or(0); }
template <typename T> T __shfl_xor_sync(unsigned, T value, unsigned offset) { return shim::shuffle_xor(value, offset); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }

// What half.cuh writes in PTX.
inline float half_to_float(unsigned short pattern) { return std::bit_cast<_Float16>(pattern); }
inline unsigned short float_to_half(float value) {
    return std::bit_cast<unsigned short>(static_cast<_Float16>(value));
}
inline unsigned short subtract_half(unsigned left, unsigned right) {
    // In single precision and rounded again: the same as rounding once, for differences of halves.
    return float_to_half(half_to_float(left & 0xffffu) - half_to_float(right & 0xffffu));
}
inline unsigned subtract_halves(unsigned left, unsigned right) {
    return subtract_half(left, right) | static_cast<unsigned>(subtract_half(left >> 16, right >> 16)) << 16;
}
