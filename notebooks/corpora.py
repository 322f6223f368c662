# %% [markdown]
# # What the models read
#
# Two small texts carry the whole question. One is a table of sums with a hole in it: a model that fills the hole has
# found a rule. The other is a list of capitals: nothing in it helps to guess a line that was not read, so a model that
# knows it has memorized it. The paper {cite:p}`barron2025` trains the same Transformers on the one, on the other, and on both.

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

here = chapter.begin("corpora", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts, evidence
from lib.paper import published
from lib.tasks import CAPITALS, TASKS, make

texts = {name: make(name) for name in TASKS}

# %% [markdown]
# ## The sums
#
# Every addition and subtraction of two digits, except those of 5 and 7. The four missing expressions are the whole test of
# generalization: two sums and two differences, which no model ever sees.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The sums. Every cell is one line of the text, except the four that are held out. Point at a cell to see all cells with its result.", "name": "fig-sums"}}
sums = evidence.prompt_table(published("arithmetic", 14, 0))
chapter.figure("sums", None, lambda: (charts.grid(sums), sums))

# %% [markdown]
# Look at where the hole is. Both 5 and 7 stand in many other lines, every result of the held-out lines occurs elsewhere, and
# each held-out cell is surrounded by cells that were seen. Filling it is *interpolation* in a table; the paper calls it
# extrapolation, and this book keeps the word where it quotes the paper.
#
# ## The capitals
#
# Fifty lines of one form. The published prompts ask for `USA` and `UK` where the text says `the USA` and `the UK`, so two of
# the fifty questions are put a little differently from what was read.

# %% tags=["remove-input"]
capitals = pd.DataFrame([{"country": country, "capital": capital} for country, capital in CAPITALS.items()])
halves = [capitals[:25].reset_index(drop=True), capitals[25:].reset_index(drop=True)]
chapter.say(chapter.markdown(pd.concat([halves[0], halves[1].rename(columns=lambda c: c + " ")], axis=1)))

# %% [markdown]
# ## The stream
#
# The lines are strung together in one fixed order, and a training example is a window of consecutive characters that starts
# anywhere. Most windows straddle two lines. A model is therefore rewarded for knowing *which line follows which*, a fact
# about the file and not about arithmetic. Move the window:

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The stream of the arithmetic task and one training window. From each prefix of the window the model predicts the next character.", "name": "fig-windows"}}
arithmetic = texts["arithmetic"]
stream = pd.DataFrame({"place": range(144), "character": list(arithmetic.text[:144])})
chapter.figure("stream", None, lambda: (charts.windows(arithmetic.text, arithmetic.context), stream))

# %% [markdown]
# ## In numbers

# %% tags=["remove-input"]
rows = []
for name, task in texts.items():
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
chapter.say(chapter.markdown(pd.DataFrame(rows)))

# %% [markdown]
# In the joint task the arithmetic is read through a window of 24 characters instead of 9, and fewer windows make an update.
# Joining the tasks changes more than the text; {doc}`joint` comes back to this.
