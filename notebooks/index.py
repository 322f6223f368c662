# %% [markdown]
# # Too Big to Think, replicated
#
# *Small Transformers find the rule and cannot keep the facts; large ones keep the facts and miss the rule; and a model
# that must do both stops finding rules at any size.* That is the claim of *Too Big to Think* {cite:p}`barron2025`, drawn from
# one training run for every size and task, and from four held-out sums. It would matter: it says that size itself pushes a
# model from thinking to remembering. This book trains the same sizes from many seeds and judges them by registered rules.

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

here = chapter.begin("replication", globals())

# %% tags=["remove-input"]
import altair as alt

from lib import charts, claims, measures, render, report
from lib.experiments import replication
from lib.paper import results

runs, paper = here.runs, results()
base = runs[runs["variant"] == "base"]
judged, gaps = claims.judge(runs, paper), claims.trade_offs(runs)

# %% [markdown]
# ## What each size does
#
# n14, n28 and n56 are Transformers of one layer whose width is in their name. Trained on the sums of two digits, they are asked the four
# that they never saw; trained on fifty capitals, they are asked for each. All numbers are of the last iteration and count training runs.

# %% tags=["remove-input"]
def effects():
    sums = here.last(base[base["task"] == "arithmetic"], ["held out"])
    return replication.effects(measures.effects(base, sums)).drop(columns=["runs are"])


chapter.table(base, effects)

# %% [markdown]
# In brackets is a 95 % interval, for a mean by bootstrap, for a share of runs by Clopper and Pearson; or, where all runs are alike and the bootstrap
# has no width, what share of runs could differ all the same.
#
# ## What stands and what does not

# %% tags=["remove-input"]
iterations = here.settings.iterations
if iterations != 30_000:
    chapter.say(f"These runs have {iterations:,} iterations; the claims are about 30,000.")
chapter.say("\n\n".join([report.summary(judged), report.undecided(judged), report.differences(gaps), report.not_run(judged, gaps)]))

# %% tags=["remove-input"]
chapter.table(runs, lambda: report.findings(judged, gaps))

# %% tags=["remove-input"]
chapter.say(
    f"The rules are those of {{doc}}`../book/protocol`, committed as `{claims.PROTOCOL}`. A run *extrapolates*, in the paper's word, when all four "
    "held-out sums are right at the last iteration under greedy decoding. The paper's numbers on the sums are per cents of 182 prompts at a "
    "checkpoint that it chose; \"4 of 4\" and \"0 of 4\" are what they imply for the held-out ones. A rule that judges by all four is harsh on a size "
    "that misses one: {doc}`verdicts` has the other ways to count, the comparisons and their p values, and where the order of the runs departed "
    "from the plan."
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Every run without regularization at its last iteration, whether it reads the published lines or has an order of its own. Above: how many of the four held-out sums it answers after training on the sums. Below: the share of the capitals that it recalls after training on the facts. A dot is a run, a diamond the paper's one run at its best checkpoint.", "name": "fig-headline"}}
single = runs[(runs["variant"] != "wd") & (runs["task"] != "joint")]


def headline():
    one, parts = paper[paper["variant"] == "base"], []
    for task, measure in (("arithmetic", "held_out_correct"), ("facts", "facts_accuracy")):
        cell = single[single["task"] == task]
        if len(cell):
            parts.append(charts.dots(cell, measure, one[one["task"] == task]))
    chart = alt.vconcat(*parts, spacing=24)
    render.save_picture(chart, "headline")
    return chart, single[["run", "task", "width", "seed", "held_out_correct", "facts_accuracy"]]


chapter.figure("headline", single, headline)

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
