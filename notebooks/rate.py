# %% [markdown]
# # Capacity, or rate?
#
# A large model may fail to fill the hole because it *can* store the table, or because it stores it *faster* than it finds the rule. To tell the two apart, every size is also
# trained on a table without a rule: the same lines with their answers dealt out anew. How much of it a size can hold is its capacity for the table; how fast, its rate. Windows are aligned.
# Rule: {doc}`../book/causes`, experiment 2.

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

here = chapter.begin("rate", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book import answers
from lib.errors import some
from lib.experiments import claims, rate
from lib.stats import estimates, words

answered = here.runs[here.runs["part"] == "answers"]
curves = here.curves(here.runs)
firsts = rate.times(curves)
chapter.say(here.progress())


# %% tags=["remove-input"]
def without_the_largest():
    results = here.results
    return f"; without n112, {words.count(results.right[rate.LARGEST].units, 'run')} that train unsteadily, at {results.steady['w50']:,.0f}"


def answer():
    r = here.results
    half = some(r.at, "There are too few sizes to compare.")["w50"]
    text = f"**{r.account.capitalize()}.** A curve fitted to success over the sizes falls to one half of the hidden sums at {half.mean:,.0f} parameters ({half.low:,.0f} to {half.high:,.0f})"
    text += f"{chapter.optional(without_the_largest)}. "
    each = [
        f"A size {said} at {r.at[name].mean:,.0f} ({r.at[name].low:,.0f} to {r.at[name].high:,.0f}): {r.ratio[name].mean:.2g} times that "
        f"({r.ratio[name].low:.2g} to {r.ratio[name].high:.2g}), {r.lies[name]} a factor of {rate.NEAR}."
        for name, said in rate.ACCOUNTS.items()
    ]
    text += " ".join(each)
    if rate.LARGEST in r.right and r.steady.get("rate") == float("inf"):
        text += " That crossing rests on n112: without it there is none."
    return text


chapter.tell(answered, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "What a size stores, what it fills in at the end, and what it had at some time. By size: held-out sums right at the last iteration after training on the true answers; runs that had three of four right at some time; lines stored of the dealt answers. Bars are 95 % intervals over runs; the runs of the largest size train unsteadily.", "name": "fig-rate-shares"}}
def shares():
    keys = ["width", "parameters"]
    true, dealt = (answered[answered["answers"] == kind] for kind in ("true", "dealt"))
    once = firsts[(firsts["answers"] == "true") & (firsts["mlp_rate"] == 1)]
    lines = {
        "fills the hole at the end": estimates.table(true, keys),
        "stores dealt answers": estimates.table(dealt, keys, dealt["seen_accuracy"]),
        "runs with 3 of 4 right at some time": estimates.table(once, keys, once["iteration"] < float("inf")),
    }
    table = pd.concat([part.assign(what=what) for what, part in lines.items()])
    at = here.results.at
    marks = {"half": at["w50"].mean} if at else {}
    return charts.spectrum(table, "what", title="share (%)", thresholds=marks), table


chapter.figure("rate_shares", answered, shares)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "Rule and table, which comes first? The median iteration at which a size first stores 95 % of the dealt lines, and first has 3 of 4 held-out sums right with the true ones, with quartiles. Sizes whose median run never does are left out.", "name": "fig-rate-times"}}
def medians(when, *by):
    cells = when.groupby([*by, "width", "parameters"], as_index=False)["iteration"]
    table = cells.agg(
        mean="median",
        low=lambda x: x.quantile(0.25, "lower"),
        high=lambda x: x.quantile(0.75, "higher"),
        runs="size",
    )
    return table[table["mean"] < float("inf")].assign(high=lambda x: x["high"].clip(upper=here.settings.iterations))


when = medians(firsts[firsts["mlp_rate"] == 1], "answers")


def times():
    table = some(when).assign(
        what=when["answers"].map({"true": "has 3 of 4 of the hole", "dealt": "stores 95 % of dealt answers"})
    )
    return charts.times(table, "what"), table


chapter.figure("rate_times", answered, times)

# %% [markdown]
# ## An intervention
#
# If rate is the cause, then slowing down what memorizes, at a fixed size, must let larger sizes keep the hole filled; the converse does not follow. The MLP's two matrices alone are
# given a tenth or a third of the learning rate, or three times it.

# %% tags=["remove-input"]
INCOMPLETE = "These runs are not complete."
slow = here.runs[(here.runs["answers"] == "true") & here.runs["width"].isin(rate.MLP_WIDTHS)]


