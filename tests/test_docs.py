"""The documentation runs: every example of a docstring, every block of Python and every command in README.md and docs/."""

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import minirec
from minirec.cli.parser import build_parser

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
# walked by path: nothing is imported to find them, and modules of an optional package are left to the test that has it
MODULES = [
    module.name
    for module in pkgutil.walk_packages(minirec.__path__, "minirec.")
    if ".compiled" not in module.name and not module.name.endswith("__main__")
]


def blocks(page, *languages):
    """The fenced blocks of a page in one of the languages."""
    return [
        text
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
        if language in languages
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.slow_without_jit
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_python(page, tmp_path, monkeypatch):
    """The blocks of a page run in order, in one namespace and in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for text in blocks(page, "python"):
        exec(compile(text, str(page), "exec"), names)


def commands():
    return [line for page in PAGES for text in blocks(page, "sh") for line in text.splitlines() if line.startswith("minirec ")]


@pytest.mark.parametrize("line", commands())
def test_commands_are_understood(line):
    assert build_parser().parse_args(shlex.split(line, comments=True)[1:]).command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


def test_names_in_the_readme_are_public():
    names = set(re.findall(r"\bmr\.(\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert names
    assert names <= set(minirec.__all__)


def test_every_public_name_has_a_docstring():
    for name in set(minirec.__all__) - {"__version__", "MODELS"}:
        assert getattr(minirec, name).__doc__, name


def test_every_parameter_of_a_model_is_in_its_docstring():
    for cls in minirec.MODELS.values():
        for name in cls().get_params():
            assert re.search(rf"\b{name}\b", cls.__doc__), f"{cls.__name__}.{name}"
