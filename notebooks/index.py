# %% [markdown]
# # Too Big to Think, replicated
#
# *Small Transformers find the rule and cannot keep the facts; large ones keep the facts and miss the rule; and a model
# that must do both stops finding rules at any size.* That is the claim of *Too Big to Think* {cite:p}`barron2025`, drawn from
# one training run for every size and task, and from four held-out sums. It would matter: it says that size itself pushes a
# model from thinking to remembering.
#
# This book repeats the experiment from several seeds, with exact scoring, and asks of every claim how sure one may be.

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
from IPython.display import Markdown

from lib import charts, claims, lab, outcomes, render
from lib.experiments import published_results

render.enable()
outcome = lab.run(settings.sweep(), settings.store, settings.device)
runs = outcome.runs
paper = published_results().query("variant == 'base'")
judged = claims.judge(runs, paper)

# %% [markdown]
# ## What stands so far

# %% tags=["remove-input"]
short = f"These runs have {settings.iterations:,} iterations; the claims are about 30,000.\n\n"
parts = [claims.provisional(judged), claims.summary(judged), outcome.report()]
Markdown((short if settings.iterations != 30_000 else "") + "\n\n".join(parts))

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Every run at its last iteration. Above: how many of the four held-out sums it answers after training on the sums. Below: the share of the capitals that it recalls after training on the facts. A dot is a run, a diamond the paper's one run at its best checkpoint.", "name": "fig-headline"}}
parts = []
for task, measure in (("arithmetic", "held_out_correct"), ("facts", "facts_accuracy")):
    cell, one = runs[runs["task"] == task], paper[paper["task"] == task]
    if len(cell):
        parts.append(charts.dots(cell, measure, one))
if parts:
    single = runs[runs["task"] != "joint"]
    data = single[["run", "task", "width", "seed", "held_out_correct", "facts_accuracy"]]
    chart = alt.vconcat(*parts, spacing=24)
    render.figure(chart, data, "headline", single)
    render.save_picture(chart, "headline")

# %% [markdown]
# ## Claim by claim
#
# The unit is the training run. A run *extrapolates* when all four held-out sums are right at the last iteration, under
# greedy decoding. That small models extrapolate counts as replicated when the whole 95 % interval for the share of such runs
# lies above one half; that a size does not extrapolate, when it lies below one in ten; recall is judged by its mean over runs,
# "cannot" below a quarter and "recalls" above 95 %. Everything else is unresolved; {doc}`../book/methods` gives the reasons, and
# {doc}`../book/protocol` the rules as they were registered, with the larger set of runs that they are meant for.

# %% tags=["remove-input"]
Markdown(outcomes.markdown(claims.shown(judged)))

# %% [markdown]
# The words are the paper's. What it calls extrapolation is filling a hole inside a table ({doc}`corpora`), and what it calls
# joint training changes the window and the batch as well as the text ({doc}`joint`).
#
# ## How to read on
#
# {doc}`corpora` shows the texts, {doc}`../book/methods` the protocol and where it departs from the paper's. The evidence is in
# {doc}`capacity`, {doc}`tasks` and {doc}`joint`. Every figure can be pointed at and clicked, and says how many runs it shows and
# where they were trained. Every chapter is a notebook that can be run again with other parameters: {doc}`../book/rerunning`.
