# %% [markdown]
# # A recipe of its own for each size
#
# The published learning rate and number of iterations are the same for n14 and n56. Perhaps they only suit n14. Here each size may choose: in every run two pairs are hidden, the first
# chooses rate and evaluation, the second, which took no part, says how good the choice is. Windows are aligned. Rule: {doc}`../book/causes`, experiment 4.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None
part = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("tuning", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book import answers
from lib.errors import some
from lib.experiments import tuning
from lib.stats import words

chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    r = here.results
    lead = r.lead["rate"]
    each = [
        f"{words.size_name(width)} chooses a rate of {r.learning_rate['rate'][width]:g} and iteration {r.iteration['rate'][width]:,.0f} and then has {tests:%} of the other pairs right ({words.span(tests.low, tests.high)})"
        for width, tests in r.tests["rate"].items()
    ]
    ahead = (
        f" n14 leads the better of the larger sizes by {100 * lead.mean:.0f} points ({words.span(lead.low, lead.high, unit='')})."
        if lead.units
        else ""
    )
    return f"**{r.word.capitalize()}.** {words.listing(some(each))}.{ahead}"


chapter.tell(here.runs, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "What does a lower learning rate do to what was found? Held-out sums right over time, mean over runs and both pairs, by the peak learning rate; the published one is 0.01.", "name": "fig-rates"}}
def rates():
    some(here.results.tests["rate"])
    found = tuning.by_rate(tuning.shares(here.items(here.runs, groups=["held out"]), here.runs))
    found = found[found["iteration"] % 500 == 0] if found["iteration"].max() > 10_000 else found
    return charts.over_time(
        found.drop(columns="learning_rate").rename(columns={"rate": "peak rate"}), "peak rate"
    ), found


chapter.figure("rates", here.runs, rates)

# %% [markdown]
# With decay and a smaller batch to choose from as well. Only seeds that have all recipes are compared, and the intervals include the choice, here among more recipes, so that they can differ from those above where the same recipe is chosen:


# %% tags=["remove-input"]
def decays():
    r = here.results
    rows = [
        {
            "size": words.size_name(width),
            "rate": f"{r.learning_rate['recipe'][width]:g}",
            "weight decay": f"{r.weight_decay['recipe'][width]:g}",
            "batch": f"{r.batch['recipe'][width]:.0f}",
            "iteration": f"{r.iteration['recipe'][width]:,.0f}",
        }
        | {
            "the pair that chose (%)": f"{100 * r.chooses['recipe'][width]:.0f}",
            "the other pair (%)": f"{100 * tests.mean:.0f} ({words.span(tests.low, tests.high, unit='')})",
            "seeds": tests.units,
        }
        for width, tests in r.tests["recipe"].items()
    ]
    return pd.DataFrame(some(rows))


chapter.table(here.runs[here.runs["part"] != "rate"], decays)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: answers.remember("tuning", here))
