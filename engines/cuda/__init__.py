"""The CUDA device: its kernels compiled, launched and given memory. Nothing here imports a CUDA library by itself."""
