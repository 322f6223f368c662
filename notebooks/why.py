# %% [markdown]
# # Conclusion: is it capacity?
#
# In the replication n14 fills the hole in about half of its runs, n28 and n56 hardly ever. Size, though, never comes alone. Each row below is a suspected cause, the experiment that tests it, the effect, and
# the word that a rule registered beforehand has for it ({doc}`../book/causes`). Rows whose first look is not complete say *missing*.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("causes", globals(), trains=False)

# %% tags=["remove-input"]
import pandas as pd

from lib.book import answers
from lib.errors import some
from lib.experiments import causes, claims, controls, lines, rate, tuning
from lib.stats import estimates, words

chapters = answers.read(store)
found = answers.table(chapters)
known, *more = answers.is_it_capacity(found)
chapter.say("\n".join([known, "", *(f"- {each}" for each in more)]))

# %% tags=["remove-input"]
chapter.say(chapter.markdown(found.assign(experiment=[f"{{doc}}`{name}`" for name in found["experiment"]])))

# %% [markdown]
# ## What becomes of the sentence


# %% tags=["remove-input"]
rated = chapters["rate"].runs[chapters["rate"].runs["part"] == "answers"]
curves = chapters["rate"].curves(rated)


def small():
    stored = rated[rated["answers"] == "dealt"].groupby("width")["seen_accuracy"].mean()
    recall, _ = lines.memorizes(chapters["lines"].runs)
    shown = f", and read line by line it recalls {100 * recall.mean:.0f} % of them ({words.span(recall.low, recall.high)}; {{doc}}`lines`)" if recall.units else ""
    return (
        f"- *Small models cannot memorize.* Of a table of the same size without a rule, n14 stores {100 * stored.get(14, float('nan')):.0f} %; the capitals as published it does not"
        f"{shown}. Whether it can memorize depends on what, and on how it is shown."
    )


def tuned():
    runs = chapters["tuning"].runs
    best = tuning.chosen(tuning.shares(chapters["tuning"].items(runs, groups=["held out"]), runs))
    own = words.listing(f"{words.size_name(r.width)} has {100 * r.tests:.0f} % right ({words.span(r.low, r.high)})" for r in some(best[best["width"] > 14]).itertuples())
    return f"; given a learning rate and a time of its own, {own} of pairs that took no part in the choice ({{doc}}`tuning`)"


def deeper():
    sums = chapters["scan"].runs
    deep = some(sums[(sums["task"] == "arithmetic") & (sums["layers"] > 1) & (sums["width"] == 28)])
    ends = estimates.table(deep.assign(share=estimates.share_right), ["layers"])
    each = words.listing(f"{r.layers} layers {100 * r.mean:.0f} % ({words.span(r.low, r.high)}, {words.count(r.runs, 'run')})" for r in ends.itertuples())
    return f"; at width 28 deeper models end with more: {each} ({{doc}}`scan`)"


def large():
    end = rated[rated["answers"] == "true"].assign(share=estimates.share_right).groupby("width")["share"].mean()
    when = rate.times(curves)
    once = (when[when["answers"] == "true"].set_index("width")["iteration"] < float("inf")).groupby(level=0).agg(["sum", "size"])
    each = words.listing(
        f"{words.size_name(w)} ({once.loc[w, 'sum']} of {once.loc[w, 'size']} runs had three of four right at some time; at the end {100 * end[w]:.0f} % are right)"
        for w in some(end.index[end.index >= 28])
    )
    return f"- *Large models cannot generalize.* With aligned windows: {each}. What they have at some time they mostly lose as training goes on{chapter.optional(tuned)}{chapter.optional(deeper)}."


def both():
    stream = chapters["order"].runs[chapters["order"].runs["windows"] == "anywhere"]
    moved = controls.windows(chapters["controls"].runs, stream)
    r = next(some(moved).itertuples())
    judged = controls.judged(chapters["controls"].runs).groupby("verdict", sort=False)["width"]
    said = words.listing(f"*{verdict}* in {words.listing(map(words.size_name, cell))}" for verdict, cell in judged)
    return (
        f"- *Both tasks at once end generalization.* Not shown to be the facts. Without any, the joint task's window and batch bring {words.size_name(r.width)} from {100 * r.own:.0f} to {100 * r.alone:.0f} % of the hidden sums "
        f"(the same {r.runs} seeds, {answers.said(r.low, r.high, r.difference)}; not a registered contrast), and from {100 * r.own_seen:.0f} to {100 * r.seen:.0f} % of the seen ones. What facts add is, by the registered rule, {said}."
    )


