# %% [markdown]
# # What the models read
#
# Two small texts carry the whole question. One is a table of sums with a hole in it: a model that fills the hole has
# found a rule. The other is a list of capitals: nothing in it helps to guess a line that was not read, so a model that
# knows it has memorized it. The paper {cite:p}`barron2025` trains the same Transformers on the one, on the other, and on both.

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

settings = settle(globals(), "corpora")

# %% tags=["hide-input"]
import pandas as pd
from IPython.display import Markdown

from lib import charts, evidence, render
from lib.outcomes import markdown
from lib.paper import published
from lib.tasks import CAPITALS, TASKS, make

render.enable()
tasks_by_name = {name: make(name) for name in TASKS}

# %% [markdown]
# ## The sums
#
# Every addition and subtraction of two digits, except those of 5 and 7. The four missing expressions are the whole test of
# generalization: two sums and two differences, which no model ever sees.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The sums. Every cell is one line of the text, except the four that are held out. Point at a cell to see all cells with its result.", "name": "fig-sums"}}
sums = evidence.prompt_table(published("arithmetic", 14, 0))
render.figure(charts.grid(sums), sums, "sums")

# %% [markdown]
# Look at where the hole is. Both 5 and 7 stand in many other lines, every result of the held-out lines occurs elsewhere, and
# each held-out cell is surrounded by cells that were seen. Filling it is *interpolation* in a table; the paper calls it
# extrapolation, and this book keeps the word where it quotes the paper.
#
# ## The capitals
#
# Fifty lines of one form. The published prompts ask for `USA` and `UK` where the text says `the USA` and `the UK`, so two of
# the fifty questions are put a little differently from what was read.

# %% tags=["hide-input"]
capitals = pd.DataFrame([{"country": country, "capital": capital} for country, capital in CAPITALS.items()])
halves = [capitals[:25].reset_index(drop=True), capitals[25:].reset_index(drop=True)]
Markdown(markdown(pd.concat([halves[0], halves[1].rename(columns=lambda c: c + " ")], axis=1)))

# %% [markdown]
# ## The stream
#
# The lines are strung together in one fixed order, and a training example is a window of consecutive characters that starts
# anywhere. Most windows straddle two lines. A model is therefore rewarded for knowing *which line follows which*, a fact
# about the file and not about arithmetic. Move the window:

# %% tags=["hide-input"] mystnb={"figure": {"caption": "The stream of the arithmetic task and one training window. From each prefix of the window the model predicts the next character.", "name": "fig-windows"}}
arithmetic = tasks_by_name["arithmetic"]
stream = pd.DataFrame({"place": range(144), "character": list(arithmetic.text[:144])})
render.figure(charts.windows(arithmetic.text, arithmetic.context), stream, "stream")

# %% [markdown]
# ## In numbers

# %% tags=["hide-input"]
rows = []
for name, task in tasks_by_name.items():
    groups = pd.Series([p.group for p in task.prompts]).value_counts()
    rows.append(
        {
            "task": name,
            "lines": task.text.count("\n"),
            "characters": len(task.text),
            "vocabulary": len(task.vocabulary),
            "context": task.context,
            "windows an update": task.batch,
            "prompts": ", ".join(f"{n} {group}" for group, n in groups.items()),
        }
    )
Markdown(markdown(pd.DataFrame(rows)))

# %% [markdown]
# In the joint task the arithmetic is read through a window of 24 characters instead of 9, and fewer windows make an update.
# Joining the tasks changes more than the text; {doc}`joint` comes back to this.