def slowed():
    r = here.results
    each = [
        f"times {name.removeprefix('x ')} at {r.halves[name]:,.0f}, which is {larger.mean:.2f} times that ({larger.low:.2f} to {larger.high:.2f})"
        for name, larger in some(r.larger, INCOMPLETE).items()
    ]
    own, tenth = r.by_rate["x 1"], r.by_rate.get("x 0.1", {})
    text = f"**{r.moved.capitalize()}.** The curve fitted to these {len(own)} sizes falls to one half at {r.halves['x 1']:,.0f} parameters where nothing is changed; with the MLP's learning rate {words.listing(each)}. "
    gains = [f"{words.size_name(width)} {100 * own[width].mean:.0f} and {tenth[width]:%}" for width in (28, 56) if width in own and width in tenth]
    text += f"How far it goes, hidden sums right as published and with a tenth: {words.listing(gains)}. " if gains else ""
    if "x 3" in r.larger:
        does = "and does" if r.larger["x 3"].high < 1 else "and is not shown to; more rate is not shown to do the reverse of less"
        text += f"Times 3 was expected to lower that size, {does}."
    return text + " All are compared with the same untouched runs."


chapter.tell(here.runs, slowed)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Does a slower MLP move the size at which holes stop being filled? Held-out sums right at the end, by size, for each factor of the MLP's learning rate.", "name": "fig-mlp-rate"}}
def factors():
    some(here.results.larger, INCOMPLETE)
    table = estimates.table(slow, ["width", "parameters", "mlp_rate"])
    return charts.spectrum(
        table.assign(mlp_rate=table["mlp_rate"].map("x {:g}".format)).rename(columns={"mlp_rate": "rate of the MLP"}),
        "rate of the MLP",
    ), table


chapter.figure("mlp_rate", slow, factors)

# %% [markdown]
# The MLP was slowed because it was thought to be what stores. Is it storing that comes later then, or finding the rule? Dealt answers were trained with these rates, too; the rule, experiment 14,
# compares the two times in n20, n28, n40 and n56.


# %% tags=["remove-input"]
changed = here.runs[here.runs["width"].isin(rate.RACES)]


def slows():
    r = here.results
    each = [
        f"{later.mean:.2f} ({later.low:.2f} to {later.high:.2f}) with a rate times {name.removeprefix('x ')}"
        for name, later in some(r.later, INCOMPLETE).items()
    ]
    text = f"**{r.raced.capitalize()}.** The time to store the dealt answers over the time to find the rule, as a multiple of what it is where nothing is changed: {words.listing(each)}. "
    late = [f"{what} {least:.1f} to {most:.1f}" for what, (least, most) in (("storing by", r.storing), ("finding by", r.finding))]
    text += f"With a tenth the median iterations are multiplied, {words.listing(late)}. "
    if r.raced != "storing is slowed more":
        text += "So nothing shows that the rate acts by delaying storage; a slower MLP may do no more than a lower learning rate does as a whole ({doc}`tuning`). "
    return text + claims.added("slowed", changed[changed["mlp_rate"].isin([1, min(rate.MLP_RATES)])])


chapter.tell(changed, slows)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "What comes later with a slower MLP? The median iteration at which a size first stores 95 % of the dealt lines, and first has 3 of 4 held-out sums right with the true ones, by factor of the MLP's learning rate, with quartiles.", "name": "fig-slowed"}}
both = here.runs[here.runs["width"].isin(rate.MLP_WIDTHS) & here.runs["mlp_rate"].isin([1, min(rate.MLP_RATES)])]
first = firsts[firsts["run"].isin(both["run"])]
what = first["answers"].map({"true": "finds", "dealt": "stores"}) + first["mlp_rate"].map(", x {:g}".format).astype(str)
slower = medians(first.assign(what=what), "what")


def later():
    some(here.results.later, INCOMPLETE)
    return charts.times(some(slower), "what"), slower


chapter.figure("slowed", both, later)

# %% [markdown]
# ## How much is kept
#
# Exploratory, judged by no rule. The dealt answers are a table of known entropy, so the loss says how many bits of it a size has stored. Models of natural text were found to hold
# about 3.6 bits a parameter {cite:p}`morris2025`. Not every size stores the whole table:


# %% tags=["remove-input"]
def bits():
    r = here.results
    rows = [
        {
            "size": words.size_name(width),
            "parameters": f"{r.parameters[width]:,}",
            "runs": stored.units,
            "bits stored": f"{stored.mean:.0f} ({words.span(stored.low, stored.high, scale=1, unit='')})",
        }
        | {"of the table (%)": f"{100 * r.of_table[width]:.0f}", "bits a parameter": f"{r.a_parameter[width]:.2f}"}
        for width, stored in r.bits.items()
    ]
    return pd.DataFrame(rows)


chapter.table(answered, bits)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: answers.remember("rate", here))
