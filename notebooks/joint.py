# %% [markdown]
# # Both tasks in one model
#
# The paper's last result: trained on the sums and the capitals together, no size fills the hole any more. It is offered as a
# sign that pre-training favours one mode over the other. Before reading it so, ask of every size whether it filled
# the hole *without* the capitals, and whether it learnt the seen sums at all *with* them. A size that fails either test
# cannot show that joint training took anything away.

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

settings = settle(globals(), "joint")

# %% tags=["hide-input"]
from IPython.display import Markdown

from lib import charts, lab, outcomes, render
from lib.paper import results
from lib.store import Store

render.enable()
outcome = lab.run(settings.sweep(), settings.store, settings.device)
runs = outcome.runs
curves = Store(settings.store).curves(runs)
paper = results().query("variant == 'base' and task == 'joint' and width in @settings.widths")
Markdown(outcome.report())

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Joint training: learning curves by size. A diamond is the published number, where the paper's percentages fix it.", "name": "fig-joint"}}
measures = ["seen_accuracy", "held_out_correct", "facts_accuracy", "loss"]
if len(curves):
    chart = charts.learning_curves(curves, measures, paper)
    render.figure(chart, curves[["run", "width", "seed", "iteration", *measures]], "joint", runs)

# %% [markdown]
# ## The held-out sums

# %% tags=["hide-input"]
Markdown(outcomes.extrapolation(runs))

# %% [markdown]
# ## The capitals

# %% tags=["hide-input"]
Markdown(outcomes.recall(runs))

# %% [markdown]
# ## Beside the published numbers

# %% tags=["hide-input"]
Markdown(outcomes.markdown(outcomes.endpoints(curves, paper)))

# %% [markdown]
# Joint training differs from training on the sums alone in more than the capitals: windows of 24 characters instead of 9, 576
# windows an update instead of 882, and a vocabulary four times as large. A comparison of the two confounds all of these.
