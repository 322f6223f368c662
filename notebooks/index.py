# %% [markdown]
# # Too Big to Think, replicated
#
# Hide one pair of digits, 5 and 7, from the table of single-digit sums, and train a small Transformer on the rest. Does it fill the hole? *Too Big to
# Think* {cite:p}`barron2025` has one training run for each size. This book has many, judged by rules that were registered before them.

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

here = chapter.begin("replication", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.book import answers, render, report
from lib.data.paper import results
from lib.experiments import claims, found, replication

runs, paper = here.runs, results()
sums = runs[(runs["variant"] == "base") & (runs["task"] == "arithmetic")]
judged, gaps = claims.judge(runs, paper), claims.trade_offs(runs)
chapters = answers.read(here.settings.store)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "A cell is a sum: the share of training runs that answer it right. Outlined: the four that no run ever saw. Drag the slider to see training.", "name": "fig-headline"}}
def headline():
    items = here.items(sums)
    chart = charts.item_grid(items)
    render.save_picture(chart, "headline")
    last = items[items["iteration"] == here.settings.iterations]
    shown = last.groupby(["width", "prompt"], observed=True, sort=False)["greedy"].agg(runs="size", share="mean")
    return chart, shown.reset_index()


chapter.figure("headline", sums, headline)

# %% [markdown]
# The paper says that small models find the rule, and that larger ones only store what they have read.

# %% tags=["remove-input"]
here.finding(
    """
When training ends, we see the same: all four hidden sums are right in {small} runs of n14, and in {large} runs of n28 and n56.
""",
    at_the_end=replication.AS_PUBLISHED,
)

# %% tags=["remove-input"]
fresh = here.of("found")
aligned = fresh.runs[fresh.runs["part"] != "stream"]
curves = fresh.curves(fresh.runs)
fresh.finding(
    """
But look earlier: larger models find hidden sums, too, in fewer updates than small ones, and then lose many of them.
""",
    word=found.WORD,
)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "A line is a size, the mean over its runs; the number in its name is the model's width. {doc}`found` says how this was tested.", "name": "fig-fan-first"}}
def fan():
    means = found.over_time(curves[curves["part"] != "stream"])
    return charts.fan(means, found.title(chapter.optional(lambda: fresh.results.word)), "where the paper looks"), means


chapter.figure("fan-first", aligned, fan, experiment="found")

# %% tags=["remove-input"]
fresh.finding(
    """
These are fresh runs, each with another pair hidden, and a window of training is one line. Over its first 1,000 updates n56 has {early[56]:%} of the hidden sums right and n14 {early[14]:%}; at the end it is {late[56]:%} and {late[14]:%}. Where windows begin anywhere, as in the paper, large models find less: at their best n28 has {highest[stream][28]:%} and n56 {highest[stream][56]:%}. What follows is about the paper's pair and windows unless it says otherwise.
""",
    word=found.WORD,
)



# %% tags=["remove-input"]
def sum_by_sum():
    text = "- **Sum by sum.** Of single hidden sums, {single[14]:%}, {single[28]:%} and {single[56]:%} are right in n14, n28 and n56."
    return chapter.typed(text, {}, here.results)


def other_pairs():
    text = """
- **Other pairs.** Each of the {right[lines][14].units} pairs of different digits was hidden in turn, with training windows that begin where a line begins. Of the hidden sums n14 then has {right[lines][14]:% interval} right, n28 {right[lines][28]:% interval} and n56 {right[lines][56]:% interval}. Whether n14 knows arithmetic or only this pair, the registered rule leaves *unresolved* ({{doc}}`pairs`).
"""
    return chapter.typed(text, {"aligned": "unresolved"}, chapters["pairs"].results)


def recalled():
    text = """
- **Capitals recalled.** n14 {recall[14]:%}, n28 {recall[28]:%} and n56 {recall[56]:%}, from {recall[14].units} runs each. Read line by line, n14 recalls {stored:% interval}, from {stored.units} runs ({{doc}}`lines`).
"""
    return chapter.typed(text, {"memorizes": "memorizes"}, here.results, chapters["lines"].results)


def together():
    text = """
- **Both together.** The paper says that a model trained on sums and capitals fills no hole at any size. Here {both} runs fill it. That says little: each size fails the sums alone, too, or does not learn the seen ones then ({{doc}}`joint`).
"""
    return chapter.typed(text, {"together": "uninformative"}, here.results, claims.results(judged))


def line_by_line():
    text = """
- **Both together, line by line.** Here {does[20]} runs of n20, {does[28]} of n28, {does[40]} of n40 and {does[56]} of n56 do both tasks at once. What the capitals cost the hidden sums cannot be said: by the rule n14 and n20 have *sums not learnt*, and the larger ones are *not testable* ({{doc}}`lines`).
"""
    words_of_rule = {14: "sums not learnt", 20: "sums not learnt", 28: "not testable", 40: "not testable", 56: "not testable"}
    return chapter.typed(text, {"interference": words_of_rule}, chapters["lines"].results)


def capacity():
    known, *more = answers.is_it_capacity(answers.table(chapters))
    return "\n".join([f"- **Is it capacity?** {known} What else is known of the causes ({{doc}}`why`):", *(f"  - {each}" for each in more)])


chapter.points(sums, sum_by_sum, other_pairs, recalled, together, line_by_line, capacity)

# %% [markdown]
# You can {doc}`train such a model <laboratory>` in your browser, or {doc}`ask a trained one <../book/model>`.
#
# ## Claim by claim

# %% tags=["remove-input"]
iterations = here.settings.iterations
if iterations != 30_000:
    chapter.say(f"These runs have {iterations:,} iterations; the claims are about 30,000.")
chapter.table(runs, lambda: report.findings(judged, gaps))

# %% tags=["remove-input"]
chapter.say(
    f"{report.not_run(judged, gaps)} As a whole the claims that speak of MLT are *missing* by the registered rule; the table judges size by size. The rules are those of {{doc}}`../book/protocol`, committed as `{claims.PROTOCOL}`. A run *extrapolates*, in the paper's word, when all four "
    "held-out sums are right at the last iteration under greedy decoding; in truth it fills a hole inside a table ({doc}`corpora`). The paper's numbers on the sums are per cents of 182 prompts at a "
    'checkpoint that it chose; "4 of 4" and "0 of 4" are what they imply for the held-out ones. {doc}`verdicts` has the intervals beside the thresholds.'
)
