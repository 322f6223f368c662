# %% [markdown]
# # Joint training, controlled
#
# Training on sums and facts together changes several things at once: the window grows, the batch shrinks, the sums get fewer windows, and there are facts with their letters. The arms here take some of
# them apart: window and batch together, then facts with the sums as often as before, then as published, then names without meaning. Rule: {doc}`../book/causes`, experiment 10; a size is testable only if it has half
# of the hidden sums without facts and, with them, over 95 % of the seen ones.

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
from lib.book import chapter

here = chapter.begin("controls", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book import answers
from lib.errors import some
from lib.experiments import controls
from lib.settings import settle
from lib.stats import estimates, words

NAMES = {
    "alone": "sums alone, joint window and batch", "joint": "with facts, as published", "random": "with random names",
    "equal": "with facts, sums as often as alone",
}  # fmt: skip
judged = controls.judged(here.runs)
chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    rows = [
        {"size": words.size_name(r.width), "verdict": r.verdict, "alone (%)": f"{100 * r.alone:.0f}", "with facts, equal exposures (%)": f"{100 * r.equal:.0f}"}
        | {"facts less alone (points)": f"{100 * r.difference:+z.0f} ({words.span(r.low, r.high, unit='')})", "seen sums with facts (%)": f"{100 * r.seen:.0f}"}
        | {"random names less capitals (points)": f"{100 * r.names:+z.0f} ({words.span(r.names_low, r.names_high, unit='')}), {r.specific}"}
        for r in judged.itertuples()
    ]
    return (
        f"Hidden sums right:\n\n{chapter.markdown(pd.DataFrame(rows))}\n\nDifferences have {100 - 5 / controls.CONTRASTS:g} % intervals, since {controls.CONTRASTS} sizes are compared; where all runs of a cell are alike its interval is the exact one, and wide."
    )


chapter.tell(judged, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "What does joint training take away, and which part of it? Held-out sums right at the end, by arm and size.", "name": "fig-controls"}}
def arms():
    table = estimates.table(here.runs, ["arm", "width"])
    return charts.rows(table.assign(trained=table["arm"].map(NAMES)), "trained"), table


chapter.figure("controls", here.runs, arms)

# %% tags=["remove-input"]
def without_facts():
    joint, alone = controls.READ
    order = chapter.read(settle({"store": here.settings.store}, "order")).runs
    found = controls.windows(here.runs, order[(order["windows"] == "anywhere") & (order["iterations"] == here.settings.iterations)])
    each = [
        f"{words.size_name(r.width)} has {100 * r.alone:.0f} % of the hidden sums right instead of {100 * r.own:.0f} % (the same {r.runs} seeds, {answers.said(r.low, r.high, r.difference)}), and {100 * r.seen:.0f} % of the seen "
        f"ones instead of {100 * r.own_seen:.0f} %"
        for r in some(found[found["own"] >= 0.5]).itertuples()
    ]
    others = [f"{words.size_name(r.width)} (from {100 * r.own:.0f} to {100 * r.alone:.0f} %)" for r in found[found["own"] < 0.5].itertuples()]
    rest = f"Nothing to lose had {words.listing(others)}. " if others else ""
    return (
        f"**The window without the facts.** With the joint task's window and batch, and no fact at all, {'; '.join(each)}. {rest}A comparison with the sums as published would blame the facts for what the window does; beside the first "
        f"arm, too little is left to lose. Window and batch move together here: an update has {joint:,} characters instead of {alone:,}, but fewer windows begin where a line does, which is where the score asks. The runs with the sums' own "
        "window are those of {doc}`order`; this contrast is described, not registered."
    )


chapter.tell(here.runs, without_facts)

# %% tags=["remove-input"]
def remember():
    if set(judged["verdict"]) != {"not testable"}:
        return answers.remember("controls", here)
    return (
        f"**To remember.** What facts cost cannot be tested at any of {len(judged)} sizes: with the joint task's window no size has more than {100 * judged['alone'].max():.0f} % of the hidden sums right even without facts."
    )


chapter.tell(judged, remember)
