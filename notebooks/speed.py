# %% [markdown]
# # Speed
#
# What one can say about the effect of a seed depends on how many runs one can afford. This chapter measures what a run costs
# here, beside other ways to train the same models on the same machine, and how far the machine's own limit still is.

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

here = chapter.begin("speed", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.experiments import speed
from lib.paper import published

table = speed.measured()
rivals = table[(table["contestant"] != speed.PROJECT) & table["ratio"].notna()]
machine, versions, day = (", ".join(table[name].unique()) for name in ("machine", "torch", "date"))
chapter.say(f"Measured on {machine} with torch {versions} on {day}; `make bench` measures anew.")

# %% [markdown]
# ## A full run
#
# A full run is the paper's, with all its updates and all its scorings. The contestants took turns within each round, and every
# one had all cores; a ratio compares what the cores got done together. The rivals are
#
# - the paper's public code, unmodified, in one process that uses all cores, which is how it comes, and with one process a core;
# - the GPT-2 of the `transformers` library in the same configuration, with torch's AdamW in a plain loop, one process a core. Its
#   biases, which the paper's model has not, stay at zero;
# - the same GPT-2 with a few models at once by `torch.func.vmap`, one process a core.
#
# The last two have no scoring of their own and are charged for the published one, by sampling, but not for the estimates of
# the loss that come with it in the public code. The time of a full run is put together from that of an update and that of
# a scoring; nobody waited for the slow ones to end. The machine was not idle in every round, and the bars show what that did.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "How many times as long a full run takes elsewhere. A bar spans the rounds of the measurement, the mark is their median.", "name": "fig-speed"}}
slower = rivals[(rivals["measure"] == "full run") & ~rivals["contestant"].str.startswith(speed.PROJECT)]


def bars():
    named = slower.drop(columns=["low", "high"])
    named = named.rename(columns={"contestant": "against", "ratio_low": "low", "ratio_high": "high"})
    named = named[["what", "against", "ratio", "low", "high"]]
    return charts.speed_bars(named), named


chapter.figure("speed", None, bars)

# %% tags=["remove-input"]
protocol = published("arithmetic", 14, seed=0)
length = f"{protocol.iterations:,} updates and {len(protocol.evaluations())} scorings"
chapter.say(f"Seconds for one full run, {length}, all cores working:")
chapter.table(table, lambda: speed.full_runs(table))


# %% tags=["remove-input"]
def own_speed():
    lines, full = [], table[table["measure"] == "full run"]
    for mine in full[full["contestant"] == speed.PROJECT].itertuples():
        same = table[(table["what"] == mine.what) & (table["contestant"] == speed.PROJECT) & (table["measure"] == "training")]
        line = f"- {mine.what}: {mine.value:.3g} s a run, {1e3 / same['value'].iloc[0]:,.0f} updates a second over all cores"
        for r in slower[(slower["what"] == mine.what) & slower["contestant"].str.startswith(speed.PUBLIC)].itertuples():
            line += f"; {r.ratio:.3g} times ({r.ratio_low:.3g} to {r.ratio_high:.3g}) as fast as the {r.contestant}"
        lines.append(line)
    for r in full[full["contestant"].str.endswith("whole command")].head(1).itertuples():
        lines.append(f"- {r.what} by the command line, start-up and storing included: {r.value:.3g} s a run")
    return "\n".join(lines)


chapter.tell(table, own_speed)

# %% [markdown]
# ## Scoring
#
# The probability of an answer is computed here, exactly and for all prompts in one pass, together with the exact training
# loss. The published scoring draws several samples a prompt, one character at a time.

# %% tags=["remove-input"]
lines = []
for mine in table[(table["measure"] == "scoring") & (table["contestant"] == speed.PROJECT)].itertuples():
    theirs = rivals[(rivals["measure"] == "scoring") & (rivals["what"] == mine.what)]
    longer = [f"{r.contestant} {r.value:,.0f} ms, {r.ratio:,.0f} times as long" for r in theirs.itertuples()]
    lines.append("; ".join([f"- {mine.what}: {mine.value:.3g} ms", *longer]))
chapter.say("\n".join(lines))

# %% [markdown]
# ## How far the limit is
#
# The work of an update can be counted from the shapes, for every token or, as it is done here, once for every distinct prefix
# of a batch's windows. What a core could do at best is measured in the same rounds: a large product of matrices, and a pass
# over memory. The shares below are of those. A share above 100 % for every token says that no implementation that
# does all the work could be as fast on this machine; the memory's share is what the activations would take of it, were each
# written and read once in memory instead of in the caches.

# %% tags=["remove-input"]
best = table[table["measure"] == "limit"].groupby(["contestant", "unit"], sort=False)["value"].median()
chapter.say("Limits: " + ", ".join(f"{name} {value:.3g} {unit} a core" for (name, unit), value in best.items()) + ".")
chapter.table(table, lambda: speed.limits(table))


# %% tags=["remove-input"]
def left():
    share = table[(table["contestant"] == "distinct prefixes") & (table["measure"].str.startswith("share of")) & table["measure"].str.endswith("product")]
    least, most = (share.loc[share["value"].agg(which)] for which in ("idxmin", "idxmax"))
    return (
        f"What is left: were all of this work done as fast as a large product of matrices, {most['what']} would train "
        f"{100 / most['value']:.1f} times as fast as it does, and {least['what']} {100 / least['value']:.1f} times."
    )


chapter.tell(table, left)

# %% [markdown]
# ## Scale
#
# A stack of models costs what its models cost, one by one; memory grows by what each has to keep.

# %% tags=["remove-input"]
chapter.table(table, lambda: speed.stacks(table))

# %% [markdown]
# ## Start-up
#
# From the command to its end, for one update of one model with the scoring before and after it.

# %% tags=["remove-input"]
start = table[table["measure"] == "start-up"]
lines = [f"- {r.contestant.removeprefix(speed.PROJECT + ', ')} cache of compiled code: {r.value:.1f} s" for r in start.itertuples()]
chapter.say("\n".join(lines))

# %% [markdown]
# ## On a GPU

# %% tags=["remove-input"]
stacked = speed.gpu(table)
if len(stacked):
    chapter.say("Stacks of models in training together, whole updates captured:\n\n" + chapter.markdown(stacked))
else:
    chapter.say(f"The measurement above had no GPU ({machine}), so its table is missing. `make bench` makes it where there is one.")
