"""The corpora against the published files (by their hash and their counts) and against rules written out here."""

import hashlib
import itertools
import re
from collections import Counter
from math import log

import pytest

from lib import tasks
from lib.errors import UserError

EVERY = {f"{a}{sign}{b}" for a, b in itertools.product(range(10), repeat=2) for sign in "+-"}
LINE = re.compile(r"<(\d[+-]\d)=(-?\d+)> *")


def arithmetic_lines(text: str) -> list[str]:
    return [text[i : i + 9] for i in range(0, len(text), 9)]


def expressions(text: str) -> list[str]:
    """The expressions of an arithmetic corpus, each line checked against Python's own arithmetic."""
    found = []
    for line in arithmetic_lines(text):
        match = LINE.fullmatch(line[:-1])
        assert match and len(line) == 9 and line[-1] == "\n"
        assert int(match[2]) == eval(match[1])
        found.append(match[1])
    return found


@pytest.mark.parametrize(
    ("name", "characters", "vocabulary", "context", "batch", "digest"),
    [  # sha256 of data/as_math/train.txt and data/both_math_and_facts/train.txt in the paper's public repository, and
        # of the latter without the former
        ("arithmetic", 1764, 17, 9, 882, "027df0cd21c838283f9d990a5984975bb968edd4f794170f2197a9dc60a3b926"),
        ("facts", 1547, 51, 24, 576, "c4df90002ce251a6e3a6c4ecddbdf4df5368b15d738892687e58df42fac3feb7"),
        ("joint", 3311, 66, 24, 576, "078ebbe290ef4e78ee33da82b58ec8c1b2504d30f9b47597aa2cb873dcb12fb1"),
    ],
)
def test_published_corpora(name, characters, vocabulary, context, batch, digest):
    task = tasks.make(name)
    assert hashlib.sha256(task.text.encode()).hexdigest() == digest
    assert (len(task.text), len(task.vocabulary), task.context, task.batch) == (characters, vocabulary, context, batch)
    assert task.vocabulary == "".join(sorted(set(task.text)))
    assert task.offsets == characters - context  # so that the last window's target is the last character


def test_arithmetic_lines():
    text = tasks.make("arithmetic").text
    assert arithmetic_lines(text)[:2] == ["<1-4=-3>\n", "<7-7=0> \n"]
    found = expressions(text)
    assert len(found) == 196 and set(found) == EVERY - {"5+7", "7+5", "5-7", "7-5"}


def test_facts_lines():
    lines = tasks.make("facts").text.split("\n")
    assert lines.pop() == "" and len(lines) == 50 == len(set(lines))
    assert all(re.fullmatch(r"Capital of [A-Z a-z]+ is [A-Z a-z]+ ", line) for line in lines)
    assert (lines[0], lines[1]) == ("Capital of France is Paris ", "Capital of the USA is Washington DC ")
    assert lines[-1] == "Capital of Zambia is Lusaka "


@pytest.mark.parametrize("line_order", [None, 3])
def test_joint_is_arithmetic_then_facts(line_order):
    parts = [tasks.make(name, line_order=line_order).text for name in ("arithmetic", "facts")]
    assert tasks.make("joint", line_order=line_order).text == "".join(parts)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("", set()),
        ("0,0", {"0+0", "0-0"}),
        ("9,2", {"2+9", "9+2", "2-9", "9-2"}),
        ("0,1 3,3 1,0", {"0+1", "1+0", "0-1", "1-0", "3+3", "3-3"}),
    ],
)
def test_other_held_out_pairs(text, hidden):
    task = tasks.make("arithmetic", tasks.pairs(text))
    found = expressions(task.text)
    assert len(found) == len(set(found)) and set(found) == EVERY - hidden
    assert {p.name for p in task.prompts if p.group == "held out"} == hidden
    assert {p.name for p in task.prompts if p.group == "seen"} == EVERY - hidden
    # What both texts have stands in the published order.
    common = [e for e in expressions(tasks.make("arithmetic").text) if e not in hidden]
    assert found[: len(common)] == common


@pytest.mark.parametrize("name", ["arithmetic", "facts"])
def test_line_order_permutes_the_lines(name):
    published, one, again, other = (tasks.make(name, line_order=order).text for order in (None, 0, 0, 1))
    assert len({published, one, other}) == 3 and one == again
    assert Counter(one.splitlines()) == Counter(other.splitlines()) == Counter(published.splitlines())


