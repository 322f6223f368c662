# %% [markdown]
# # Found, then lost
#
# The paper looks at its models when training ends. What do they get right before? This page asks it of fresh runs: do larger sizes find the hidden sums in fewer updates, and have they lost
# them at the end? What counts as a yes was fixed before the first run ({doc}`../book/causes`, experiment 15).

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

here = chapter.begin("found", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book import render
from lib.experiments import claims, found
from lib.stats import words

curves = here.curves(here.runs)
means = found.over_time(curves)
title = found.title(chapter.optional(lambda: here.results.word))
aligned = here.runs[here.runs["part"] != "stream"]

# %% tags=["remove-input"]
here.finding(
    """
**Yes, both.** Over its first 1,000 updates n56 has {early[56]:%} of the hidden sums right and n14 {early[14]:%}: {sooner:points interval} for the larger one. At the end n56 has {late[56]:%} left and n14 {late[14]:%}: {less:points interval}.
It is so for all six sizes, not for these two alone. Each doubling of the parameters changes the early share by {early_slope:points interval} and the late one by {late_slope:points interval}.

The numbers in brackets are intervals over the {seeds} pairs, wide enough for two comparisons at 95 % together.
""",
    word=found.WORD,
)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "How to read it: each line is a size, the mean over its runs, each of which hides another pair of digits. Time runs to the right and is stretched at its beginning.", "name": "fig-fan"}}
def fan():
    shown = means[means["part"] != "stream"]
    chart = charts.fan(shown, title, "where the paper looks")
    render.save_picture(chart, "fan")
    return chart, shown


chapter.figure("fan", aligned, fan)

# %% [markdown]
# ## What bounds it

# %% tags=["remove-input"]
here.finding(
    """
- *In fewer updates* is not *earlier in learning*. Everything happens in fewer updates in a larger model, storing the table included. When 90 % of the seen sums are first right, n14 has {learnt[14]:% interval} of the hidden ones, n28 {learnt[28]:% interval} and n56 {learnt[56]:% interval}.
- The lead is short. The mean of n56 is above that of n14 at updates {leads}.
- A window of training was one line. In the published stream, where it begins anywhere and a model also learns which line follows which, larger sizes find less. The mean of n14 is at most {highest[stream][14]:%}, that of n28 {highest[stream][28]:%} and that of n56 {highest[stream][56]:%}.
- A still larger size does not find more: n112 has {highest[widest][112]:%} at most, and {ended[widest][112]:%} at the end.
""",
    word=found.WORD,
)


# %% tags=["remove-input"]
def sizes():
    results, text = here.results, {"sizes": "", "widest": "", "stream": ", published stream"}
    rows = [
        {"size": words.size_name(r.width) + text[r.part], "runs": r.runs, "first 1,000 updates": "–", "when 90 % of the seen sums are first right": "–", "at the end": f"{100 * r.end:.0f} %"}
        | ({"first 1,000 updates": f"{results.early[r.width]:% interval}", "when 90 % of the seen sums are first right": f"{results.learnt[r.width]:% interval}" if r.width in results.learnt else "–", "at the end": f"{results.late[r.width]:% interval}"} if r.part == "sizes" else {})
        | {"highest of the mean": f"{100 * r.highest:.0f} %", "at update": f"{r.at:,}", "half of it at": f"{r.half:,}", "left at the end": f"{100 * r.left:.0f} %"}
        for r in found.peaks(means).itertuples()
    ]
    return pd.DataFrame(rows)


chapter.table(here.runs, sizes)

# %% [markdown]
# The last four rows were to be described, not judged: one size more, and three sizes in the published stream.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The same in the published stream, on the same pairs.", "name": "fig-fan-stream"}}
def stream():
    shown = means[means["part"] == "stream"]
    return charts.fan(shown, "The published stream"), shown


chapter.figure("fan-stream", here.runs[here.runs["part"] == "stream"], stream)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: f"{here.progress()} {claims.added('found', here.runs)}")
