# %% [markdown]
# # The order of the lines
#
# The published text has one order of lines, fixed for a run, and a training window sees the end of one line and the beginning of the next. A model is rewarded for knowing which line follows which: a second, hidden
# memory task, and larger models solve it. Is that why they fail? The same sizes are trained on three texts: as published; on one in which every line follows every line exactly once, so that windows
# straddle and there is no order; and aligned, where no window sees two lines. Rule: {doc}`../book/causes`, experiment 6.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None
windows = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("order", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book import answers
from lib.experiments import order
from lib.stats import estimates, words

judged = order.judged(here.runs)
chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    each = [
        f"**{words.size_name(r.width)}: {r.verdict}.** Without order {100 * r.without_order:.0f} % of the held-out sums are right, with it {100 * r.with_order:.0f} % (difference {100 * r.difference:+z.0f} points, "
        f"{words.span(r.low, r.high, unit='')}; upper bound without order {100 * r.high_without:.1f} %, where the rule asks for under 10); aligned, where a window sees one line only, {100 * r.aligned:.0f} %."
        for r in judged.itertuples()
        if r.verdict
    ]
    return " ".join(each) + " Intervals here are at the level of one of three contrasts."


chapter.tell(judged, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "Does success come back where there is no order to learn? Held-out sums right at the last iteration, by text and size, with 95 % intervals.", "name": "fig-order"}}
def texts():
    table = estimates.table(here.runs, ["windows", "width"])
    return charts.rows(table.assign(text=table["windows"].map(answers.WINDOWS)), "text"), table


chapter.figure("order", here.runs, texts)

# %% [markdown]
# When the sums are lost, with an order and without one, is shown in {doc}`clock`. What the order costs may be steadiness: the share of evaluations in the last third of training at which all held-out sums are right.


# %% tags=["remove-input"]
def steady():
    table = order.steadiness(here.curves(here.runs))
    rows = [
        {
            "size": words.size_name(r.width),
            "text": answers.WINDOWS[r.windows],
            "runs": r.runs,
            "evaluations with all right (%)": f"{100 * r.mean:.0f} ({words.span(r.low, r.high, unit='')})",
        }
        for r in table.sort_values(["width", "windows"]).itertuples()
    ]
    return pd.DataFrame(rows)


chapter.table(here.runs, steady)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: answers.remember("order", here))
