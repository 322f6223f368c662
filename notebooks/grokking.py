# %% [markdown]
# # Ten times as long
#
# The paper says that its largest model does not "grok" the hidden pair in 1.5 million iterations. But its weight decay acts through a tiny learning rate, so that little could be expected ({doc}`joint`). Here
# sizes that find the hidden sums and lose them again get 300,000 iterations to find them once more, without decay and with one that acts. Windows are aligned. Rule: {doc}`../book/causes`, experiment 13, an addition.

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

here = chapter.begin("grokking", globals())

# %% tags=["remove-input"]
from lib import charts
from lib.book import answers
from lib.experiments import claims, grokking
from lib.stats import words

curves = here.curves(here.runs)
judged = grokking.judged(curves)
chapter.say(here.progress())


# %% tags=["remove-input"]
def answer():
    each = [
        f"- **{words.size_name(r.width)}, {f'decay {r.weight_decay:g}' if r.weight_decay else 'no decay'}: {r.verdict}.** Of the hidden sums {100 * r.early:.0f} % are right in the second tenth of a run and {100 * r.late:.0f} % in the last: {answers.said(r.low, r.high, r.difference)}, {words.count(r.runs, 'run')}."
        for r in judged.itertuples()
    ]
    return "\n".join(each)


chapter.tell(judged, answer)


# %% tags=["remove-input"] mystnb={"figure": {"caption": "What happens to the hidden sums in a training ten times as long? Share right, mean over runs, by weight decay.", "name": "fig-grokking"}}
def long():
    found = grokking.over_time(curves)
    return charts.over_time(found, "weight decay", logarithmic=True), found


chapter.figure("grokking", here.runs, long)

# %% tags=["remove-input"]
def decays():
    late = judged.pivot(index="width", columns="weight_decay", values="late").reindex(columns=sorted(grokking.DECAYS)).dropna()
    each = [f"{words.size_name(width)} {100 * with_:.0f} % and {100 * without:.0f} %" for width, (without, with_) in late.iterrows()]
    text = f" What decay does by itself no rule asked; right in the last tenth with it and without: {words.listing(each)}." if each else ""
    return f"Single evaluations are restless, so a tenth of a run is averaged.{text} {claims.added('grokking', here.runs)}"


chapter.tell(judged, decays)


# %% tags=["remove-input"]
def remember():
    back = judged[judged["verdict"] == "late generalization"]
    each = [f"{words.size_name(r.width)} {'with' if r.weight_decay else 'without'} decay" for r in back.itertuples()]
    found = f"the hidden sums come back in {words.listing(each)}" if each else "no size is shown to find the hidden sums again"
    return f"**To remember.** In {here.settings.iterations:,} iterations {found}."


chapter.tell(judged, remember)
