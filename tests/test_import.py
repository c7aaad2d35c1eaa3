"""The public names, and what importing them costs."""

import ast
import inspect
import subprocess
import sys

import pytest

import minirec

HEAVY = ("numba", "scipy", "pandas", "matplotlib", "duckdb", "polars", "pyarrow", "optuna", "pooch", "tqdm", "jinja2", "threadpoolctl")


def loaded_by(code):
    """Top-level packages that a fresh interpreter has after the code, of those that are heavy."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r}))"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import minirec",
        "import minirec; minirec.Dataset, minirec.load_model, minirec.Popularity",
        "import minirec; [getattr(minirec, name) for name in dir(minirec)]",
    ],
    ids=["import", "serving", "every name"],
)
def test_imports_are_light(code):
    assert loaded_by(code) == set()


def test_every_public_name_is_there():
    for name in minirec.__all__:
        assert getattr(minirec, name) is not None
    assert dir(minirec) == sorted(minirec.__all__)
    assert len(set(minirec.__all__)) == len(minirec.__all__)


def test_type_checkers_see_the_same_names():
    """The block under TYPE_CHECKING and the table of lazy names hold the same."""
    tree = ast.parse(inspect.getsource(minirec))
    block = next(node for node in tree.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
    typed = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == {*minirec._MODULE_OF, *minirec._ROOMS}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Prophet'"):
        _ = minirec.Prophet


def test_errors_are_of_minirec_and_of_a_standard_class():
    from minirec import errors

    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)]
    assert all(issubclass(cls, (errors.MinirecError, Warning)) and cls.__doc__ for cls in classes)
    assert str(errors.UnknownIdError("unknown user 3")) == "unknown user 3"
    assert str(errors.UnknownIdError()) == ""
    assert "pip install 'minirec[io]'" in str(errors.MissingExtraError("duckdb", "io", "reading Parquet"))
