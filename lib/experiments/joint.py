"""Joint training: the published protocol on the sums and the facts together, with the published lines."""

from lib.experiments.capacity import endpoints, extrapolation, recall, sweep

__all__ = ["TASKS", "endpoints", "extrapolation", "recall", "sweep"]
TASKS = ("joint",)
