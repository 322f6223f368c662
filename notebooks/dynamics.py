# %% [markdown]
# # Over time
#
# A published number is one moment of a run. The paper's own logs show larger models that answer held-out sums at some evaluation and not at the
# next {cite:p}`barron2025`. Here every held-out sum of every registered run without weight decay has a line of its own.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["remove-input"]
from lib import chapter

here = chapter.begin("replication", globals(), tasks=["arithmetic"])

# %% tags=["remove-input"]
from lib import charts, measures, words
from lib.experiments import dynamics
from lib.tasks import floor, make

every = here.runs[here.runs["task"] == "arithmetic"]
runs = every[every["variant"] == "base"]
curves, items = here.curves(every), here.items(runs, groups=["held out"])
base = curves[curves["run"].isin(runs["run"])]

# %% [markdown]
# ## When a held-out sum is right

# %% tags=["remove-input"] mystnb={"figure": {"caption": "When each run answers each held-out sum right under greedy decoding: a panel for every sum and size, a line for every seed. Point at a bar for its iterations.", "name": "fig-raster"}}
chapter.figure("raster", runs, lambda: (charts.raster(items), dynamics.spans(items)))

# %% [markdown]
# The file behind the figure has, for every run and sum, the iterations of the first and the last right answer and the share of evaluations that
# are right. By size:

# %% tags=["remove-input"]
chapter.table(runs, lambda: dynamics.span_table(dynamics.spans(items)))

# %% [markdown]
# All four at once:

# %% tags=["remove-input"]
chapter.table(every, lambda: dynamics.transience(curves))

# %% [markdown]
# A size that has the sums right at some evaluations and not at the last is not one that cannot find them. Whether its
# runs count as successes hangs on the moment that is reported:

# %% tags=["remove-input"]
chapter.table(runs, lambda: dynamics.by_rule(base))

# %% [markdown]
# "Paper's checkpoint" is the rule of the paper's code: the first evaluation at which more of its own prompts are right than at any before, held-out
# ones included. It reports a transient success where no other evaluation has more right in all:

# %% tags=["remove-input"]
def reported():
    lines = []
    for width, cell in base.groupby("width"):
        (ever,) = measures.over_time(cell, ["width"]).itertuples()
        kept = int(measures.succeeded(measures.reported(cell, "paper's checkpoint")).sum())
        lines.append(
            f"- **{words.size_name(width)}**: of {ever.ever} runs that have all four right at some evaluation, it reports {kept} as successes; {ever.end} are at "
            "the end."
        )
    return "\n".join(lines)


chapter.tell(runs, reported)

# %% [markdown]
# ## Two floors
#
# What a model can still gain after it knows every sum is the order of the lines.

# %% tags=["remove-input"]
task = make("arithmetic")
upper, lower = floor(task, ordered=False), floor(task)


def against_floors():
    means = words.listing(f"{words.size_name(width)} {loss:.3f}" for width, loss in runs.groupby("width")["loss"].mean().items())
    return (
        f"A reader who knows every line of the text, but takes the lines to come in no order, is left with a loss of {upper:.3f} nats a character; one who "
        f"knows their order too, with {lower:.3f}. At the end our runs have, on average: {means}."
    )


chapter.tell(runs, against_floors)

# %% [markdown]
# The lower floor can be reached only by knowing the order of the lines, which no held-out sum has a place in. What a model learns on its way from
# the upper floor to the lower is about the file and not about arithmetic. So the loss can serve as a clock: how many held-out sums are right *when
# the loss is this low*?

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Held-out sums right against the training loss, which falls from left to right: the mean over the runs of a size that have an evaluation with about this loss, and its 95 % interval. Losses at which fewer than five runs were evaluated are left out. Switch between the runs as published, those with weight decay, and those that all read the published order; click a size in the legend to keep it.", "name": "fig-by-loss"}}
def clock():
    table = dynamics.by_loss(curves[curves["loss"] < 1])
    return charts.by_loss(table, {"lines known, their order not": upper, "order known too": lower}), table


enough = every if len(every) and every.groupby(["variant", "width"])["run"].size().max() >= dynamics.FEWEST else every.head(0)
chapter.figure("by-loss", enough, clock)

# %% tags=["remove-input"]
chapter.table(runs, lambda: dynamics.crossings(base, upper))

# %% [markdown]
# This comparison was not registered: it was drawn after the runs were seen, and judges nothing. Nor does it say what causes what. That a size answers
# more held-out sums before its loss nears the upper floor than below it would fit a rule that gives way to the order of the lines; but where
# hardly a run ever has all four right, what is lost is partial answers and not a rule that was there. To tell would take a text whose lines come in
# no order.
