# %% [markdown]
# # Too Big to Think, replicated
#
# *Small Transformers find the rule and cannot keep the facts; large ones keep the facts and miss the rule; and a model
# that must do both stops finding rules at any size.* That is the claim of *Too Big to Think* {cite:p}`barron2025`, drawn from
# one training run for every size and task, and from four held-out sums. It would matter: it says that size itself pushes a
# model from thinking to remembering. This book trains the same cells from many seeds, under rules that were registered first.

# %% tags=["parameters", "remove-cell"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["remove-cell"]
from lib.settings import settle

settings = settle(globals(), "index")

# %% tags=["remove-cell"]
import altair as alt
import pandas as pd
from IPython.display import Markdown

from lib import charts, claims, lab, outcomes, points, render, report
from lib.experiments import PROFILES, published_results, sweep
from lib.store import Store

render.enable()
outcome = lab.gather(settings)
runs, paper = outcome.runs, published_results()
judged, gaps = claims.judge(runs, paper), claims.trade_offs(runs)

# %% [markdown]
# ## What stands and what does not

# %% tags=["remove-input"]
short = f"These runs have {settings.iterations:,} iterations; the claims are about 30,000.\n\n"
sums = runs[(runs["task"] == "arithmetic") & (runs["variant"] == "base")]
chosen = points.selection(Store(settings.store).curves(sums)) if len(sums) else ""
text = "\n\n".join([report.summary(judged), report.differences(gaps), chosen, report.provisional(runs)])
Markdown((short if settings.iterations != 30_000 else "") + text)

# %% tags=["remove-input"]
Markdown(outcomes.markdown(report.claim_table(judged, gaps)))

# %% tags=["remove-input"]
Markdown(
    f"Rules: {{doc}}`../book/protocol`, committed as `{report.PROTOCOL}` before any run that they judge. The unit is the training run. A run "
    "extrapolates when all four held-out sums are right at the last iteration, under greedy decoding. {doc}`verdicts` has the same size by size "
    "and with regularization, the comparisons and their p values."
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Every run without regularization at its last iteration, whether it reads the published lines or has an order of its own. Above: how many of the four held-out sums it answers after training on the sums. Below: the share of the capitals that it recalls after training on the facts. A dot is a run, a diamond the paper's one run at its best checkpoint.", "name": "fig-headline"}}
parts = []
# with the three seeds a cell of the chapters on training, which read the published lines
others = sweep(settings.tasks, settings.widths, settings.seeds or PROFILES["full"]["seeds"], settings.iterations)
every = pd.concat([runs[runs["variant"] != "wd"], lab.look(others, settings.store).runs]).drop_duplicates("run")
one = paper[paper["variant"] == "base"]
for task, measure in (("arithmetic", "held_out_correct"), ("facts", "facts_accuracy")):
    cell = every[every["task"] == task]
    if len(cell):
        parts.append(charts.dots(cell, measure, one[one["task"] == task]))
if parts:
    single = every[every["task"] != "joint"]
    data = single[["run", "task", "width", "seed", "held_out_correct", "facts_accuracy"]]
    chart = alt.vconcat(*parts, spacing=24)
    render.figure(chart, data, "headline", single)
    render.save_picture(chart, "headline")

# %% [markdown]
# The words are the paper's. What it calls extrapolation is filling a hole inside a table ({doc}`corpora`), and what it calls
# joint training changes the window and the batch as well as the text ({doc}`joint`).
#
# ## How to read on
#
# {doc}`corpora` shows the texts, {doc}`../book/methods` what was done. {doc}`capacity`, {doc}`tasks` and {doc}`joint` show what training looks
# like, on three seeds that read the published lines; {doc}`replication`, {doc}`regularization` and {doc}`dynamics` have all seeds of the
# registered runs, and {doc}`verdicts` what they amount to; {doc}`dynamics` also asks at what loss the sizes part. Every figure can be pointed at
# and clicked, and says how many runs it shows and where they were trained. Every chapter is a notebook that can be run again with other
# parameters: {doc}`../book/rerunning`.
