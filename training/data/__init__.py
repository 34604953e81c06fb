"""Training batches: whose motion (bank), which windows on which faces (sampler), what a call does to them (channel)."""
