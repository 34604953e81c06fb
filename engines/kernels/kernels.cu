// All kernels of the engine as one module.
#include "advance.cu"
#include "difference.cu"
#include "flow.cu"
#include "luma.cu"
#include "positions.cu"
#include "reset.cu"
#include "slices.cu"
