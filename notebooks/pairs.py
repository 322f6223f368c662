# %% [markdown]
# # Is it about (5,7)?
#
# The paper hides one pair of digits, 5 and 7. There are 55. Here each is hidden in turn, once with training windows that begin where lines begin
# ("aligned", so that there is no order of lines to be learnt), which is what the rule judges first, and once with the published stream. The rule was registered first: {doc}`../book/causes`, experiment 1. The unit is the pair.

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

here = chapter.begin("pairs", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.book import answers
from lib.experiments import pairs
from lib.stats import words

chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    results = here.results
    sizes = [(windows, width, right) for windows, cells in results.right.items() for width, right in cells.items()]
    verdicts = {"lines": results.aligned, "anywhere": results.stream}
    text = " ".join(
        f"**{answers.WINDOWS[windows].capitalize()}: {verdicts[windows]}.** Over the {right.units} pairs of different digits n14 has {right:%} of the hidden expressions right "
        f"({words.span(right.low, right.high)})."
        for windows, width, right in reversed(sizes)
        if width == 14
    )
    others = [f"{words.size_name(width)} {right:%} ({words.span(right.low, right.high)}, {answers.WINDOWS[windows]})" for windows, width, right in sizes if width != 14]
    return text + (f" The other sizes: {words.listing(others)}." if others else "")


chapter.tell(here.runs, answer)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Which pairs are filled in? Each cell is an expression at the time when it is the hidden one, windows aligned, so pair and seed cannot be told apart where a pair has one run; outlined: the published pair.", "name": "fig-pair-map"}}
aligned = here.runs[here.runs["windows"] == "lines"]


def pair_map():
    table = pairs.expressions(here.last(aligned, ["held out"]))
    return charts.pair_map(table), table


chapter.figure("pair_map", aligned, pair_map)

# %% [markdown]
# By the distance of the two digits:


# %% tags=["remove-input"] mystnb={"figure": {"caption": "The same by the distance of the two digits (0: a double): mean over pairs, of which there are fewer the farther apart they are.", "name": "fig-pair-distance"}}
def distances():
    table = pairs.kinds(pairs.by_pair(aligned), "lines").rename(columns={"share": "mean", "pairs": "runs"})
    table = table.assign(low=table["mean"], high=table["mean"], distance=table["distance"].map("distance {}".format))
    return charts.rows(table, "distance"), table


chapter.figure("pair_distance", aligned, distances)


# %% tags=["remove-input"]
def published():
    results = here.results
    better = [
        f"{share:%} with (5,7) hidden, and at least as much with {results.as_good[windows].number} of the {results.as_good[windows].of} others ({answers.WINDOWS[windows]}, {words.count(share.units, 'run')} a pair)"
        for windows, share in results.published.items()
    ]
    return f"n14 has {words.listing(better)}. Few runs say little about a single pair." if better else ""


chapter.tell(here.runs, published)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: answers.remember("pairs", here))
