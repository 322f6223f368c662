"""Capitals: the 50 facts of the paper (Barron and White 2025, arXiv:2506.09099), or names that mean nothing."""

from collections.abc import Mapping
from typing import Any

from lib.data.prompts import Prompt, ordered

FACTS = ("capitals", "random")

CAPITALS = {
    "France": "Paris", "the USA": "Washington DC", "Japan": "Tokyo", "Germany": "Berlin", "Italy": "Rome",
    "Spain": "Madrid", "the UK": "London", "Canada": "Ottawa", "Australia": "Canberra", "India": "New Delhi",
    "China": "Beijing", "Russia": "Moscow", "Brazil": "Brasilia", "Mexico": "Mexico City", "South Korea": "Seoul",
    "Argentina": "Buenos Aires", "Egypt": "Cairo", "Saudi Arabia": "Riyadh", "Turkey": "Ankara", "Indonesia": "Jakarta",
    "Nigeria": "Abuja", "Pakistan": "Islamabad", "Colombia": "Bogota", "Thailand": "Bangkok", "Vietnam": "Hanoi",
    "the Netherlands": "Amsterdam", "Belgium": "Brussels", "Sweden": "Stockholm", "Norway": "Oslo",
    "Denmark": "Copenhagen", "Finland": "Helsinki", "Poland": "Warsaw", "Austria": "Vienna", "Switzerland": "Bern",
    "Portugal": "Lisbon", "Greece": "Athens", "Ireland": "Dublin", "New Zealand": "Wellington",
    "South Africa": "Pretoria", "Israel": "Jerusalem", "Iran": "Tehran", "Iraq": "Baghdad", "Syria": "Damascus",
    "Lebanon": "Beirut", "Jordan": "Amman", "Kuwait": "Kuwait City", "Qatar": "Doha", "Oman": "Muscat",
    "Bahrain": "Manama", "Zambia": "Lusaka",
}  # fmt: skip
# The published prompts leave out the article of these two, although the text has it.
PROMPTED_AS = {"the USA": "USA", "the UK": "UK"}


def names(facts: str) -> dict[str, str]:
    """Countries and capitals; "random" has their letters dealt anew: as long, as frequent, and nothing to spell."""
    if facts == "capitals":
        return CAPITALS
    names = "\n".join(f"{country}\t{capital}" for country, capital in CAPITALS.items())
    for kind in (str.islower, str.isupper):
        places = [i for i, c in enumerate(names) if kind(c)]
        letters = dict(zip(places, ordered([names[i] for i in places], 0), strict=True))
        names = "".join(letters.get(i, c) for i, c in enumerate(names))
    return dict(line.split("\t") for line in names.split("\n"))


def _asked(country: str) -> str:
    return f"Capital of {country} is "


class Capitals:
    """A line a country, and a prompt for it; `copies` of all of them."""

    digits = symbols = ""
    context, batch = 24, 576  # as published

    def __init__(self, factors: Mapping[str, Any]):
        self.names, self.copies, self.line_order = names(factors["facts"]), factors["copies"], factors["line_order"]

    def lines(self, filled: bool) -> list[str]:
        """The lines; `filled` with blanks, so that each capital has the same place and the same room."""
        parts = (map(_asked, self.names), self.names.values())
        before, after = (max(map(len, part)) for part in parts) if filled else (0, 0)
        lines = [f"{_asked(country).rjust(before)}{capital.ljust(after)} \n" for country, capital in self.names.items()]
        return self.copies * ordered(lines, self.line_order)

    def prompts(self, vocabulary: str, context: int | None) -> list[Prompt]:
        """A prompt for every country, which fills the window of a line of `context` as far as the capital."""
        room = max(map(len, self.names.values())) + len(" \n")  # of a capital in a filled line
        found = []
        for country, capital in self.names.items():
            country = PROMPTED_AS.get(country, country)
            # The published rule reads the first line and strips it, so a space may stand before the newline.
            accepted = [(*capital, "\n"), (*capital, " ", "\n")]
            if context:
                accepted = [(*capital.ljust(room - 1), "\n")]
            asked = _asked(country).rjust(context - room if context else 0)
            found.append(Prompt(country, asked, capital, "fact", tuple(accepted)))
        return found
