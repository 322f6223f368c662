"""All that is registered, in the order of its worth; `python -m lib pending` trains what a store lacks of it."""

import pandas as pd

from lib import experiments
from lib import sweep as sweeps

TASKS = ()  # it has no parameters, so it is no experiment of its own
# An experiment, and what it is asked for otherwise than by its full profile.
SERIES: tuple[tuple[str, dict], ...] = (
    ("found", {}),
    ("recipes", {"part": ["judged"]}),
    ("large", {"part": ["first"]}),
    ("recipes", {"part": ["grid", "chosen"]}),
    ("replication", {"tasks": ["facts"]}),
    ("large", {"part": ["whole"]}),
    ("grokking", {}),
    ("lines", {}),
    ("rate", {"part": ["slowed"]}),
    ("causes", {}),
)


def sweep() -> pd.DataFrame:
    """The registered sweeps of the series, end to end, each run once; column `experiment`."""
    parts = []
    for name, changes in SERIES:
        asked = experiments.profile(name, "full") | {"seeds": None} | changes
        parts.append(experiments.load(name).sweep(**asked).assign(experiment=name))
    return sweeps.joined(parts, ["experiment"])
