"""Training: data, losses, the one loop. The recipes stand in ``recipes/``."""
