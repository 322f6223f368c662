# %% [markdown]
# # The replication
#
# Here are all runs of the registered replication, cell by cell. A cell is a task, a size and a variant: "base" as published, "wd" with
# dropout 0 and weight decay 0.1 for all sizes, and on the sums "one order", where all seeds read the lines in the published order.
# In the other two a seed draws the order of the lines too. {doc}`../book/protocol` was fixed before any of these runs was made.

# %% tags=["parameters", "hide-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["hide-input"]
from lib.settings import settle

settings = settle(globals(), "replication")

# %% tags=["hide-input"]
from IPython.display import Markdown

from lib import lab, outcomes, points, registered, render, report, verdict_charts
from lib.experiments import published_results
from lib.store import Store

render.enable()
outcome = lab.gather(settings)
runs, held = outcome.runs, Store(settings.store)
curves = held.curves(runs)
strips = registered.strips(curves)
Markdown(report.provisional(runs))

# %% tags=["hide-input"]
Markdown(outcomes.markdown(report.counts(runs)))

# %% [markdown]
# MLT, the largest model, needs a GPU; its rows are empty until it has had one.
#
# ## The sums
#
# A square is a seed. It is filled when all four held-out sums are right at the evaluation that is reported; the numbers under a strip are
# the successes and a 95 % interval for their share. Switch from the final iteration, which was registered as primary, to the checkpoint
# with the best score, which is what the paper reports, and to the one with the lowest training loss.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Runs trained on the sums: all four held-out sums right. Intervals are Wilson's, at 95 %. Point at a square for its seed.", "name": "fig-strips-arithmetic"}}
chosen = strips[strips["task"] == "arithmetic"]
if len(chosen):
    render.figure(verdict_charts.seed_strips(chosen), chosen, "strips-arithmetic", runs[runs["task"] == "arithmetic"])

# %% [markdown]
# ## The capitals
#
# On the facts a square is filled when the run recalls at least 95 % of the capitals; the verdicts rest on the mean share and not on
# this count.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Runs trained on the facts: at least 95 % of the capitals recalled.", "name": "fig-strips-facts"}}
chosen = strips[strips["task"] == "facts"]
if len(chosen):
    render.figure(verdict_charts.seed_strips(chosen), chosen, "strips-facts", runs[runs["task"] == "facts"])

# %% [markdown]
# ## Both together

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Runs trained on the sums and the facts together: all four held-out sums right.", "name": "fig-strips-joint"}}
chosen = strips[strips["task"] == "joint"]
if len(chosen):
    render.figure(verdict_charts.seed_strips(chosen), chosen, "strips-joint", runs[runs["task"] == "joint"])

# %% [markdown]
# ## Every cell under every rule
#
# For the sums the number of runs with all four held-out sums right, for the capitals the mean recall, with the intervals that the verdicts use.

# %% tags=["hide-input"]
Markdown(outcomes.markdown(registered.cells(curves)) if len(curves) else "No run yet.")

# %% [markdown]
# ## The published numbers among ours
#
# Would one more of our runs have given the published number? Each is set beside the interval in which one further run falls with 95 %
# probability. The accuracies are those of the best checkpoint, counted as the paper counts them.

# %% tags=["hide-input"]
Markdown(outcomes.markdown(registered.compared(curves, published_results())) if len(curves) else "No run yet.")

# %% [markdown]
# An interval from few runs is wide, and a bounded score that most runs max out has an interval with no width; a "no" beside such a one means a
# small difference, not a large one.
#
# ## One order of the lines, or many
#
# A seed decides four things at once. With the order of the lines held fixed, what remains is the initial weights and the windows.

# %% tags=["hide-input"]
Markdown(outcomes.markdown(registered.orders(runs)) if len(runs) else "No run yet.")

# %% [markdown]
# If the two sets of a size agree, the order is not what decides whether a run fills the hole. The test sees only large differences with so
# few runs.
#
# ## Ten things to say out loud
#
# What a reader of the paper should know and cannot see in its tables, each with what these runs say of it (base runs).

# %% tags=["hide-input"]
base = runs[runs["variant"] == "base"]
sums, facts = (held.items(base[base["task"] == task], [settings.iterations]) for task in ("arithmetic", "facts"))
Markdown(points.listed(runs, curves, sums, facts))
