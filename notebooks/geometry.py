# %% [markdown]
# # What the weights say
#
# If a model answers 5+7 without having seen it, its digits should lie as on a number line: then 5 + 7 = 4 + 8 = 3 + 9 holds for their embeddings, too. Does n28 lack that line, or does it have
# the line and answer from somewhere else? The *index* is the share of quadruples such as 5, 7, 4 and 8, with a + b = c + d, whose embeddings form a parallelogram to within a tenth of what other quadruples give. The weights are those of the runs with true answers in {doc}`rate`. Rule: {doc}`../book/causes`, experiment 5.

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
from lib import charts
from lib.experiments import geometry
from lib.stats import words
from lib.store import Store

runs = here.runs[(here.runs["answers"] == "true") & (here.runs["mlp_rate"] == 1)]
table = geometry.measured(Store(here.settings.store), runs)
kept = runs[runs["run"].isin(table["run"])]
chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    last = table[table["iteration"] == table["iteration"].max()]
    text = f"**{geometry.verdict(table).capitalize()}.** At the end "
    each = [
        f"{words.size_name(width)} has {100 * cell['index'].mean():.0f} % of the parallelograms and {cell['right'].mean():.1f} of 4 hidden sums right"
        for width, cell in last.groupby("width")
    ]
    more = geometry.gained(table, 28)
    if more.units:
        each.append(
            f"with the embeddings of 5 and 7 put where their neighbours say, n28 gains {more.mean:+.1f} of 4 ({words.span(more.low, more.high, scale=1, unit='', digits=1)}, {more.units} runs)"
        )
    return text + words.listing(each) + "."


chapter.tell(kept, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "Does the geometry come before the sums? Parallelograms among the digits' embeddings and hidden sums right, over training, mean over runs. The iterations are spaced by logarithm.", "name": "fig-geometry"}}
def course():
    often = table[table.groupby("run")["iteration"].transform("size") > 1].assign(right=table["right"] / 4)
    long = often.melt(["width", "iteration"], ["index", "right"], "what", "share")
    said = {"index": "parallelograms", "right": "hidden sums right"}
    mean = (
        long.assign(what=long["what"].map(said)).groupby(["width", "what", "iteration"], as_index=False)["share"].mean()
    )
    return charts.over_time(mean, "what", logarithmic=True), mean


chapter.figure("geometry", kept, course)

# %% tags=["remove-input"]
def remember():
    most = table["index"].max()
    return (
        f"**To remember.** The registered index counts almost no parallelogram in any size ({100 * most:.1f} % at most), so it cannot say whether there is a number line; in single models of {{doc}}`../book/model` "
        "the digits can be seen to line up for a while, which measures nothing. The rule wants an index that predicts success within a size, which takes at least five runs that succeed and five that fail, and a gain of two sums from the replacement."
    )


chapter.tell(kept, remember)
