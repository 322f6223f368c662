# %% [markdown]
# # The hole as a signal
#
# A model that reads the sums thousands of times can notice what is *not* there: after "<5+" every digit comes but one. Is a held-out sum got wrong because the model has learnt that it is never asked?
# Then it should help to take that lesson away. Three losses for the same lines:
#
# - **every character** counts, as published: the model is trained to expect no 7 after "<5+";
# - **answers alone**: only what follows "=" counts, so nothing is learnt of which sums are asked;
# - **hidden operands shown**: every character counts, and the four held-out lines stand in the text up to their "="; what follows is blank and does not count. The model learns that "5+7=" is asked, and
#   never what the answer is.
#
# If the hole is a signal, showing the operands fills it. Windows are aligned (a window is a line), so there is no order to be learnt, and the size is one that fails. This is exploratory (experiment 11 of {doc}`../book/causes`), for it was not registered before its runs: it judges nothing.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None
targets = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("hole", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.errors import some
from lib.experiments import hole
from lib.settings import settle
from lib.stats import estimates, words
from lib.store import Store

# With every character counting, the aligned runs of experiment 6 are the same but for their seeds.
others = chapter.read(settle({"store": here.settings.store}, "order")).runs
same = (
    (others["windows"] == "lines")
    & others["width"].isin(here.settings.widths)
    & (others["iterations"] == here.settings.iterations)
)
runs = pd.concat([here.runs, others[same]], ignore_index=True)
apart = hole.contrasts(runs)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "Held-out sums right at the last iteration, by what counts in the loss: mean over runs, and 95 % interval where there are enough of them.", "name": "fig-hole"}}
def losses():
    some(here.runs)
    table = estimates.table(runs, ["targets", "width"])
    table[["low", "high"]] = table[["low", "high"]].where(table["runs"] >= hole.FEWEST)
    chart = charts.rows(table.assign(counts=table["targets"].map(hole.SAID)), "counts")
    return chart.properties(title=hole.message(apart)), table


chapter.figure("hole", runs, losses)


# %% tags=["remove-input"]
def differences():
    rows = [
        {
            "size": words.size_name(r.width),
            "what is compared": f"{hole.SAID[r.first]} less {hole.SAID[r.second]}",
            "runs": f"{r.first_runs} and {r.second_runs}",
            "difference (points)": f"{100 * r.difference:+z.0f}"
            + (f" ({words.span(r.low, r.high, unit='')})" if r.low == r.low else ", not evidence yet"),
        }
        for r in apart.itertuples()
    ]
    return pd.DataFrame(rows)


chapter.table(apart, differences)

# %% [markdown]
# Sums and differences apart, for a rule may be learnt of one and not of the other:


# %% tags=["remove-input"]
def operations():
    table = hole.by_operation(here.last(runs, ["held out"]))
    rows = [
        {"size": words.size_name(r["width"]), "what counts": hole.SAID[r["targets"]]}
        | {f"{sign} right (%)": f"{100 * r[sign]:.0f}" for sign in "+-"}
        for r in table.to_dict("records")
    ]
    return pd.DataFrame(rows)


chapter.table(runs, operations)


# %% tags=["remove-input"]
def engines():
    made = {"fused": "the compiled kernel", "plain": "plain PyTorch", "graph": "a GPU"}
    by = {name: words.listing(made[e] for e in sorted(cell["engine"].unique())) for name, cell in runs.groupby("targets", sort=False)}
    said = words.listing(f"{hole.SAID[name]}: {engine}" for name, engine in by.items())
    seen = runs["seen_accuracy"].min()
    right = "all" if seen == 1 else f"at least {100 * seen:.1f} %"
    return f"Every run has {right} of the other sums right. What made the updates ({said}) differs in rounding alone."


chapter.tell(runs, engines)


# %% tags=["remove-input"]
short = Store(here.settings.store).runs(
    hole.sweep(here.settings.tasks, targets=here.settings.factors["targets"], **hole.SHORT)["run"]
)


def shorter():
    table = estimates.table(short, ["width", "targets"]).sort_values(["width", "targets"])
    each = [
        f"{words.size_name(r.width)}, {hole.SAID[r.targets]}: {100 * r.mean:.0f} % ({words.count(r.runs, 'run')})"
        for r in table.itertuples()
    ]
    return f"A first series had {hole.SHORT['iterations']:,} iterations, the schedule in proportion, and was stopped, for so short a training leaves n28 little failure to explain: {'; '.join(each)}."


chapter.tell(short, shorter)

# %% [markdown]
# ## To remember


# %% tags=["remove-input"]
def remember():
    points = []
    for r in apart[(apart["first"] == "shown") & (apart["second"] == "all")].itertuples():
        size, by = words.size_name(r.width), f"{100 * r.difference:+z.0f} points"
        if r.low != r.low:
            points.append(
                f"{size}: {by} with the hidden operands shown, from {r.first_runs} runs against {r.second_runs}: not evidence yet."
            )
        elif r.low > 0:
            points.append(
                f"**For {size} the hole is a signal.** Shown that the hidden sums are asked, it has more of them right ({by}, {words.span(r.low, r.high, unit='')}), though it never saw an answer."
            )
        elif r.high < 0:
            points.append(
                f"**For {size} showing the operands does harm** ({by}, {words.span(r.low, r.high, unit='')})."
            )
        else:
            points.append(
                f"**For {size} no effect is shown** ({by}, {words.span(r.low, r.high, unit='')}): {r.first_runs} runs against {r.second_runs} cannot tell."
            )
    for r in apart[(apart["first"] == "answers") & ((apart["low"] > 0) | (apart["high"] < 0))].itertuples():
        points.append(
            f"Training the answers alone {'helps' if r.low > 0 else 'hurts'} {words.size_name(r.width)} ({100 * r.difference:+z.0f} points, {words.span(r.low, r.high, unit='')})."
        )
    split = hole.by_operation(here.last(runs, ["held out"]))
    for r in split[split["targets"] == "shown"].to_dict("records"):
        points.append(f"With the operands shown, {words.size_name(r['width'])} has {100 * r['+']:.0f} % of the hidden sums right and {100 * r['-']:.0f} % of the hidden differences.")
    return "\n".join(f"- {point}" for point in points)


chapter.tell(apart, remember)
