"""Person-specific models: what a guard and the worker that learns and asks them have in common."""
