# %% [markdown]
# # What happens over time
#
# A published number is one moment of one run. Here are all moments of the registered runs of the published recipe: the same
# texts, sizes, optimizer and 30,000 iterations as in the paper {cite:p}`barron2025`, and a seed for each run, which draws the
# initial weights, the windows and the order of the lines.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("replication", globals(), tasks=["arithmetic", "facts"])

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.data import floor, make
from lib.data.paper import results
from lib.experiments import dynamics
from lib.stats import words

runs = here.runs[here.runs["variant"] == "base"]
sums, facts = (runs[runs["task"] == task] for task in ("arithmetic", "facts"))
curves = here.curves(runs)
on_sums = curves[curves["task"] == "arithmetic"]
paper = results().query("variant == 'base'")
chapter.say(here.shown(runs))

# %% [markdown]
# ## The sums

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Seen and hidden sums over training. Lines are means over runs, bands the middle half, diamonds the paper's one run. Click a size to keep it.", "name": "fig-learning-sums"}}
def learning(task, shown):
    chosen = curves[curves["task"] == task]
    drawn = pd.concat([charts.curve_rows(chosen, measure, "width").assign(measure=measure) for measure in shown])
    return charts.learning_curves(chosen, shown, paper[paper["task"] == task]), drawn


chapter.figure("learning-sums", sums, lambda: learning("arithmetic", ["seen_accuracy", "held_out_correct", "loss"]))

# %% [markdown]
# The mean hides how restless single runs are. Here every hidden sum of every run has a line of its own:

# %% tags=["remove-input"] mystnb={"figure": {"caption": "When is each hidden sum right? A line is a seed; it is filled where the sum is right. Point at a bar for its iterations.", "name": "fig-raster"}}
def raster():
    items = here.items(sums, groups=["held out"])
    return charts.raster(items), dynamics.spans(items)


chapter.figure("raster", sums, raster)

# %% [markdown]
# So whether a run counts as a success hangs on the moment that is reported. Runs with all four hidden sums right:

# %% tags=["remove-input"]
chapter.table(sums, lambda: dynamics.over_time(on_sums))

# %% [markdown]
# "Paper's checkpoint" is the rule of the paper's code: the first evaluation at which more of its own prompts are right than at any before, hidden
# ones included. It chooses by the test, and flatters whatever flashes.
#
# ## Two floors
#
# What is left to learn once every sum is known?

# %% tags=["remove-input"]
task = make("arithmetic")
upper, lower = floor(task, ordered=False), floor(task)


def against_floors():
    means = words.listing(f"{words.size_name(width)} {loss:.3f}" for width, loss in sums.groupby("width")["loss"].mean().items())
    return (
        f"A reader who knows every line, but takes the lines to come in no order, is left with a loss of {upper:.3f} nats a character; one who "
        f"knows their order too, with {lower:.3f}. At the end our runs have, on average: {means}."
    )


chapter.tell(sums, against_floors)

# %% tags=["remove-input"]
chapter.table(sums, lambda: dynamics.crossings(on_sums, upper))

# %% [markdown]
# A loss below the upper floor cannot be had without knowing some of *which line follows which*: memorization, hidden inside the arithmetic. Whether that is what
# drives the hidden sums out is a question for an experiment, not for a curve: {doc}`order` takes the order away.
#
# ## The capitals

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The capitals over training. Lines are means over runs, bands the middle half, diamonds the paper's one run.", "name": "fig-learning-facts"}}
chapter.figure("learning-facts", facts, lambda: learning("facts", ["facts_accuracy", "loss"]))

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Which capitals does each size recall? The slider moves through training.", "name": "fig-items-facts"}}
def by_capital():
    items = here.items(facts)
    last = items[items["iteration"] == items["iteration"].max()]
    shown = last[["run", "width", "seed", "prompt", "answer", "greedy", "sampled", "likelihood"]]
    return charts.fact_grid(items), shown


chapter.figure("items-facts", facts, by_capital)

# %% tags=["remove-input"]
def remember():
    right = on_sums.groupby(["width", "iteration"])["held_out_correct"].mean()
    each = [
        f"{words.size_name(width)} has {cell.max():.1f} at iteration {cell.idxmax()[1]:,} and {cell.iloc[-1]:.1f} at the end"
        for width, cell in right.groupby("width")
    ]
    return f"**To remember.** Of four hidden sums {words.listing(each)}, on average. What a larger size finds early it mostly does not keep."


chapter.tell(sums, remember)
