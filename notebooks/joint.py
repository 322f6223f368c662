# %% [markdown]
# # Both tasks in one model
#
# The paper's last result: trained on the sums and the capitals together, no size fills the hole any more. Before reading it as a
# price of joint training, ask of every size whether it filled the hole *without* the capitals, and whether it learnt the
# seen sums *with* them. A size that fails either test cannot show that anything was taken away.

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

here = chapter.begin("replication", globals())

# %% tags=["remove-input"]
import numpy as np

from lib import charts
from lib.data import make
from lib.data.paper import LARGE
from lib.errors import some
from lib.experiments import joint, regularization
from lib.experiments.replication import VARIANTS
from lib.stats import words
from lib.sweep import published

runs = here.runs[here.runs["variant"].isin(list(VARIANTS))]
base = runs[runs["variant"] == "base"]
together = base[base["task"] == "joint"]
chapter.say(here.shown(runs))

# %% tags=["remove-input"] mystnb={"figure": {"caption": "What each size has to lose, and what it has learnt, alone and with the other task. Means over runs at the last iteration, with 95 % intervals.", "name": "fig-joint"}}
def alone_and_together():
    some(together)
    table = joint.outcomes(base)
    return charts.rows(table, "outcome", title="right at the end (%)"), table


chapter.figure("joint", base, alone_and_together)

# %% tags=["remove-input"]
def tests():
    found = joint.outcomes(base).set_index(["outcome", "width"])
    lines = []
    for width in sorted(together["width"].unique()):
        alone, with_it, seen = (
            found["mean"].get((name, width), float("nan"))
            for name in ("held-out sums, alone", "held-out sums, with the other task", "seen sums, with the other task")
        )
        lines.append(
            f"- **{words.size_name(width)}** has {100 * alone:.0f} % of the hidden sums right alone and {100 * with_it:.0f} % with the capitals; "
            f"of the seen sums it then knows {100 * seen:.0f} %."
        )
    return "\n".join(lines)


chapter.tell(together, tests)

# %% tags=["remove-input"]
alone, both = make("arithmetic"), make("joint")
chapter.say(
    f"Joint training also reads windows of {both.context} characters instead of {alone.context}, draws {both.batch} of them an update instead of {alone.batch}, and has "
    f"{len(both.vocabulary)} characters instead of {len(alone.vocabulary)}. {{doc}}`controls` separates window and batch, together, from the facts."
)

# %% [markdown]
# ## With regularization
#
# The paper repeats everything with dropout 0 and weight decay 0.1 for all sizes, and finds the same. A seed has the
# same initial weights, windows and lines in both variants, so each seed is its own control.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Does weight decay of 0.1 change which sizes fill the hole? Share of runs with all four hidden sums right (sums, both), or with 95 % of the capitals recalled (capitals), with 95 % intervals.", "name": "fig-pairs"}}
def with_and_without():
    table = regularization.successes(runs)
    return charts.rows(table, "cell", "runs_are", title="runs that succeed (%)"), table


chapter.figure("pairs", runs, with_and_without)

# %% [markdown]
# Only the seeds that change sides say anything; McNemar's exact test asks whether they change to one side more than a
# fair coin would. The last column compares scores: held-out sums right, or capitals recalled. Cells in which no seed changes sides are left out.

# %% tags=["remove-input"]
paired = regularization.paired(runs)
moved = paired[paired[["only without", "only with"]].sum(axis=1) > 0]
chapter.table(moved, lambda: regularization.shown_pairs(moved))

# %% tags=["remove-input"]
folds = {width: 0.1 * float(published("arithmetic", width, 0).rates().sum()) for width in (14, LARGE)}
chapter.say(
    f"A large p is no evidence that nothing changed. And weight decay acts through the learning rate: over the schedule a weight left without a gradient shrinks to 1/{float(f'{np.exp(folds[14]):.2g}'):,.0f} "
    f"of itself in a small model, and by {100 * (1 - np.exp(-folds[LARGE])):.1f} % in {words.MLT}, whose learning rate is a thousand times lower."
)

# %% [markdown]
# **To remember.** That n14, n28 and n56 do not fill the hole after joint training says little: the size that did so before no longer learns its seen
# sums, and the larger ones failed before. What the joint task's window and batch do without any capital: {doc}`controls`; both tasks read line by line: {doc}`lines`.
