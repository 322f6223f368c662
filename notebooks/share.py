# %% [markdown]
# # More holes, and the world outside
#
# One hidden pair of 55 is a small hole. Here 1 to 28 pairs are hidden, drawn anew for each seed. And because (5,7) lies inside the table, two tests go beyond it: no operand 9, or no result over 15, while every digit is still seen
# somewhere. Windows are aligned. Rule: {doc}`../book/causes`, experiment 8.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None
part = None
hidden = None

# %% tags=["remove-input"]
from lib.book import chapter

here = chapter.begin("share", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.book import answers
from lib.errors import some
from lib.experiments import share
from lib.stats import words

chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    results = here.results
    each = [f"with {hides} hidden by {lead:points interval}" for hides, lead in some(results.lead).items()]
    outside = [
        f"{name}: {words.listing(f'{words.size_name(width)} {right:%} ({words.span(right.low, right.high)})' for width, right in sizes.items())}"
        for name, sizes in results.beyond.items()
    ]
    beyond = f" Outside the table, described and not judged, of the hidden expressions are right with {'; with '.join(outside)}." if outside else ""
    what = f" n14 is shown to be better with {words.listing(map(str, results.ahead))} of the 55 pairs hidden." if results.ahead else ""
    what += f" With {words.listing(map(str, results.lost))} pairs hidden no size has more than {100 * results.most:.0f} % right, so that none can lead." if results.lost else ""
    return f"**{results.word.capitalize()}.** n14 leads n56 {words.listing(each)}.{what}{beyond}"


chapter.tell(here.runs, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "How much can be hidden before the rule is lost? The share of the hidden expressions that are right at the end, by what was hidden and size.", "name": "fig-share"}}
def frontier():
    table = share.frontier(here.runs)
    said = table["hides"].map(lambda h: f"{h} of 55 pairs" if h.isdecimal() else h)
    return charts.rows(table.assign(hidden=said), "hidden"), table


chapter.figure("share", here.runs, frontier)

# %% tags=["remove-input"]
chapter.tell(here.runs, lambda: answers.remember("share", here))
