# %% [markdown]
# # One line a window
#
# Two of the paper's claims are about capitals: that a small model cannot store them, and that learning them together with the sums ends extrapolation at every size. Both were made with windows of 24 characters that
# begin anywhere in the text. A line such as `Capital of the Netherlands is Amsterdam` is longer, so most windows cut a question from its answer; and {doc}`controls` finds that such windows take the hidden sums away without any fact.
# Here a window is one line, filled up with blanks. Rule: {doc}`../book/causes`, experiment 12, an addition.

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

here = chapter.begin("lines", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.book import answers
from lib.errors import some
from lib.experiments import claims, controls, lines
from lib.stats import estimates, words

NAMES = {
    ("facts", "facts_accuracy"): "capitals, facts alone", ("both", "facts_accuracy"): "capitals, both tasks",
    ("alone", "held_out_correct"): "hidden sums, sums alone", ("both", "held_out_correct"): "hidden sums, both tasks",
    ("random", "held_out_correct"): "hidden sums, random names", ("both", "seen_accuracy"): "seen sums, both tasks",
}  # fmt: skip
chapter.say(here.progress())


# %% tags=["remove-input"]
def published():
    every = here.of("replication")
    recall = every.results.recall[14]
    alike = every.settings.iterations == here.settings.iterations
    return f"; with the published windows it recalls {recall:%} ({words.count(recall.units, 'run')})" if alike else ""


def stored():
    results = here.results
    recall = results.stored
    return f"**Can a small model store facts?** By the rule n14 *{results.memorizes}*: it recalls {recall:%} of the capitals ({words.mean_span(recall.low, recall.high, recall.units)}, {words.count(recall.units, 'run')}){chapter.optional(published)}."


chapter.tell(here.runs[(here.runs["arm"] == "facts") & (here.runs["width"] == 14)], stored)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Each task alone and both together, where a window is one line. What is right at the end, by size.", "name": "fig-lines"}}
def both_tasks():
    table = estimates.measured(here.runs, ["arm", "width"])
    keys = list(zip(table["arm"], table["measure"], strict=True))
    table = table.assign(trained=[NAMES.get(key) for key in keys], place=[list(NAMES).index(key) if key in NAMES else -1 for key in keys])
    table = table.dropna(subset="trained").sort_values(["place", "width"], kind="stable")
    return charts.rows(table, "trained", title="right at the end (%)"), table


chapter.figure("lines", here.runs, both_tasks)

# %% tags=["remove-input"]
def costs():
    r, per_cent = here.results, lambda found: f"{100 * found.mean:.0f}"
    less = lambda found: f"{100 * found.mean:+z.0f} ({words.span(found.low, found.high, unit='')})"  # noqa: E731
    rows = [
        {"size": words.size_name(width), "verdict": verdict, "hidden sums alone (%)": per_cent(r.hidden["alone"][width]), "with the capitals (%)": per_cent(r.hidden["both"][width])}
        | {"difference (points)": less(r.cost[width]), "seen sums then (%)": per_cent(r.seen["both"][width]), "capitals then (%)": per_cent(r.capitals["both"][width])}
        | {"runs that do both": f"{r.does[width].number} of {r.does[width].of} ({words.span(r.doing[width].low, r.doing[width].high)}), {r.able[width]}"}
        | {"random names less capitals (points)": f"{less(r.names[width])}, {r.specific[width]}"}
        for width, verdict in r.interference.items()
        if verdict != "missing"
    ]
    return (
        f"**Do the capitals end extrapolation, and does one model do both?** A run does both with at least three of the four hidden sums and 95 % of the capitals, at once and at the end.\n\n{chapter.markdown(pd.DataFrame(some(rows)))}\n\n"
        f"Intervals are at the level of {100 - 5 / lines.CONTRASTS:g} %, since {lines.CONTRASTS} sizes are compared."
    )


chapter.tell(here.runs, costs)

# %% [markdown]
# ## More of the facts, or one after the other
#
# At two sizes each fact also stands 4 and 16 times in the text, beside the sums alone and read as often; and each task is learnt in one half of the iterations. These arms are described, not judged.


# %% tags=["remove-input"]
def mixes():
    results, rows = here.results, []
    said = {"both": "both", "both 4": "each fact 4 times", "both 16": "each fact 16 times", "sums first": "sums, then facts", "facts first": "facts, then sums"}
    alone = {"both": "alone", "both 4": "alone 4", "both 16": "alone 16"}
    parts = {"both": 1, "both 4": 4, "both 16": 16}

    def number(cells, arm, width):
        found = cells.get(arm, {}).get(width)
        if found is None:
            return "–"
        alike = "" if found.low == found.high else f" ({words.span(found.low, found.high, unit='')})"
        return f"{100 * found.mean:.0f}{alike}"

    for width in [width for width in lines.DESCRIBED if width in set(here.runs["width"])]:
        for arm, what in said.items():
            row = {"size": words.size_name(width), "learnt": what, "windows that are sums (%)": f"{100 * results.sums[parts[arm]]:.0f}" if arm in parts else "100, 0" if arm == "sums first" else "0, 100"}
            row |= {"hidden sums (%)": number(results.hidden, arm, width), "without facts (%)": number(results.hidden, alone.get(arm), width)}
            rows.append(row | {"seen sums (%)": number(results.seen, arm, width), "capitals (%)": number(results.capitals, arm, width)})
    return pd.DataFrame(rows)


chapter.table(here.runs[here.runs["width"].isin(lines.DESCRIBED)], mixes)

# %% [markdown]
# The last rows of a size say what is left of what was learnt first. Where the sums come second, they have half of the iterations and the lower half of the learning rates, which by {doc}`tuning` lose less of what was found; no arm tells that from what the facts before them do.

# %% tags=["remove-input"]
def windows():
    text = lines.PUBLISHED.text
    whole = here.results.whole
    return (
        f"**What changed.** Of the {whole.units:,} windows of the {len(text):,} published characters of facts, {whole:%} show a whole country and ask for the first letter of its capital; here every window does. Lines, optimizer and iterations are as published. With the window also change the positions that a model "
        f"can tell apart, how often a line is drawn, now as often as any other, and the number of windows an update, {lines.FACTS_BATCH} of the facts instead of {lines.PUBLISHED.batch}. A model that takes the published prompts literally recalls 96 % at most: two leave out the article that the text has. {claims.added('lines', here.runs)}"
    )


chapter.tell(here.runs, windows)

# %% tags=["remove-input"]
def blanks():
    aligned = here.of("rate").runs
    found = controls.windows(here.runs, aligned[(aligned["part"] == "answers") & (aligned["answers"] == "true")])
    found = some(found[found["runs"] > 0])
    each = words.listing(f"{words.size_name(r.width)} {answers.said(r.low, r.high, r.difference)}" for r in found.itertuples())
    return f"**What blanks do.** The sums alone, where each line has {lines.BLANKS} blanks before it and an update fewer windows, less those of {{doc}}`rate`, hidden sums right: {each}. The same {found['runs'].min()} seeds, described."


chapter.tell(here.runs, blanks)

# %% tags=["remove-input"]
def remember():
    results = here.results
    does, never = ([words.size_name(width) for width, word in results.able.items() if word == what] for what in ("does both", "does not"))
    able = [words.size_name(width) for width, count in results.does.items() if count.number]
    said = {"memorizes": "n14 stores most capitals", "does not memorize": "n14 does not store the capitals", "unresolved": "it is open whether n14 stores the capitals"}
    text = [said[results.memorizes]] if results.memorizes in said else []
    if any(count.of for count in results.does.values()):
        text.append(f"some runs of {words.listing(able)} do both tasks at once" if able else "no run does both tasks at once")
        text += [f"by the rule *{what}*: {words.listing(sizes)}" for what, sizes in (("does both", does), ("does not", never)) if sizes]
    return f"**To remember.** With one line a window {'; '.join(some(text))}."


chapter.tell(here.runs, remember)
