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
from lib.data.tasks import LINE

from lib import charts
from lib.book import answers
from lib.errors import some
from lib.experiments import claims, controls, lines
from lib.settings import settle
from lib.stats import estimates, words

NAMES = {
    ("facts", "facts_accuracy"): "capitals, facts alone", ("both", "facts_accuracy"): "capitals, both tasks",
    ("alone", "held_out_correct"): "hidden sums, sums alone", ("both", "held_out_correct"): "hidden sums, both tasks",
    ("random", "held_out_correct"): "hidden sums, random names", ("both", "seen_accuracy"): "seen sums, both tasks",
}  # fmt: skip
judged = lines.judged(here.runs)
chapter.say(here.progress())


# %% tags=["remove-input"]
def stored():
    found, word = lines.memorizes(here.runs)
    every = chapter.read(settle({"store": here.settings.store}, "replication")).runs
    same = (every["task"] == "facts") & (every["width"] == 14) & (every["iterations"] == here.settings.iterations)
    published = every[same & (every["variant"] == "base")]
    before = f"; with the published windows it recalls {100 * published['facts_accuracy'].mean():.0f} % ({words.count(len(published), 'run')})" if len(published) else ""
    return f"**Can a small model store facts?** By the rule n14 *{word}*: it recalls {100 * found.mean:.0f} % of the capitals ({words.mean_span(found.low, found.high, found.units)}, {words.count(found.units, 'run')}){before}."


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
    rows = [
        {"size": words.size_name(r.width), "verdict": r.verdict, "hidden sums alone (%)": f"{100 * r.alone:.0f}", "with the capitals (%)": f"{100 * r.both:.0f}"}
        | {"difference (points)": f"{100 * r.difference:+z.0f} ({words.span(r.low, r.high, unit='')})", "seen sums then (%)": f"{100 * r.seen:.0f}", "capitals then (%)": f"{100 * r.recall:.0f}"}
        | {"runs that do both": f"{r.does} of {r.asked} ({words.span(r.does_low, r.does_high)}), {r.word}"}
        | {"random names less capitals (points)": f"{100 * r.names:+z.0f} ({words.span(r.names_low, r.names_high, unit='')}), {r.specific}"}
        for r in some(judged[judged["verdict"] != "missing"]).itertuples()
    ]
    return (
        f"**Do the capitals end extrapolation, and does one model do both?** A run does both with at least three of the four hidden sums and 95 % of the capitals, at once and at the end.\n\n{chapter.markdown(pd.DataFrame(rows))}\n\n"
        f"Intervals are at the level of {100 - 5 / lines.CONTRASTS:g} %, since {lines.CONTRASTS} sizes are compared."
    )


chapter.tell(judged, costs)

# %% [markdown]
# ## More of the facts, or one after the other
#
# At two sizes each fact also stands 4 and 16 times in the text, beside the sums alone and read as often; and each task is learnt in one half of the iterations. These arms are described, not judged.


# %% tags=["remove-input"]
def mixes():
    table, rows = estimates.measured(here.runs, ["arm", "width"]), []
    at = table.set_index(["arm", "width", "measure"])
    said = {"both": "both", "both 4": "each fact 4 times", "both 16": "each fact 16 times", "sums first": "sums, then facts", "facts first": "facts, then sums"}
    alone = {"both": "alone", "both 4": "alone 4", "both 16": "alone 16"}

    def number(arm, width, measure):
        if (arm, width, measure) not in at.index:
            return "–"
        found = at.loc[(arm, width, measure)]
        alike = "" if found["low"] == found["high"] else f" ({words.span(found['low'], found['high'], unit='')})"
        return f"{100 * found['mean']:.0f}{alike}"

    for width in [width for width in lines.DESCRIBED if width in set(table["width"])]:
        for arm, what in said.items():
            copies = int(arm.partition(" ")[2]) if arm.startswith("both ") else 1
            row = {"size": words.size_name(width), "learnt": what, "windows that are sums (%)": f"{100 * lines.share(copies):.0f}" if arm.startswith("both") else "100, 0" if arm == "sums first" else "0, 100"}
            row |= {"hidden sums (%)": number(arm, width, "held_out_correct"), "without facts (%)": number(alone.get(arm), width, "held_out_correct")}
            rows.append(row | {"seen sums (%)": number(arm, width, "seen_accuracy"), "capitals (%)": number(arm, width, "facts_accuracy")})
    return pd.DataFrame(rows)


chapter.table(here.runs[here.runs["width"].isin(lines.DESCRIBED)], mixes)

# %% [markdown]
# The last rows of a size say what is left of what was learnt first. Where the sums come second, they have half of the iterations and the lower half of the learning rates, which by {doc}`tuning` lose less of what was found; no arm tells that from what the facts before them do.

# %% tags=["remove-input"]
def windows():
    text = lines.PUBLISHED.text
    whole = lines.whole_questions()
    return (
        f"**What changed.** Of the {lines.PUBLISHED.offsets:,} windows of the {len(text):,} published characters of facts, {100 * whole:.0f} % show a whole country and ask for the first letter of its capital; here every window does. Lines, optimizer and iterations are as published. With the window also change the positions that a model "
        f"can tell apart, how often a line is drawn, now as often as any other, and the number of windows an update, {lines.FACTS_BATCH} of the facts instead of {lines.PUBLISHED.batch}. A model that takes the published prompts literally recalls 96 % at most: two leave out the article that the text has. {claims.added('lines', here.runs)}"
    )


chapter.tell(here.runs, windows)

# %% tags=["remove-input"]
def blanks():
    aligned = chapter.read(settle({"store": here.settings.store}, "rate")).runs
    found = controls.windows(here.runs, aligned[(aligned["part"] == "answers") & (aligned["answers"] == "true")])
    found = some(found[found["runs"] > 0])
    each = words.listing(f"{words.size_name(r.width)} {answers.said(r.low, r.high, r.difference)}" for r in found.itertuples())
    return f"**What blanks do.** The sums alone, where each line has {here.runs['context'].max() - LINE} blanks before it and an update fewer windows, less those of {{doc}}`rate`, hidden sums right: {each}. The same {found['runs'].min()} seeds, described."


chapter.tell(here.runs, blanks)

# %% tags=["remove-input"]
def remember():
    does, never, able = ([words.size_name(width) for width in judged.loc[chosen, "width"]] for chosen in (judged["word"] == "does both", judged["word"] == "does not", judged["does"] > 0))
    word = lines.memorizes(here.runs)[1]
    said = {"memorizes": "n14 stores most capitals", "does not memorize": "n14 does not store the capitals", "unresolved": "it is open whether n14 stores the capitals"}
    text = [said[word]] if word in said else []
    if judged["asked"].sum():
        text.append(f"some runs of {words.listing(able)} do both tasks at once" if able else "no run does both tasks at once")
        text += [f"by the rule *{what}*: {words.listing(sizes)}" for what, sizes in (("does both", does), ("does not", never)) if sizes]
    return f"**To remember.** With one line a window {'; '.join(some(text))}."


chapter.tell(judged, remember)
