# %% [markdown]
# # Train one yourself
#
# Here the paper's model learns its sums before your eyes, in this page: nothing is installed, nothing is sent, and no network is
# needed. It reads lines such as `<2+5=7>`, again and again, and has to guess every next character. The sums of one pair of
# digits, 5 and 7, it never gets to read. Does it find them by itself?
#
# Press *Train*. A cell shows what the model answers, and is filled once that is right; the cells in a frame are hidden from it.
# The published 30,000 updates of the small model take a minute or two; 3,000 show the beginning.

# %% tags=["parameters", "remove-input"]
profile = "full"
tasks = None
widths = None
seeds = None
iterations = None
device = "auto"
store = None

# %% tags=["remove-input"]
from IPython.display import HTML, display

from lib.book import browser, chapter

here = chapter.begin("replication", globals(), ["arithmetic"])

# %% tags=["remove-input"]
runs = here.runs[here.runs["task"] == "arithmetic"]
one = runs[runs["variant"] == "base"].sort_values(["width", "seed"])[:1]
display(HTML(browser.page(runs, browser.recording(one, here.curves(one), here.items(one)))))

# %% [markdown]
# What to try:
#
# - **Another hole.** Press cells before you train: each hides a pair, such as 3 and 8, in both tables. Hide several, or a
#   whole row.
# - **A larger model.** Size n28 has the seen sums sooner. Watch the frames: they may be right for a while, and then no more. It takes two
#   or three times as long; n56 longer still.
# - **The order of the lines.** The text has its lines in one order, shuffled by the seed or as published. The loss has two floors: a model
#   that knows every line, but not which one comes next, ends on the upper one, and whatever lies below was won by learning the order.
#   Train a large size to see one go for it.
# - **Weight decay.** 0.1 is the paper's remedy; 1 and 3 are stronger.
# - **Several models at once**, one for each core of your machine: the larger the share that is right, the fuller the cell.
#
# A single run proves nothing. Change the seed and nothing else, and a model that had all four hidden sums may have two: that is why the
# book counts over many seeds, and why the sentence under the tables says what they did.
#
# The training is that of the book: the same source, compiled for the browser, the same initial weights and the same windows
# for each seed, the same order of the lines. Rounding differs in the last digit, and over thousands of updates that grows, so the end of a run here
# may differ from the end of the book's run of that seed, as the ends of two seeds do.
