# %% [markdown]
# # The loss as a clock
#
# A training loss is one number, and it falls while a model learns three different things. It learns *answers*: what follows the "=". It learns *operands*: what a line can begin with. And where a
# window shows the end of one line and the beginning of the next, it can learn the *order* of the lines. So the loss can serve as a clock with three hands: which of them moves while held-out sums are
# being lost?
#
# The loss splits exactly, since every character that a window asks for belongs to one of the three. From each part we take what it costs a reader who knows every line but takes them to come
# in no order. Zero means: knows the lines. Only the order's part can fall well below zero, and only where there is an order. (Answers and operands can trade some thousandths of a nat, since a window that
# begins within a line does not say where.) Two texts are compared, as in {doc}`order`: the published stream, and one in which every line follows every line once.
#
# This is exploratory (experiment 7 of {doc}`../book/causes`): it judges nothing.

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

here = chapter.begin("clock", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book.answers import WINDOWS
from lib.errors import some
from lib.experiments import clock
from lib.settings import settle
from lib.stats import estimates, words
from lib.store import Store

# The runs of experiment 6 learn the same texts by the same recipe; they add seeds to what is said of success.
others = chapter.read(settle({"store": here.settings.store}, "order"))
same = others.runs["windows"].isin(here.settings.factors["windows"]) & others.runs["width"].isin(here.settings.widths)
more = others.runs[same & (others.runs["iterations"] == here.settings.iterations)]
parts = clock.split(Store(here.settings.store), here.runs)
runs = pd.concat([here.runs, more], ignore_index=True)
success = clock.successes(here.curves(runs), sorted(parts["iteration"].unique()))
table = clock.declines(success, parts)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "Held-out sums right (above; intervals on pointing) and what of each part of the training loss is still to be learnt (below; mean over runs), over training. At zero a model knows the lines; below zero it knows their order. Solid: the published stream, whose lines have an order; dashed: the text without one.", "name": "fig-clock"}}
def hands():
    some(parts)
    shares = estimates.table(success, ["windows", "width", "iteration"], success["share"])
    keys = ["windows", "width", "part", "iteration"]
    nats = parts.groupby(keys, as_index=False, sort=False).agg(nats=("nats", "mean"), runs=("run", "nunique"))
    said = [
        x.sort_values("windows", kind="stable").assign(text=x["windows"].map(WINDOWS)).drop(columns="windows")
        for x in (shares, nats)
    ]
    return charts.clock(*said, clock.message(table)), pd.concat(said, ignore_index=True)


chapter.figure("clock", runs, hands)


# %% tags=["remove-input"]
def fallen(r):
    if r.low != r.low:
        return f"{100 * r.fall:z.0f}, not evidence yet"
    return f"{100 * r.fall:z.0f} ({words.span(r.low, r.high, unit='')})" if r.fall else "none: best at the end"


def falls():
    rows = [
        {
            "size": words.size_name(r.width),
            "text": WINDOWS[r.windows],
            "runs": r.runs,
            "right at best (%)": f"{100 * r.best:.0f} at {r.at:,}",
            "half of that lost by": f"{r.halved:,.0f}" if r.halved == r.halved else "–",
            "at the end (%)": f"{100 * r.end:.0f}",
            "fall (points)": fallen(r),
            "order known at best, at the end (%)": "–"
            if r.windows == "pairs"
            else f"{100 * r.gained_best:.0f}, {100 * r.gained_end:.0f}",
        }
        for r in table.itertuples()
    ]
    return pd.DataFrame(rows)


chapter.table(table, falls)

# %% [markdown]
# *At best* is where the mean over runs is highest, and so a little flattered. Shares are means over three neighbouring evaluations. *Order known* is of what the order is worth: the distance between the two
# floors of {doc}`capacity`. Success is that of our runs here together with those of experiment 6, which learn the same texts by the same recipe; the parts of the loss were recorded here only.
#
# ## To remember


# %% tags=["remove-input"]
def remember():
    fall = table[table["low"] > 0]
    free, bound = (fall[fall["windows"] == name] for name in ("pairs", "anywhere"))
    halves = {r.width: r.halved for r in bound.itertuples()}
    points = []
    for r in free.itertuples():
        said = f"{words.size_name(r.width)} loses {100 * r.fall:.0f} points ({words.span(r.low, r.high, unit='')}) of the held-out sums where there is no order to learn, so the order is **not needed** for its fall."
        if r.width in halves:
            said += f" Half is gone by iteration {r.halved:,.0f}, with an order by {halves[r.width]:,.0f}."
        points.append(said)
    known = [
        f"{words.size_name(r.width)} knows {100 * r.gained_best:.0f} % of the order at its best and {100 * r.gained_end:.0f} % at the end"
        for r in bound.dropna(subset="gained_best").itertuples()
    ]
    if known:
        points.append(f"Where there is an order, it is learnt meanwhile: {'; '.join(known)}. Whether the order explains the end is judged in {{doc}}`order`.")
    for said, rows in (
        ("No decline is shown for", table[table["low"] <= 0]),
        ("Not evidence yet, for want of runs:", table[table["low"].isna()]),
    ):
        if len(rows):
            points.append(
                f"{said} {words.listing(f'{words.size_name(r.width)} ({WINDOWS[r.windows]})' for r in rows.itertuples())}."
            )
    return "\n".join(f"- {point}" for point in points)


chapter.tell(table, remember)
