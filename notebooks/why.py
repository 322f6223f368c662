# %% [markdown]
# # Is it capacity?
#
# The replication says that n14 fills the hole in the table and n28 and n56 do not. Size, though, never comes alone. Each row below is a suspected cause, the experiment that moves it and nothing else, the effect, and
# the word that a rule registered beforehand has for it ({doc}`../book/causes`). Rows whose runs are not complete say *missing*.

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

here = chapter.begin("causes", globals())

# %% tags=["remove-input"]
from lib import answers, claims, words

chapters = answers.read(store)
found = answers.table(chapters)
chapter.say(f"**{answers.is_it_capacity(found)}**")

# %% tags=["remove-input"]
chapter.say(chapter.markdown(found.assign(experiment=[f"{{doc}}`{name}`" for name in found["experiment"]])))

# %% [markdown]
# ## Which runs, in which order


# %% tags=["remove-input"]
def checked():
    early = (claims.begun(here.runs) < claims.WHY_REGISTERED).sum()
    wrong = claims.out_of_order(here.runs)
    made = here.runs.groupby("stage")["experiment"].first()
    before = "no run" if not early else f"{early} runs"
    text = f"The protocol was committed as `{claims.WHY}` on {claims.WHY_REGISTERED:%d %B %Y at %H:%M} UTC; {before} of the {len(here.runs):,} shown here had been begun before. "
    if wrong.empty:
        return text + "All stages were made in the registered order."
    return (
        text
        + "Out of order: "
        + words.listing(
            f"stage {r.made} ({made[r.made]}) before stage {r.before} ({made[r.before]})" for r in wrong.itertuples()
        )
        + "."
    )


chapter.tell(here.runs, checked)
