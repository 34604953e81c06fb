// One stream's state on the device: the record that README.md draws. engines/device_record.py has the same numbers.
#pragma once

constexpr int CHANNELS = 128;
constexpr int MAP_VALUES = CHANNELS * 16 * 16;
constexpr int SLICE_VALUES = 64 * 16 * 8;
// What the head makes of a position, then the flow of its newest frame.
constexpr int POOLED_VALUES = 512;
constexpr int FLOW_VALUES = 256;
constexpr int POSITION_VALUES = POOLED_VALUES + FLOW_VALUES;
// Side of the halved frame that flow is measured in.
constexpr int PICTURE_SIDE = 64;
constexpr int PICTURE_VALUES = PICTURE_SIDE * PICTURE_SIDE;
// Maps kept before the newest: three differences need them.
constexpr int KEPT_MAPS = 3;
// Slices kept before the newest.
constexpr int KEPT_SLICES = 2;
// A position counts from the first run longer than this: before, it would reach back over the break.
constexpr int TEMPORAL_MARGIN = 5;

// Halves in one 16-byte access.
constexpr int VECTOR = 8;
constexpr int MAP_VECTORS = MAP_VALUES / VECTOR;
constexpr int SLICE_VECTORS = SLICE_VALUES / VECTOR;
constexpr int THREADS = 256;

struct alignas(16) RecordHead {
    int run;       // frames since the last break, the newest included; 0 before the first
    int map;       // where the newest map goes, 0 .. KEPT_MAPS - 1; the oldest one lies there until then
    int slice;     // the same among the slices
    int position;  // the same among the window's positions
    int broken;    // not 0: something of this frame was not finite, so the next one cannot continue it
    int counted;   // positions of the window that count
    int unused[2];
};

constexpr size_t HEAD_OFFSET = 0;
constexpr size_t SUMS_OFFSET = 256;  // double [2][768]: values, squares
constexpr size_t SLICES_OFFSET = SUMS_OFFSET + 2 * POSITION_VALUES * sizeof(double);
constexpr size_t MAPS_OFFSET = SLICES_OFFSET + KEPT_SLICES * SLICE_VALUES * 2;
constexpr size_t PICTURE_OFFSET = MAPS_OFFSET + KEPT_MAPS * MAP_VALUES * 2;
constexpr size_t POSITIONS_OFFSET = PICTURE_OFFSET + PICTURE_VALUES * sizeof(float);  // float [window][768], u8 [window]

// Addresses of all records, by place. A place below 0 stands for a row that only fills up the batch: it is skipped.
typedef const unsigned long long *Records;

struct Record {
    char *base;

    __device__ __forceinline__ Record(Records records, int place) : base(reinterpret_cast<char *>(records[place])) {}
    __device__ __forceinline__ RecordHead *head() const { return reinterpret_cast<RecordHead *>(base + HEAD_OFFSET); }
    __device__ __forceinline__ double *sums() const { return reinterpret_cast<double *>(base + SUMS_OFFSET); }
    __device__ __forceinline__ uint4 *slices() const { return reinterpret_cast<uint4 *>(base + SLICES_OFFSET); }
    __device__ __forceinline__ uint4 *maps() const { return reinterpret_cast<uint4 *>(base + MAPS_OFFSET); }
    __device__ __forceinline__ float *picture() const { return reinterpret_cast<float *>(base + PICTURE_OFFSET); }
    __device__ __forceinline__ float *positions() const { return reinterpret_cast<float *>(base + POSITIONS_OFFSET); }
    __device__ __forceinline__ unsigned char *valid(int window) const {
        return reinterpret_cast<unsigned char *>(base + POSITIONS_OFFSET) +
               static_cast<size_t>(window) * POSITION_VALUES * sizeof(float);
    }
};