def test_tokens_are_places_in_the_vocabulary():
    task = tasks.make("joint")
    assert "".join(task.vocabulary[i] for i in task.tokens) == task.text


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("arithmetic", {"seen": 196, "held out": 4}),
        ("facts", {"fact": 50}),
        ("joint", {"seen": 196, "held out": 4, "fact": 50}),
    ],
)
def test_prompts(name, groups):
    task = tasks.make(name)
    assert Counter(p.group for p in task.prompts) == groups
    assert len({p.name for p in task.prompts}) == len(task.prompts)
    for p in task.prompts:
        if p.group == "fact":  # the text has the article, the published prompt has not
            country = {"USA": "the USA", "UK": "the UK"}.get(p.name, p.name)
            assert p.text == f"Capital of {p.name} is "
            assert f"Capital of {country} is {p.answer} \n" in task.text
        else:
            assert p.text == f"<{p.name}=" and p.answer == str(eval(p.name))
            assert (f"{p.text}{p.answer}>" in task.text) == (p.group == "seen")


def test_facts_that_outgrow_the_context():
    # Section 4 of the notes on the paper's files: 6 prompts are too long, and 47 texts overflow during the answer.
    prompts = tasks.make("facts").prompts
    assert sum(len(p.text) > 24 for p in prompts) == 6
    assert sum(len(p.text + p.answer) > 24 for p in prompts) == 47


@pytest.mark.parametrize("name", ["arithmetic", "joint", "facts"])
def test_accepted_continuations(name):
    """Every accepted continuation passes the published parser, no two are the same, and the training text's is one."""
    task = tasks.make(name)
    for p in task.prompts:
        texts = ["".join(choice) for steps in p.accepted for choice in itertools.product(*steps)]
        assert len(texts) == len(set(texts))
        for text in texts:
            assert set(text) <= set(task.vocabulary)
            if p.group == "fact":
                assert text.splitlines()[0].strip().lower() == p.answer.lower() and text.endswith("\n")
            else:
                found = re.search(r"<\s*\d+\s*([+\-])\s*\d+\s*=\s*(-?\d+)", p.text + text)
                assert int(found[2]) == int(p.answer) and len(text) <= 4
        if p.group == "fact":
            assert sorted(texts) == sorted([p.answer + "\n", p.answer + " \n"])
        else:
            written = ["0", "-0"] if p.answer == "0" else [p.answer]
            assert sorted(texts) == sorted(w + c for w in written for c in task.vocabulary if not c.isdigit())


# The lowest losses


@pytest.mark.parametrize(("name", "published"), [("arithmetic", 0.5308), ("facts", 0.1792), ("joint", 0.1944)])
def test_floor(name, published):
    task = tasks.make(name)
    assert tasks.floor(task) == pytest.approx(published, abs=5e-5)  # four digits are given
    windows = [task.text[i : i + task.context + 1] for i in range(task.offsets)]
    counts = Counter(window[:n] for window in windows for n in range(1, task.context + 2))
    steps = [log(counts[w[:n]] / counts[w[: n + 1]]) for w in windows for n in range(1, task.context + 1)]
    assert tasks.floor(task) == pytest.approx(sum(steps) / len(steps), rel=1e-9)  # float64


def test_floor_without_order():
    # Three digits are given.
    assert tasks.floor(tasks.make("arithmetic"), ordered=False) == pytest.approx(0.767, abs=5e-4)
    with pytest.raises(ValueError, match="not defined for facts"):
        tasks.floor(tasks.make("facts"), ordered=False)
    # A text of few lines, by counting all that two lines drawn anew can give.
    left = ((0, 0), (1, 2), (3, 8))
    every = itertools.combinations_with_replacement(range(10), 2)
    task = tasks.make("arithmetic", tuple(pair for pair in every if pair not in left))
    lines = arithmetic_lines(task.text)
    drawn = [(one + two)[i : i + 10] for one in lines for two in lines for i in range(9)]
    counts = Counter(window[:n] for window in drawn for n in range(1, 11))
    windows = [task.text[i : i + 10] for i in range(task.offsets)]
    steps = [log(counts[w[:n]] / counts[w[: n + 1]]) for w in windows for n in range(1, 10)]
    assert tasks.floor(task, ordered=False) == pytest.approx(sum(steps) / len(steps), rel=1e-9)  # float64


def test_pairs():
    assert tasks.pairs("7,5 0,0 5,7") == ((0, 0), (5, 7))
    assert tasks.pairs("") == ()


@pytest.mark.parametrize("text", ["5,10", "5", "a,b", "5-7", "-1,3", "5,7,9", ","])
def test_bad_pairs(text):
    with pytest.raises(UserError, match=rf"held_out has '{text}'.* 0 to 9"):
        tasks.pairs(text)


def test_holding_out_everything():
    every = tuple(itertools.combinations_with_replacement(range(10), 2))
    assert len(every) == 55
    with pytest.raises(UserError, match="held_out has all 55 pairs"):
        tasks.make("arithmetic", every)
    least = tasks.make("arithmetic", every[1:])
    assert sorted(expressions(least.text)) == ["0+0", "0-0"]
    assert least.vocabulary == tasks.make("arithmetic").vocabulary  # the prompts need every digit


def test_unknown_task():
    with pytest.raises(UserError, match=r"'algebra'.*one of arithmetic, facts, joint"):
        tasks.make("algebra")
