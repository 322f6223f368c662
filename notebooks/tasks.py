# %% [markdown]
# # Item by item
#
# An average hides what was learnt. Four held-out sums among two hundred move the accuracy by two points, and fifty capitals
# are not equally hard. Here every prompt has a cell of its own, and the slider moves through training.

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

here = chapter.begin("capacity", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.experiments import dynamics
from lib.tasks import make

sums, facts = (here.runs[here.runs["task"] == task] for task in ("arithmetic", "facts"))
chapter.say(here.report)

# %% [markdown]
# ## Which sums

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Which sums each size answers: the share of runs that are right under greedy decoding, as training goes on. Held-out sums are outlined. Move the slider.", "name": "fig-items-arithmetic"}}
ITEM = ["run", "width", "seed", "prompt"]
items = here.items(sums)


def by_sum():
    last = items[items["iteration"] == items["iteration"].max()]
    return charts.item_grid(items), last[[*ITEM, "group", "greedy", "sampled", "likelihood"]]


chapter.figure("items-arithmetic", sums, by_sum)

# %% [markdown]
# The file behind the figure has every prompt at the last iteration, with three scores: whether the greedy answer is right, the
# probability of a right answer under the published sampling (temperature 0.01, the ten likeliest characters), and its
# probability under the model's own distribution. The first two hardly differ: at that temperature ten samples are one
# sample ten times.
#
# ## The four that matter

# %% tags=["remove-input"]
chapter.table(sums, lambda: dynamics.held_out_table(items))

# %% [markdown]
# ## Which capitals

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Which capitals each size recalls: the share of runs, as training goes on.", "name": "fig-items-facts"}}
def by_capital():
    items = here.items(facts)
    last = items[items["iteration"] == items["iteration"].max()]
    return charts.fact_grid(items), last[[*ITEM, "answer", "greedy", "sampled", "likelihood"]]


chapter.figure("items-facts", facts, by_capital)

# %% tags=["remove-input"]
task = make("facts")
longer = sum(len(p.text) > task.context for p in task.prompts)
past = sum(len(p.text + p.answer) > task.context for p in task.prompts)
chapter.say(
    f"A fact counts when the whole line is right. Of the {len(task.prompts)} prompts {longer} are longer than the context of {task.context} characters, and "
    f"{past} run past it together with their answers. The text is then cropped on the left and its positions slide, in scoring as in generation."
)
