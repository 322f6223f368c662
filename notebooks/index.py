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
from lib.errors import some
from lib.experiments import claims, found, lines, pairs, replication
from lib.stats import estimates, measures, words

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
def line_by_line():
    found = some(lines.judged(chapters["lines"].runs))
    said = "; ".join(f"*{word}*, {words.listing(map(words.size_name, cell))}" for word, cell in found.groupby("verdict", sort=False)["width"])
    does = [f"{r.does} of {r.asked} runs of {words.size_name(r.width)}" for r in found.itertuples() if r.does]
    return f" Read line by line, {words.listing(does) + ' do' if does else 'no run does'} both tasks at once; can it be said what the capitals cost the hidden sums? By the rule: {said} ({{doc}}`lines`)."


base, name = runs[runs["variant"] == "base"].assign(right=measures.succeeded), words.size_name


def sum_by_sum():
    single = words.listing(f"{100 * share:.0f}" for share in sums.assign(single=estimates.share_right).groupby("width")["single"].mean())
    return f"- **Sum by sum.** Of single hidden sums, {single} % are right in {words.listing(map(name, sorted(sums['width'].unique())))}."


def other_pairs():
    found = pairs.judged(pairs.by_pair(chapters["pairs"].runs))
    aligned = found[found["windows"] == "lines"]
    verdict = some(aligned[aligned["width"] == 14])["verdict"].iloc[0]
    each = words.listing(f"{name(r.width)} {100 * r.mean:.0f} % ({words.span(r.low, r.high)})" for r in aligned.itertuples())
    return (
        f"- **Other pairs.** With each of the {aligned['pairs'].min()} pairs of different digits hidden in turn, with training windows that begin where a line begins, the hidden sums that are right: {each}. By the "
        f"registered rule: *{verdict}* ({{doc}}`pairs`)."
    )


def recalled():
    facts = some(base[base["task"] == "facts"])
    each = words.listing(f"{name(w)} {100 * share:.0f} %" for w, share in facts.groupby("width")["facts_accuracy"].mean().items())
    found, _ = lines.memorizes(chapters["lines"].runs)
    aligned = f" Read line by line, n14 recalls {100 * found.mean:.0f} % ({words.mean_span(found.low, found.high, found.units)}, {words.count(found.units, 'run')}; {{doc}}`lines`)." if found.units else ""
    return f"- **Capitals recalled.** {each}, from {words.count(facts['seed'].nunique(), 'run')} each.{aligned}"


def together():
    both = some(base[base["task"] == "joint"])
    c6 = judged[(judged["claim"] == "C6") & (judged["variant"] == "base") & (judged["runs"] > 0)]
    little = ", which says little: each size fails the sums alone, too, or does not learn the seen ones then" if (c6["verdict"] == "uninformative").all() else ""
    return f"- **Both together.** The paper says that a model trained on sums and capitals fills no hole at any size. Of {len(both)} runs {both['right'].sum() or 'none'} {'fills' if both['right'].sum() < 2 else 'fill'} the hole{little} ({{doc}}`joint`).{chapter.optional(line_by_line)}"


def capacity():
    known, *more = answers.is_it_capacity(answers.table(chapters))
    return "\n".join([f"- **Is it capacity?** {known} What else is known of the causes ({{doc}}`why`):", *(f"  - {each}" for each in more)])


chapter.points(sums, sum_by_sum, other_pairs, recalled, together, capacity)

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
