// The kernels of engines/kernels as a host library with the interface of cuLaunchKernel.
#include "host_shim.h"

#include "kernels.cu"

#include <cstdlib>
#include <string_view>
#include <type_traits>
#include <utility>

namespace {

using Sizes = std::vector<uint64_t>;

struct Kernel {
    std::string_view name;
    bool cooperative;
    Sizes argument_sizes;
    std::function<void(void **)> call;
};

template <typename... Parameters> Kernel entry(const char *name, bool cooperative, void (*kernel)(Parameters...)) {
    return {name, cooperative, {sizeof(Parameters)...}, [kernel](void **arguments) {
                [&]<size_t... Index>(std::index_sequence<Index...>) {
                    kernel(*static_cast<std::remove_cv_t<Parameters> *>(arguments[Index])...);
                }(std::index_sequence_for<Parameters...>());
            }};
}

#define IN_TURN(kernel) entry(#kernel, false, kernel)
#define COOPERATIVE(kernel) entry(#kernel, true, kernel)
const Kernel KERNELS[] = {IN_TURN(advance_runs),     COOPERATIVE(difference_maps), IN_TURN(gather_slices),
                          COOPERATIVE(measure_flow), IN_TURN(normalise_luma),      COOPERATIVE(push_positions),
                          IN_TURN(push_slices),      IN_TURN(reset_records)};

const Kernel *find(const char *name) {
    for (const Kernel &kernel : KERNELS)
        if (kernel.name == name) return &kernel;
    return nullptr;
}

}  // namespace

// The number of a kernel's arguments and their sizes in bytes; -1 for an unknown kernel.
extern "C" int host_argument_sizes(const char *name, uint64_t *sizes) {
    const Kernel *kernel = find(name);
    if (kernel == nullptr) return -1;
    std::copy(kernel->argument_sizes.begin(), kernel->argument_sizes.end(), sizes);
    return static_cast<int>(kernel->argument_sizes.size());
}

extern "C" void host_launch(const char *name, const Extent *grid, const Extent *block, void **arguments) {
    const Kernel *kernel = find(name);
    shim::launch(*grid, *block, kernel->cooperative, [&] { kernel->call(arguments); });
}

// Of exactly this size, so that the sanitizer sees the first byte behind it.
extern "C" void *host_allocate(size_t bytes) {
    void *memory = nullptr;
    return posix_memalign(&memory, 256, bytes) == 0 ? memory : nullptr;
}

extern "C" void host_free(void *memory) { std::free(memory); }

// Every number that the Python side has too, in the order of test_layout.py.
extern "C" void host_layout(uint64_t *out) {
    for (const uint64_t value : {
             uint64_t{CHANNELS}, uint64_t{MAP_VALUES}, uint64_t{SLICE_VALUES}, uint64_t{POOLED_VALUES},
             uint64_t{FLOW_VALUES}, uint64_t{POSITION_VALUES}, uint64_t{PICTURE_SIDE}, uint64_t{GRID}, uint64_t{MEDIAN},
             uint64_t{KEPT_MAPS}, uint64_t{KEPT_SLICES}, uint64_t{TEMPORAL_MARGIN}, uint64_t{THREADS},
             uint64_t{sizeof(RecordHead)}, uint64_t{offsetof(RecordHead, run)}, uint64_t{offsetof(RecordHead, map)},
             uint64_t{offsetof(RecordHead, slice)}, uint64_t{offsetof(RecordHead, position)},
             uint64_t{offsetof(RecordHead, broken)}, uint64_t{offsetof(RecordHead, counted)}, uint64_t{SUMS_OFFSET},
             uint64_t{SLICES_OFFSET}, uint64_t{MAPS_OFFSET}, uint64_t{PICTURE_OFFSET}, uint64_t{POSITIONS_OFFSET}})
        *out++ = value;
}
