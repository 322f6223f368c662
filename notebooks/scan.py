# %% [markdown]
# # The scan
#
# The paper speaks of "capacity" and moves the width, and with MLT everything at once. Here width, the expansion of the MLP and the number of layers are moved one at a time, from a few hundred parameters to
# tens of thousands; the sums aligned, capitals and both together as published. Rule: {doc}`../book/causes`, experiment 3.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None
layers = None
expansion = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("scan", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book import answers
from lib.errors import some
from lib.experiments import scan
from lib.stats import estimates, words

table = scan.spectrum(here.runs)
three, gains = scan.matched(here.runs), scan.fits(here.runs)
chapter.say(here.progress())


# %% tags=["remove-input"]
def by_layers():
    deep = some(here.runs[(here.runs["task"] == "arithmetic") & (here.runs["expansion"] == 1) & here.runs["width"].isin(scan.SHAPED)])
    means = deep.assign(share=estimates.share_right).groupby("layers")["share"].mean()
    return f"Over these widths, models of {words.listing(map(str, means.index))} layers have {words.listing(f'{100 * m:.0f}' for m in means)} % of the hidden sums right. "


def answer():
    text = f"**{scan.verdict(three, gains).capitalize()}.** "
    if gains.notna().all():
        a_run = scan.by_run(here.runs, gains)
        text += f"Beside log parameters, log width improves the BIC by {gains['width']:.0f} and the number of layers by {gains['layers']:.0f}; more than 10 counts. The registered fit takes the sums of a run for independent; with a run for one observation they are {a_run['width']:.0f} and {a_run['layers']:.0f}. "
        text += chapter.optional(by_layers)
    both = scan.does_both(table)
    if "facts" in set(here.runs["task"]):
        text += f"Shown to do both tasks: {words.listing(map(words.size_name, both)) if both else 'no size'}."
    return text


chapter.tell(here.runs, answer)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "What do more layers do that more width does not? Sums alone: held-out sums right at the end against parameters; each line begins at a model of one layer.", "name": "fig-scan"}}
sums = here.runs[here.runs["task"] == "arithmetic"]


def shapes(moved):
    """Where width alone is moved, and for some widths what else is."""
    found = table[(table["task"] == "arithmetic") & (table["measure"] == "held-out sums")]
    plain = found["shape"] == "width"
    lines = [found[plain].assign(line="width")]
    for width in scan.SHAPED:
        lines.append(found[(plain | (found["shape"] == moved)) & (found["width"] == width)].assign(line=f"{moved}, width {width}"))
    found = pd.concat(lines).sort_values(["line", "parameters"])
    return charts.spectrum(found, "line"), found


chapter.figure("scan", sums[sums["expansion"] == 1], lambda: shapes("layers"))

# %% tags=["remove-input"] mystnb={"figure": {"caption": "And what does a wider MLP do? The same for the expansion.", "name": "fig-scan-expansion"}}
chapter.figure("scan_expansion", sums[sums["layers"] == 1], lambda: shapes("expansion"))

# %% [markdown]
# Three shapes have nearly the same number of parameters. Hidden sums right, two of them at a time:

# %% tags=["remove-input"]
def matched():
    rows = [
        {"first": r.first, "second": r.second, "first less second (points)": f"{100 * r.mean:+z.0f} ({words.span(r.low, r.high, unit='')})", "runs each": r.units}
        for r in three.itertuples()
    ]
    return pd.DataFrame(rows)


chapter.table(three[three["units"] > 0], matched)

# %% tags=["remove-input"]
plain = here.runs[(here.runs["layers"] == 1) & (here.runs["expansion"] == 1)]


def by_width(rows):
    order = list(words.SHORT.values())
    rows = rows[rows["shape"] == "width"].sort_values("measure", key=lambda names: names.map(order.index), kind="stable")
    return charts.spectrum(rows, "measure", title="right at the end (%)", x="width"), rows


# %% tags=["remove-input"] mystnb={"figure": {"caption": "Is there a size that does both? One layer, by width: what each task alone leaves at the end.", "name": "fig-spectrum"}}
def spectrum():
    return by_width(table[table["task"] != "joint"])


chapter.figure("spectrum", plain[plain["task"] != "joint"], spectrum)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "Both tasks in one model, by width: what is left of each at the end.", "name": "fig-spectrum-joint"}}
def together():
    return by_width(table[table["task"] == "joint"])


chapter.figure("spectrum_joint", plain[plain["task"] == "joint"], together)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: answers.remember("scan", here))