def line_by_line():
    judged = some(lines.judged(chapters["lines"].runs))
    able = [
        f"{words.size_name(r.width)} *{r.verdict}* ({100 * r.alone:.0f} % of the hidden sums alone, {100 * r.both:.0f} % with the capitals, of which {100 * r.recall:.0f} % are recalled)"
        for r in judged[judged["alone"] >= 0.5].itertuples()
    ]
    return f"- *And where a window is one line*, {words.listing(able) if able else 'no size has anything to lose'} ({{doc}}`lines`)."


def placed():
    at = some(rate.accounts(rated, curves)).set_index("quantity")
    lies = {name: f"lies {rate.place(r)} a factor of {rate.NEAR} of it" for name, r in at.iterrows()}
    meant = ", far below: to be able to store the table does not stop a size from filling the hole" if at.loc["capacity", "ratio_high"] < 1 / rate.NEAR else ""
    return (
        "As the rule counts, success falls to one half at some size. The size into which the table of dealt answers fits "
        f"{lies['capacity']}{meant}. The size at which storing gets as fast as finding the rule {lies['rate']}."
    )


def therefore():
    decided = found[~found["verdict"].isin(["missing", "unresolved", "between", "neither", "described", "not testable", "sums not learnt", "none shown"])]
    named = f" ({'; '.join(f'{r.cause}: *{r.verdict}*' for r in decided.itertuples())})" if len(decided) else ""
    return f"- *Therefore capacity.* {chapter.optional(placed) or 'It cannot be said.'} Of {len(found)} rows {len(decided)} decide{'s' * (len(decided) == 1)} something{named}."


chapter.points(rated, small, large, both, line_by_line, therefore)

# %% [markdown]
# In no row: what the weights say, which is no cause and has its verdict in {doc}`geometry`; and two exploratory chapters that judge nothing, {doc}`clock` and {doc}`hole`.
#
# ## Beside what others found
#
# That memorizing and generalizing race each other, and that rates decide and not capacity, is what Nguyen and Reddy {cite:p}`nguyen2024` find for learning in context: two nearly independent parts of a small
# transformer, of which the faster wins; the rows of {doc}`rate` above are a test of it. Skills that come first and go while the loss falls are
# known from learning in context {cite:p}`singh2023,singh2025`, and weight decay is one way to keep them. Varma and others {cite:p}`varma2023` expect the reverse of what larger sizes do here: a rule that costs less weight than
# a table should win in the end if decay presses on weights; these recipes have next to none. In Omnigrok {cite:p}`liu2022omnigrok` the norm of the weights stands where Varma and others have efficiency. Liu and Lu {cite:p}`liu2026` find
# noisy answers stored sooner than true ones, and a rule that is still there under the stored noise: a lookup that overrides. Of the joint task, Huang and others {cite:p}`huang2024` report that memory work mixed in delays the rule to larger
# models, and Gu and others {cite:p}`gu2025` that small changes of a mixture flip what is stored. Lee and others {cite:p}`lee2023` relate tables of sums to completing a matrix of low rank, where how many cells are seen decides. Estimates of what a
# parameter can hold {cite:p}`morris2025,allenzhu2024` leave n14 room for every capital; as published it recalls few, so room by that count is not what decides there.
#
# ## What would overturn this
#
# Deep models that are large and lose the rule as wide ones do, beyond the four layers of {doc}`scan`; a size between n14 and n28 that stores the table and loses the rule at once, in the same runs; hidden pairs that behave unlike
# the 45 taken together; or MLT, which nobody has run here, filling the hole.
#
# ## Which runs, in which order


# %% tags=["remove-input"]
def checked():
    early = (claims.begun(here.runs) < claims.WHY_REGISTERED).sum()
    every = pd.concat([here.runs, here.uncounted])
    wrong = claims.out_of_order(every)
    stages = every.groupby("stage")[["experiment", "look"]].first()
    made = {r.Index: f"{r.experiment} (look {r.look}, step {r.Index % len(causes.STAGES) + 1} of {len(causes.STAGES)})" for r in stages.itertuples()}
    before = "no run" if not early else f"{early} runs"
    text = f"The protocol was committed as `{claims.WHY}` on {claims.WHY_REGISTERED:%d %B %Y at %H:%M} UTC; {before} of the {len(here.runs):,} shown here had been begun before. "
    if wrong.empty:
        return text + "All stages were made in the registered order."
    rows = pd.DataFrame({"some runs of": [made[r.made] for r in wrong.itertuples()], "were made before some of": [made[r.before] for r in wrong.itertuples()]})
    return f"{text}Out of order:\n\n{chapter.markdown(rows)}\n\nThe notes of {{doc}}`../book/causes` say why."


chapter.tell(here.runs, checked)
