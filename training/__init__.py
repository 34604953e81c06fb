"""What produces engines: drivers, targets, generators, models, the trainer, evaluation and export."""
