# %% [markdown]
# # With regularization
#
# The paper repeats everything with dropout 0 and weight decay 0.1 for all sizes, again with one run a cell, and finds the same. A seed has the
# same initial weights, windows and lines in both variants, so each seed is its own control.

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

settings = settle(globals(), "regularization")

# %% tags=["hide-input"]
from IPython.display import Markdown

from lib import charts, claims, lab, outcomes, registered, render, report
from lib.paper import LARGE, published, results

render.enable()
runs = lab.gather(settings).runs
runs = runs if settings.seeds else claims.due(runs)
runs = runs[runs["variant"].isin(["base", "wd"])]
paired = registered.paired(runs)
Markdown(report.provisional(runs))

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The same seeds with and without weight decay, at the last iteration. On the sums and on both together success is all four held-out sums right; on the facts, 95 % of the capitals recalled.", "name": "fig-pairs"}}
if len(paired):
    data = paired.melt(["task", "width"], list(charts.PAIRS), "kind", "seeds")
    render.figure(charts.pairs(data), data, "pairs", runs)

# %% [markdown]
# Only the seeds that change sides say anything about regularization; McNemar's exact test asks whether they change to one side more than a
# fair coin would. The last column compares scores instead of successes: held-out sums right, or capitals recalled, with a bootstrap
# interval over seeds.

# %% tags=["hide-input"]
Markdown(outcomes.markdown(registered.shown_pairs(paired)) if len(paired) else "No pair of runs yet.")

# %% [markdown]
# A large p is not evidence that nothing changed: with few seeds on either side the test cannot tell. What the claims need is whether the
# verdicts come out the same:

# %% tags=["hide-input"]
judged = claims.judge(runs, results())
Markdown(outcomes.markdown(report.shown(judged[judged["variant"] == "wd"])))

# %% [markdown]
# Weight decay acts through the learning rate:

# %% tags=["hide-input"]
folds = {width: 0.1 * float(published("arithmetic", width, 0).rates().sum()) for width in (14, LARGE)}
Markdown(
    f"Summed over the schedule, a decay of 0.1 shrinks a weight that nothing holds up by a factor of e {folds[14]:.1f} times over in a small model, "
    f"and {folds[LARGE]:.3f} times in MLT, whose learning rate is a thousand times lower and whose published base run has the decay "
    "already. For the largest size the two variants differ in dropout alone."
)
