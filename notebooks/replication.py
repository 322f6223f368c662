# %% [markdown]
# # The replication
#
# Here are all runs of the registered replication, cell by cell. A cell is a task, a size and a variant: "base" as published, "wd" with
# dropout 0 and weight decay 0.1 for all sizes, and on the sums "one order", where all seeds read the lines in the published order.
# In the other two a seed draws the order of the lines too. {doc}`../book/protocol` was committed before the runs that it judges; {doc}`verdicts`
# says which were left out because they had been begun earlier, and where the order of making them departed from it.

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
import pandas as pd
from IPython.display import Markdown

from lib import charts, claims, lab, outcomes, paper, points, registered, render, report, words
from lib.measures import CELL
from lib.store import Store

render.enable()
outcome, held = lab.gather(settings), Store(settings.store)
runs = outcome.runs if settings.seeds else claims.due(outcome.runs)
waiting = outcome.runs[~outcome.runs["run"].isin(runs["run"])]
curves = held.curves(runs)
strips = registered.strips(curves)
Markdown(report.provisional(runs))

# %% tags=["hide-input"]
Markdown(outcomes.markdown(report.counts(runs, waiting)))

# %% [markdown]
# In brackets are runs that are in the store and not counted: those that wait for the next registered look, and those begun before the protocol. MLT,
# the paper's largest model (6 layers, 10.6 million parameters), needs a GPU; its rows are empty until it has had one.
#
# ## The sums
#
# A square is a seed. It is filled when all four held-out sums are right at the evaluation that is reported; the numbers under a strip are
# the successes and a 95 % interval for their share. Switch from the final iteration, which was registered as primary, to the checkpoint
# that the paper's code would have kept and reported, and to the one with the lowest training loss.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Runs trained on the sums: all four held-out sums right. Intervals are at 95 %. Point at a square for its seed.", "name": "fig-strips-arithmetic"}}
chosen = strips[strips["task"] == "arithmetic"]
if len(chosen):
    render.figure(charts.seed_strips(chosen), chosen, "strips-arithmetic", runs[runs["task"] == "arithmetic"])

# %% [markdown]
# ## The capitals
#
# On the facts a square is filled when the run recalls at least 95 % of the capitals; the verdicts rest on the mean share and not on
# this count.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Runs trained on the facts: at least 95 % of the capitals recalled.", "name": "fig-strips-facts"}}
chosen = strips[strips["task"] == "facts"]
if len(chosen):
    render.figure(charts.seed_strips(chosen), chosen, "strips-facts", runs[runs["task"] == "facts"])

# %% [markdown]
# ## Both together

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Runs trained on the sums and the facts together: all four held-out sums right.", "name": "fig-strips-joint"}}
chosen = strips[strips["task"] == "joint"]
if len(chosen):
    render.figure(charts.seed_strips(chosen), chosen, "strips-joint", runs[runs["task"] == "joint"])

# %% [markdown]
# ## Every cell under every rule
#
# For the sums the number of runs with all four held-out sums right, for the capitals the mean recall, with the intervals that the verdicts use.

# %% tags=["hide-input"]
Markdown(outcomes.markdown(registered.cells(curves)) if len(curves) else "No run yet.")

# %% [markdown]
# ## The published numbers among ours
#
# Would one more of our runs have given the published number? Each of the paper's numbers is set beside the interval in which one further run
# falls with 95 % probability: accuracies at the paper's checkpoint, counted over the paper's prompts, and final losses. First those that do not fit.

# %% tags=["hide-input"]
published = paper.results()
table = registered.compared(curves, published) if len(curves) else curves
text = "No run yet."
if len(table):
    misfits = table[table["inside"].eq(False)]
    text = f"{len(misfits)} of the {len(table)} published numbers lie outside"
    text += f":\n\n{outcomes.markdown(registered.shown_comparison(misfits))}" if len(misfits) else "."
Markdown(text)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The paper's one run (line) in the range of ours (band) over time. From iteration 1,000 on. Switch between the runs as published and those with weight decay, and between the training loss and the answers right.", "name": "fig-bands"}}
if len(curves):
    titles = {"loss": "training loss (nats per character)", "score": "right of all that the paper asks (%)"}
    shown = registered.bands(curves[curves["iteration"] >= 1_000], paper.curves(), titles).replace({"measure": titles})
    render.figure(charts.paper_bands(shown), shown, "bands", runs[runs["variant"] != "one order"])

# %% tags=["hide-input"]
text = ""
if len(curves):
    bands = registered.bands(curves, paper.curves(), registered.COMPARED)
    often = bands.groupby(["task", "variant", "width", "measure"], sort=False)["outside"].agg(["sum", "size"]).reset_index()
    often = often[often["sum"] > often["size"] / 2]
    cells = [f"{r.task} {words.size_name(r.width)} {r.variant}, {registered.COMPARED[r.measure]}, at {r.sum} of {r.size}" for r in often.itertuples()]
    text = f"At more than half of the evaluations the paper's run lies outside the range of ours in {len(cells)} of {len(bands.groupby([*CELL, 'measure']))} curves: {'; '.join(cells)}." if cells else ""
Markdown(text)

# %% [markdown]
# A band of few runs is narrow, so that one more run lies outside it at some evaluations as a matter of course; outside at nearly all of them is another
# thing. Is it the paper's seed? Its code, unmodified, can be run again with its own seed, on a CPU and in 32-bit floating point where the paper had a
# GPU and bfloat16:

# %% tags=["hide-input"]
lines = []
final, keys = runs[runs["iterations"] == 30_000], ["task", "width", "variant"]
for (task, width, variant), again in paper.rerun().groupby(keys):
    cell = pd.DataFrame([(task, width, variant)], columns=keys)
    ours, theirs = (t.merge(cell, on=keys)["loss"] for t in (final, published))
    if len(ours):
        lines.append(
            f"- {task}, {words.size_name(width)}, {variant}: its code here ends at a loss of {again['loss'].iloc[-1]:.3f}, the published run at "
            f"{theirs.iloc[0]:.3f}, our {len(ours)} runs at {ours.min():.3f} to {ours.max():.3f}."
        )
Markdown("\n".join(lines))

# %% [markdown]
# What the same code and seed give on another device differs from the published run too, so what is left may be the device's rounding, which decides
# what such a run becomes, or bfloat16, which nobody has tried here.
#
# All published numbers:

# %% tags=["hide-input"]
Markdown(outcomes.markdown(registered.shown_comparison(table)) if len(table) else "No run yet.")

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
# A difference that this test does not find may be there all the same: with so few runs it sees only large ones.
#
# ## Ten things to say out loud
#
# What a reader of the paper should know and cannot see in its tables, each with what these runs say of it (base runs).

# %% tags=["hide-input"]
base = runs[runs["variant"] == "base"]
sums, facts = (held.items(base[base["task"] == task], [settings.iterations]) for task in ("arithmetic", "facts"))
Markdown(points.listed(runs, curves, sums, facts))
