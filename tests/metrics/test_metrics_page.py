"""docs/metrics.md says what the docstrings say, of every public metric."""

import importlib.util
from pathlib import Path

import pytest

import minirec as mr

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_metrics", DOCS / "make_metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_made_from_the_docstrings(maker):
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == maker.page()


def test_every_metric_has_formula_denominator_and_source(maker):
    assert {name for names in maker.SECTIONS.values() for name in names} == set(mr.metrics.__all__)
    for name in mr.metrics.__all__:
        text = maker.entry(name)
        assert " = " in text.splitlines()[2], name
        for field in ("Denominator", "Source"):
            assert f"**{field}**" in text, name
