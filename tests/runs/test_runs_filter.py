"""Filters: what they mean, that nothing is ever evaluated, and what is said of those that cannot be read."""

from __future__ import annotations

from pathlib import Path

import builders
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tui.core.text import clean
from tui.runs import remarks
from tui.runs.catalog import Summary, list_runs, summary_of
from tui.runs.fields import Subject, known_field
from tui.runs.filter import Filter, FilterError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Summary]:
    root = tmp_path_factory.mktemp("runs")
    for number, (name, status) in enumerate((("slow", "finished"), ("fast", "finished"), ("lost", "crashed"))):
        rate = {
            "optimizer": {"learning_rate": 0.001 * 10**number},
            "model": {"name": ("simple_cnn", "resnet18")[number % 2]},
        }
        run = builders.make_run(root, name=f"20260131-12000{number}-{name}", steps=40, status=status, settings=rate)
        if name == "fast":
            remarks.note(run, "the one to keep")
            remarks.pin(run, True)
    return {one.run.given_name: one for one in list_runs(root)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "slow fast lost"),
        ("optimizer.learning_rate>=1e-2", "fast lost"),
        ("optimizer.lr>=0.01 and state==finished", "fast"),
        ("lr<0.01 or lr>0.05", "slow lost"),
        ("0.005 < lr", "fast lost"),
        ("lr=0.01", "fast"),
        ("lr!=0.01", "slow lost"),
        ("best.accuracy>0.5", "slow fast lost"),
        ("best.acc>50%", "slow fast lost"),
        ("best.accuracy>99%", ""),
        ("test.accuracy>0", "slow fast"),
        ("not test.accuracy>0", "lost"),
        ("last.loss<2 (name=slow or name=20260131-120002-lost)", "slow lost"),
        ("model=RESNET18", "fast"),
        ("model.name ~ net", "fast"),
        ("pinned=yes", "fast"),
        ("pinned!=true", "slow lost"),
        ('note~"to keep"', "fast"),
        ("status=crashed", "lost"),
        ("keep", "fast"),
        ("'cifar10' crashed", "lost"),
        ("flip=true and bs=128", "slow fast lost"),
        ("epoch>=4 and step<=40", "slow fast lost"),
        ("data~/pictures", "slow fast lost"),
        ("pinned", "fast"),
        ("not pinned", "slow lost"),
        ("lr>=0.01 && state==finished", "fast"),
        ("lr<0.01 || lr>0.05 & crashed", "slow lost"),
        ("not (state=crashed or lr=0.001)", "fast"),
    ],
)
def test_what_a_filter_means(text: str, names: str, runs: dict[str, Summary]) -> None:
    found = Filter(text)
    assert {name for name, one in runs.items() if found.fits(one)} == set(names.split())


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("best.acuracy>1", 1, 'Did you mean "accuracy"?'),
        ("lr>1 and optimizer.weigth_decay<1", 10, 'Did you mean "optimizer.weight_decay"?'),
        ("accuracy>0.5", 1, "best.accuracy"),
        ("lr>0.01 &&", 11, "there is nothing where a word or a comparison should be"),
        ("state=finishd", 7, 'Did you mean "finished"?'),
        ("task=detection", 6, "There are classification, regression, multilabel."),
        ("lr>", 4, "there is nothing where a value"),
        ("lr>high", 4, '"high" is none'),
        ("lr~1", 3, "contains nothing"),
        ("(lr>1", 1, '"(" is not closed'),
        ("lr>1)", 5, "closes nothing"),
        ("0.1<lr<0.5", 7, 'Join them with "and"'),
        ("state<finished", 6, "is a text"),
        ("pinned=maybe", 8, "true or false"),
        ("pinned<1", 7, "true or false"),
        ("and lr>1", 1, 'there is "and"'),
        ('name="x', 6, "quotation mark"),
        ("!state", 1, 'Write != or "not"'),
        ("channel_widths=1", 1, "nothing is called"),
        ("path=1", 1, "nothing is called"),
        ("(" * 80, 51, "too deep"),
        ("x" * 3000, 2000, "characters"),
    ],
)
def test_what_is_said_of_a_filter_that_cannot_be_read(text: str, column: int, words: str) -> None:
    with pytest.raises(FilterError) as error:
        Filter(text)
    assert error.value.column == column
    assert words in str(error.value)


@given(st.text(max_size=60) | st.text("()<>=!~\"' andornt.lr01e-%", max_size=60))
@example('"\u00a00')
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_filter_or_one_sentence(text: str) -> None:
    refused = None
    try:
        Filter(text)
    except FilterError as error:
        refused = error
    if refused is not None:
        assert clean(str(refused)) == str(refused)  # a space that does not break is no control: it stays
        assert 1 <= refused.column <= len(text) + 1


def test_code_is_never_run(runs: dict[str, Summary]) -> None:
    for text in ("__import__('os').system('true')", "name.__class__=1", "best.__class__>0", "lr>(1).real"):
        try:
            assert not any(map(Filter(text).fits, runs.values()))
        except FilterError:
            continue


def test_settings_of_another_version_are_no_reason_to_fail(tmp_path: Path) -> None:
    run = builders.make_run(tmp_path, steps=10)
    run.settings.write_text('[run]\nformat = 1\n[optimizer]\nlearning_rate = "high"\nmean = [\n    1,\n    2,\n]\n')
    (one,) = list_runs(tmp_path)
    assert not Filter("lr>0").fits(one)
    assert known_field("optimizer.lr").get(Subject(one)) == "high"
    run.settings.write_text("[run]\n[optimizer]\nlearning_rate=0.5 # by hand\n")
    assert Filter("lr>0.4 and not flip=true").fits(summary_of(run))
