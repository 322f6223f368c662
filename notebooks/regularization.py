# %% [markdown]
# # With regularization
#
# The paper repeats everything with dropout 0 and weight decay 0.1 for all sizes, again with one run a cell, and finds the same. A seed has the
# same initial weights, windows and lines in both variants, so each seed is its own control.

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
from lib import charts, claims, report
from lib.experiments import regularization, replication
from lib.paper import LARGE, published, results

runs = here.runs[here.runs["variant"].isin(list(replication.VARIANTS))]
pairs = regularization.paired(runs)
chapter.say(report.provisional(here.runs))

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The same seeds with and without weight decay, at the last iteration. On the sums and on both together success is all four held-out sums right; on the facts, 95 % of the capitals recalled.", "name": "fig-pairs"}}
def kinds():
    table = pairs.melt(["task", "width"], ["both", "only without", "only with", "neither"], "kind", "seeds")
    return charts.pairs(table), table


chapter.figure("pairs", runs, kinds)

# %% [markdown]
# Only the seeds that change sides say anything about regularization; McNemar's exact test asks whether they change to one side more than a
# fair coin would. The last column compares scores instead of successes: held-out sums right, or capitals recalled, with a bootstrap
# interval over seeds.

# %% tags=["remove-input"]
chapter.table(pairs, lambda: regularization.shown_pairs(pairs))

# %% [markdown]
# A large p is not evidence that nothing changed: with few seeds on either side the test cannot tell. What the claims need is whether the
# verdicts come out the same:

# %% tags=["remove-input"]
judged = claims.judge(runs, results())
chapter.table(runs, lambda: report.shown(judged[judged["variant"] == "wd"]))

# %% [markdown]
# Weight decay acts through the learning rate:

# %% tags=["remove-input"]
folds = {width: 0.1 * float(published("arithmetic", width, 0).rates().sum()) for width in (14, LARGE)}
chapter.say(
    f"Summed over the schedule, a decay of 0.1 shrinks a weight that nothing holds up by a factor of e {folds[14]:.1f} times over in a small model, "
    f"and {folds[LARGE]:.3f} times in MLT, the paper's largest model, whose learning rate is a thousand times lower and whose published base run has the "
    "decay already. For the largest size the two variants differ in dropout alone."
)
