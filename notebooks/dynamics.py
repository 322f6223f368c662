# %% [markdown]
# # Over time
#
# A published number is one moment of a run. The paper's own logs show that larger models answer held-out sums for
# a while and lose them again {cite:p}`barron2025`. Here every held-out sum of every registered run has a line of its own.

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

settings = settle(globals(), "dynamics")

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown

from lib import charts, claims, lab, measures, outcomes, registered, render
from lib.store import Store
from lib.tasks import floor, make

render.enable()
everything = lab.gather(settings).runs
everything = everything if settings.seeds else claims.due(everything)
everything = everything[everything["task"] == "arithmetic"]
runs, held = everything[everything["variant"] == "base"], Store(settings.store)
curves, items = held.curves(runs), held.items(runs, groups=["held out"])
others = {variant: held.curves(cell) for variant, cell in everything.groupby("variant") if variant != "base"}

# %% [markdown]
# ## When a held-out sum is right

# %% tags=["hide-input"] mystnb={"figure": {"caption": "When each run answers each held-out sum right under greedy decoding: a panel for every sum and size, a line for every seed. Point at a bar for its iterations.", "name": "fig-raster"}}
if len(items):
    spans = registered.spans(items)
    render.figure(charts.raster(items), spans, "raster", runs)

# %% [markdown]
# The file behind the figure has, for every run and sum, the iterations of the first and the last right answer and the share of evaluations that
# are right. By size:

# %% tags=["hide-input"]
Markdown(outcomes.markdown(registered.span_table(spans)) if len(items) else "No run yet.")

# %% [markdown]
# All four at once:

# %% tags=["hide-input"]
names = {"wd": "With weight decay 0.1", "one order": "With the published order of the lines"}
parts = [outcomes.transience(curves)] if len(curves) else ["No run yet."]
parts += [f"{names[variant]}:\n\n{outcomes.transience(table)}" for variant, table in others.items()]
Markdown("\n\n".join(parts))

# %% [markdown]
# A size that has the sums right at some evaluations and not at the last is not one that cannot find them. Whether its
# runs count as successes hangs on the moment that is reported:

# %% tags=["hide-input"]
Markdown(outcomes.markdown(outcomes.by_rule(curves)) if len(curves) else "No run yet.")

# %% [markdown]
# "Paper's checkpoint" is the rule of the paper's code: the first evaluation at which more of its own prompts are right than at any before, held-out
# ones included. It reports a transient success where no other evaluation has more right in all:

# %% tags=["hide-input"]
lines = []
for width, cell in curves.groupby("width"):
    (ever,) = measures.over_time(cell, ["width"]).itertuples()
    kept = int(measures.succeeded(measures.reported(cell, "paper's checkpoint")).sum())
    lines.append(f"- **n{width}**: of {ever.ever} runs that have all four right at some evaluation, it reports {kept} as successes; {ever.end} are at the end.")
Markdown("\n".join(lines) if lines else "No run yet.")

# %% [markdown]
# ## Two floors
#
# What a model can still gain after it knows every sum is the order of the lines.

# %% tags=["hide-input"]
Markdown(outcomes.against_floors(runs) if len(runs) else "No run yet.")

# %% [markdown]
# The lower floor can be reached only by knowing the order of the lines, which no held-out sum has a place in. What a model learns on its way from
# the upper floor to the lower is about the file and not about arithmetic. So the loss can serve as a clock: how many held-out sums are right *when
# the loss is this low*?

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Held-out sums right against the training loss, which falls from left to right: the mean over the runs of a size that have an evaluation with about this loss, and its 95 % interval. Losses at which fewer than five runs were evaluated are left out. Switch between the runs as published, those with weight decay, and those that all read the published order; click a size in the legend to keep it.", "name": "fig-by-loss"}}
task = make("arithmetic")
floors = {"lines known, their order not": floor(task, ordered=False), "order known too": floor(task)}
every = pd.concat([curves, *others.values()])
table = registered.by_loss(every[every["loss"] < 1]) if len(every) else every
if len(table):
    render.figure(charts.by_loss(table, floors), table, "by-loss", everything)

# %% tags=["hide-input"]
Markdown(registered.crossings(curves, floors["lines known, their order not"]) if len(curves) else "No run yet.")

# %% [markdown]
# This comparison was not registered: it was drawn after the runs were seen, and judges nothing. Nor does it say what causes what. That a size answers
# more held-out sums before its loss nears the upper floor than below it would fit a rule that gives way to the order of the lines; but where
# hardly a run ever has all four right, what is lost is partial answers and not a rule that was there. To tell would take a text whose lines come in
# no order.
