"""Settings of the whole suite: few threads, no downloads, the user's folders left alone."""

from __future__ import annotations

import importlib.util
import os
import tempfile

# before NumPy is imported: the suite runs beside other work, and its data is tiny
for _name in ("MINIREC_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "2")

import pytest  # noqa: E402

from tests import without_hypothesis  # noqa: E402

if importlib.util.find_spec("hypothesis") is None:
    without_hypothesis.install()


@pytest.fixture(autouse=True)
def _no_user_folders(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing is read from or written to the user's data folder; a test that wants one names it."""
    monkeypatch.setenv("MINIREC_DATA", os.path.join(tempfile.gettempdir(), "minirec-no-such-folder"))
