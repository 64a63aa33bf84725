"""The reference page of the command line names everything there is."""

import argparse
from dataclasses import fields
from pathlib import Path

import pytest

from bedrock.app import metrics
from bedrock.app.cli import make_parser
from bedrock.app.config import ServerConfig, flag

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text()


@pytest.mark.parametrize("name", [item.name for item in fields(ServerConfig)])
def test_every_flag_is_documented(name):
    assert f"`{flag(name)}`" in PAGE


def test_every_verb_is_documented():
    (verbs,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    for verb in verbs.choices:
        assert f"`bedrock {verb}" in PAGE


@pytest.mark.parametrize("name", [name for name, _ in metrics.COUNTERS.values()])
def test_every_common_metric_is_documented(name):
    assert f"`{name}_total`" in PAGE
