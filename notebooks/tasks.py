# %% [markdown]
# # Item by item
#
# An average hides what was learnt. Four held-out sums among two hundred move the accuracy by two points, and fifty capitals
# are not equally hard. Here every prompt has a cell of its own, and the slider moves through training.

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

settings = settle(globals(), "tasks")

# %% tags=["hide-input"]
from IPython.display import Markdown

from lib import charts, lab, outcomes, render
from lib.store import Store
from lib.tasks import make

render.enable()
outcome = lab.run(settings.sweep(), settings.store, settings.device)
runs, held = outcome.runs, Store(settings.store)
Markdown(outcome.report())

# %% [markdown]
# ## Which sums

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Which sums each size answers: the share of runs that are right under greedy decoding, as training goes on. Held-out sums are outlined. Move the slider.", "name": "fig-items-arithmetic"}}
arithmetic = runs[runs["task"] == "arithmetic"]
items = held.items(arithmetic)
if len(items):
    last = items[items["iteration"] == items["iteration"].max()]
    data = last[["run", "width", "seed", "prompt", "group", "greedy", "sampled", "likelihood"]]
    render.figure(charts.item_grid(items), data, "items-arithmetic", arithmetic)

# %% [markdown]
# The file behind the figure has every prompt at the last iteration, with three scores: whether the greedy answer is right, the
# probability of a right answer under the published sampling (temperature 0.01, the ten likeliest characters), and its
# probability under the model's own distribution. The first two hardly differ: at that temperature ten samples are one
# sample ten times.
#
# ## The four that matter

# %% tags=["hide-input"]
Markdown(outcomes.markdown(outcomes.held_out_table(items)) if len(items) else "No run yet.")

# %% [markdown]
# ## Which capitals

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Which capitals each size recalls: the share of runs, as training goes on.", "name": "fig-items-facts"}}
facts = runs[runs["task"] == "facts"]
items = held.items(facts)
if len(items):
    last = items[items["iteration"] == items["iteration"].max()]
    data = last[["run", "width", "seed", "prompt", "answer", "greedy", "sampled", "likelihood"]]
    render.figure(charts.fact_grid(items), data, "items-facts", facts)

# %% tags=["hide-input"]
task = make("facts")
longer = sum(len(p.text) > task.context for p in task.prompts)
past = sum(len(p.text + p.answer) > task.context for p in task.prompts)
Markdown(
    f"A fact counts when the whole line is right. Of the {len(task.prompts)} prompts {longer} are longer than the context of "
    f"{task.context} characters, and {past} run past it together with their answers. The text is then cropped on the left and its "
    "positions slide, in scoring as in generation."
)
