# %% [markdown]
# # What the models read
#
# Two small texts carry the whole question. One is a table of sums with a hole in it: a model that fills the hole has
# got more than the lines it read. The other is a list of capitals: nothing in it helps to guess a line that was not read, so a model that
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
from lib.book import chapter

here = chapter.begin("corpora", globals())

# %% tags=["remove-input"]
import pandas as pd

from lib import charts
from lib.data import CAPITALS, TASKS, make
from lib.store import run_file
from lib.sweep import published

texts = {name: make(name) for name in TASKS}

# %% [markdown]
# ## The sums
#
# Every addition and subtraction of two digits, except those of 5 and 7.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Four cells are hidden, and all around them are seen. Each cell is a line of the text; point at one to see all with its result.", "name": "fig-sums"}}
sums = run_file.prompt_table(published("arithmetic", 14, 0))
chapter.figure("sums", None, lambda: (charts.grid(sums), sums))

# %% [markdown]
# Both 5 and 7 stand in many other lines, and every hidden result occurs elsewhere. To fill the hole is to *interpolate* in a
# table; the paper calls it extrapolation, and this book keeps the word where it quotes the paper.
#
# ## The capitals
#
# Fifty lines of one form. The published prompts ask for `USA` and `UK` where the text says `the USA` and `the UK`.

# %% tags=["remove-input"]
lines = [f"{country} {capital}" for country, capital in CAPITALS.items()]
chapter.say(f"`Capital of ...is ...`: {'; '.join(lines)}.")

# %% [markdown]
# ## The stream
#
# The lines are strung together in one order, fixed for a run (the paper has one, our seeds draw theirs), and a training example is a window of consecutive characters that starts
# anywhere. Most windows straddle two lines, so a model is rewarded for knowing *which line follows which*, a fact
# about the file and not about arithmetic.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Most windows straddle two lines. From each prefix of the window the model predicts the next character; move it with the slider.", "name": "fig-windows"}}
arithmetic = texts["arithmetic"]
stream = pd.DataFrame({"place": range(144), "character": list(arithmetic.text[:144])})
chapter.figure("stream", None, lambda: (charts.windows(arithmetic.text, arithmetic.context), stream))

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
# **To remember.** The test of generalization is four cells inside a table; the test of memory is fifty lines without a rule;
# and the order of the lines is a third thing to learn, hidden in both.
