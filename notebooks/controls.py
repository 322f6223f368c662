# %% [markdown]
# # Joint training, controlled
#
# Training on sums and facts together changes four things at once: the window grows, the batch shrinks, the sums get fewer windows, and there are facts. The arms here add them one at a
# time. Rule: {doc}`../book/causes`, experiment 10; where a size fails already with the joint window and no facts, nothing can be said about the facts.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None
arm = None

# %% tags=["remove-input"]
from lib import chapter

here = chapter.begin("controls", globals())

# %% tags=["remove-input"]

from lib import answers, charts, estimates, words
from lib.experiments import controls
from lib.settings import settle

NAMES = {
    "alone": "sums alone, joint window and batch", "joint": "with facts, as published", "random": "with random names",
    "equal": "with facts, sums as often as alone",
}  # fmt: skip
judged = controls.judged(here.runs)
chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    each = [
        f"**{words.size_name(r.width)}: {r.verdict}** (alone {100 * r.alone:.0f} %, with facts and equal exposures {100 * r.equal:.0f} %, difference {words.span(r.low, r.high, unit=' points')}; "
        f"seen sums {100 * r.seen:.0f} %)."
        for r in judged.itertuples()
    ]
    return " ".join(each)


chapter.tell(judged, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "What does joint training take away, and which part of it? Held-out sums right at the end, by arm and size.", "name": "fig-controls"}}
def arms():
    table = estimates.table(here.runs, ["arm", "width"])
    return charts.rows(table.assign(trained=table["arm"].map(NAMES)), "trained"), table


chapter.figure("controls", here.runs, arms)

# %% tags=["remove-input"]
def without_facts():
    order = chapter.read(settle({"store": here.settings.store}, "order")).runs
    found = controls.windows(here.runs, order[(order["windows"] == "anywhere") & (order["iterations"] == here.settings.iterations)])
    each = [
        f"from {100 * r.own:.0f} to {100 * r.alone:.0f} % in {words.size_name(r.width)}, {answers.said(r.low, r.high, r.difference)}"
        for r in found.itertuples()
    ]
    return (
        f"**The window without the facts.** On the same text of sums, with no fact in it, the joint task's longer window and smaller batch take the hidden sums that are right at the end {words.listing(each)}. "
        "So what facts cost can be measured only beside the first arm, not beside the sums as published. The runs with the sums' own window and batch are those of {doc}`order`; the contrast is described, not registered."
        if each
        else words.NONE
    )


chapter.tell(here.runs, without_facts)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: answers.remember("controls", here))
