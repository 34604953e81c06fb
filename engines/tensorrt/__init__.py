"""The TensorRT backend: graphs, plans, their cache, and what runs them. Nothing here imports TensorRT by itself."""
