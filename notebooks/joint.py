# %% [markdown]
# # Both tasks in one model
#
# The paper's last result: trained on the sums and the capitals together, no size fills the hole any more. It is offered as a
# sign that pre-training favours one mode over the other. Before reading it so, ask of every size whether it filled
# the hole *without* the capitals, and whether it learnt the seen sums at all *with* them. A size that fails either test
# cannot show that joint training took anything away.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["remove-input"]
from lib import chapter

here = chapter.begin("joint", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.experiments import joint
from lib.paper import results

runs, curves = here.runs, here.curves(here.runs)
paper = results().query("variant == 'base' and width in @here.settings.widths and task in @here.settings.tasks")
chapter.say(here.report)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Joint training: learning curves by size. A diamond is the published number, where the paper's percentages fix it.", "name": "fig-joint"}}
def learning():
    measures = ["seen_accuracy", "held_out_correct", "facts_accuracy", "loss"]
    return charts.learning_curves(curves, measures, paper), curves[["run", "width", "seed", "iteration", *measures]]


chapter.figure("joint", runs, learning)

# %% [markdown]
# ## The held-out sums

# %% tags=["remove-input"]
chapter.table(runs, lambda: joint.extrapolation(runs))

# %% [markdown]
# ## The capitals

# %% tags=["remove-input"]
chapter.table(runs, lambda: joint.recall(runs))

# %% [markdown]
# ## Beside the published numbers

# %% tags=["remove-input"]
chapter.table(runs, lambda: joint.endpoints(curves, paper))

# %% [markdown]
# Joint training differs from training on the sums alone in more than the capitals: windows of 24 characters instead of 9, 576
# windows an update instead of 882, and a vocabulary four times as large. A comparison of the two confounds all of these.
