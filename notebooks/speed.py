# %% [markdown]
# # Speed
#
# What one can say about the effect of a seed depends on how many runs one can afford. This chapter measures what a run costs
# here, beside other ways to train the same models on the same machine, and how far the machine's own limit still is.

# %% tags=["parameters", "hide-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["hide-input"]
from lib.settings import settle

settings = settle(globals(), "speed")

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown

from lib import charts, outcomes, render
from lib.paper import published
from lib.settings import ROOT
from lib.words import size_name

render.enable()
speed = pd.read_parquet(ROOT / "results" / "speed.parquet")
own, public = "this project", "public code"
speed["what"] = [f"{task} {size_name(width)}" for task, width in zip(speed["task"], speed["width"], strict=True)]
rivals = speed[(speed["contestant"] != own) & speed["ratio"].notna()]
machine, versions, day = (", ".join(speed[name].unique()) for name in ("machine", "torch", "date"))
Markdown(f"Measured on {machine} with torch {versions} on {day}; `make bench` measures anew.")

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

# %% tags=["hide-input"] mystnb={"figure": {"caption": "How many times as long a full run takes elsewhere. A bar spans the rounds of the measurement, the mark is their median.", "name": "fig-speed"}}
runs = rivals[(rivals["measure"] == "full run") & ~rivals["contestant"].str.startswith(own)]
bars = runs.rename(columns={"contestant": "against", "ratio_low": "low", "ratio_high": "high", "low": "", "high": " "})
bars = bars[["what", "against", "ratio", "low", "high"]]
if len(bars):
    render.figure(charts.speed_bars(bars), bars, "speed")

# %% tags=["hide-input"]
full = speed[speed["measure"] == "full run"]
shown = full.pivot_table(index="contestant", columns="what", values="value", sort=False)
shown = shown.map(lambda s: "–" if pd.isna(s) else f"{s:,.1f}").reset_index()
protocol = published("arithmetic", 14, seed=0)
length = f"{protocol.iterations:,} updates and {len(protocol.evaluations())} scorings"
Markdown(f"Seconds for one full run, {length}, all cores working:\n\n" + outcomes.markdown(shown))

# %% tags=["hide-input"]
lines = []
for mine in full[full["contestant"] == own].itertuples():
    step = speed[(speed["measure"] == "training") & (speed["what"] == mine.what) & (speed["contestant"] == own)]
    lines.append(f"- {mine.what}: {mine.value:.3g} s a run, {1e3 / step['value'].iloc[0]:,.0f} updates a second over all cores")
    for r in runs[(runs["what"] == mine.what) & runs["contestant"].str.startswith(public)].itertuples():
        lines[-1] += f"; {r.ratio:.3g} times ({r.ratio_low:.3g} to {r.ratio_high:.3g}) as fast as the {r.contestant}"
whole = full[full["contestant"].str.endswith("whole command")]
if len(whole):
    lines.append(f"- {whole['what'].iloc[0]} by the command line, start-up and storing included: {whole['value'].iloc[0]:.3g} s a run")
Markdown("\n".join(lines))

# %% [markdown]
# ## Scoring
#
# The probability of an answer is computed here, exactly and for all prompts in one pass, together with the exact training
# loss. The published scoring draws several samples a prompt, one character at a time.

# %% tags=["hide-input"]
lines = []
for mine in speed[(speed["measure"] == "scoring") & (speed["contestant"] == own)].itertuples():
    theirs = rivals[(rivals["measure"] == "scoring") & (rivals["what"] == mine.what)]
    slower = [f"{r.contestant} {r.value:,.0f} ms, {r.ratio:,.0f} times as long" for r in theirs.itertuples()]
    lines.append("; ".join([f"- {mine.what}: {mine.value:.3g} ms", *slower]))
Markdown("\n".join(lines))

# %% [markdown]
# ## How far the limit is
#
# The work of an update can be counted from the shapes, for every token or, as it is done here, once for every distinct prefix
# of a batch's windows. What a core could do at best is measured in the same rounds: a large product of matrices, and a pass
# over memory. The shares below are of those. A share above 100 % for every token says that no implementation that
# does all the work could be as fast on this machine; the memory's share is what the activations would take of it, were each
# written and read once in memory instead of in the caches.

# %% tags=["hide-input"]
limits = speed[speed["measure"].str.startswith("share of")]
limits = limits.assign(of=limits["measure"].str.removeprefix("share of ") + ", " + limits["contestant"])
shown = limits.pivot_table(index="what", columns="of", values="value", sort=False).map(lambda p: f"{p:.0f} %").reset_index()
best = speed[speed["measure"] == "limit"].groupby(["contestant", "unit"], sort=False)["value"].median()
measured = ", ".join(f"{name} {value:.3g} {unit} a core" for (name, unit), value in best.items())
Markdown(f"Limits: {measured}.\n\n" + outcomes.markdown(shown))

# %% tags=["hide-input"]
share = limits[(limits["contestant"] == "distinct prefixes") & limits["measure"].str.endswith("product")].sort_values("value")
least, most = share.iloc[0], share.iloc[-1]
Markdown(
    f"What is left: were all of this work done as fast as a large product of matrices, {most['what']} would train "
    f"{100 / most['value']:.1f} times as fast as it does, and {least['what']} {100 / least['value']:.1f} times."
)

# %% [markdown]
# ## Scale
#
# A stack of models costs what its models cost, one by one; memory grows by what each has to keep.

# %% tags=["hide-input"]
sizes = ["what", "models"]
scale = speed[speed["measure"].isin(["stack", "stack's memory"])].pivot_table(index=sizes, columns="unit", values="value", sort=False)
scale = scale.reset_index().rename(columns={"ms": "ms an update of one model", "MiB": "peak memory (MiB)"})
Markdown(outcomes.markdown(scale.round(2)))

# %% [markdown]
# ## Start-up
#
# From the command to its end, for one update of one model with the scoring before and after it.

# %% tags=["hide-input"]
start = speed[speed["measure"] == "start-up"]
Markdown("\n".join(f"- {r.contestant.removeprefix(own + ', ')} cache of compiled code: {r.value:.1f} s" for r in start.itertuples()))

# %% [markdown]
# ## On a GPU

# %% tags=["hide-input"]
gpu = speed[speed["measure"].isin(["GPU", "GPU's memory"])].dropna(subset="value")
if len(gpu):
    shown = gpu.pivot_table(index=[*sizes, "contestant"], columns="unit", values="value", sort=False).round(0).reset_index()
    text = "Stacks of models in training together, whole updates captured:\n\n" + outcomes.markdown(shown)
else:
    text = f"The measurement above had no GPU ({machine}), so its table is missing. `make bench` makes it where there is one."
Markdown(text)
