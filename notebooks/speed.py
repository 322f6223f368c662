# %% [markdown]
# # Speed
#
# What one can say about the effect of a seed depends on how many runs one can afford. Here is what an update costs, beside other ways to make the same
# update on the same machine, and beside the machine's own limits.

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

here = chapter.begin("speed", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.experiments import speed

table = speed.measured()
machine, versions, day = (", ".join(table[name].unique()) for name in ("machine", "torch", "date"))
chapter.say(f"Measured on {machine} with torch {versions} on {day}; `make bench` measures anew.")

# %% [markdown]
# ## Elsewhere
#
# The contestants take turns, one process a core, and a ratio compares what all cores do within a round. They are this project without its compiled
# kernel, the GPT-2 of `transformers` in the same configuration, four of these at once by `torch.func.vmap`, and the paper's public code, unmodified. Times
# are those that the cores were given, whatever else the machine did; the public code, which prints what the clock says, is compared by the clock.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The time of an update elsewhere, as a multiple of what it takes here: the median of the rounds (mark) and their range (bar).", "name": "fig-speed"}}
def bars():
    ratios = speed.ratios(table)
    return charts.speed_bars(ratios), ratios


chapter.figure("speed", None, bars)

# %% tags=["remove-input"]
for r in table[(table["measure"] == "full run") & (table["contestant"] == speed.PUBLIC)].itertuples():
    chapter.say(
        f"A full run of {r.what}, scorings included, takes the public code {r.ratio:.3g} times as long ({r.ratio_low:.3g} to {r.ratio_high:.3g})."
    )

# %% [markdown]
# ## Limits
#
# Work is counted from the shapes, for every distinct prefix of a batch's windows, as it is done here, or for every token. Shares are of a core's best in
# the same rounds, in a large matrix product or a pass over memory. Above 100 %, nothing that computes every token could be as fast. Times are
# those of all cores together.

# %% tags=["remove-input"]
chapter.table(table, lambda: speed.limits(table))

# %% [markdown]
# ## Scale

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Updates a second on the sums, all cores together, with the range of the rounds, beside the ideal: of cores and models in a stack (n14), that each does what one alone does; of layers (n28) and width (one layer), that distinct prefixes are computed as fast as large matrices are multiplied.", "name": "fig-scaling"}}
def lines():
    titles = {"cores": "cores", "models": "models in a stack", "layers": "layers", "width": "width"}
    return charts.scaling(rows := speed.scaling(table), titles), rows


chapter.figure("scaling", None, lines)

# %% tags=["remove-input"]
cold, warm = table.loc[table["measure"] == "start-up", "value"]
chapter.say(f"One update of n14, from the command to its end, takes {cold:.1f} s while the kernel has to be compiled and {warm:.1f} s from then on.")
if len(stacked := speed.gpu(table)):
    chapter.say("On the GPU, whole updates captured:\n\n" + chapter.markdown(stacked))
