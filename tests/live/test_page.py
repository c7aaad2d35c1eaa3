"""The page in Chromium, where it is installed: what is shown, that data is text and never markup, and that nothing comes from elsewhere."""

import shutil
import subprocess

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from test_serving_process import Process, call

import minirec as mr
from minirec.testing.sets import shop

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=5000", "--dump-dom",
]  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, such as Debian's package chromium")
def test_the_page(tmp_path):
    data = shop(n_users=40, n_items=30)
    with mr.options(backend="numpy"):
        mr.ALS(factors=4, iterations=2).fit(data).save(tmp_path / "model.npz")
    evil = "<img src=x onerror=document.title='owned'>"
    (tmp_path / "items.csv").write_text("item_id,title\n" + "".join(f"{item},{evil} {item}\n" for item in data.items))
    live = Process(tmp_path, "--items", f"{tmp_path}/items.csv")
    user = next(iter(data.users))
    call(f"{live.url}/v1/events", [{"event_id": "a", "user": user, "item": next(iter(data.items)), "kind": "click"}])

    def dom(view):
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}/chromium", "--window-size=400,900", f"{live.url}/{view}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=90).stdout

    pages = {view: dom(view) for view in ("#overview", f"#user/{user}", f"#item/{next(iter(data.items))}", "#audit", "docs")}
    assert live.end() == 0
    assert "Events in the last hour" in pages["#overview"]
    assert pages[f"#user/{user}"].count("Why?") == 10
    assert "The model was trained on" in pages[f"#user/{user}"]
    assert "#item/" in pages[f"#item/{next(iter(data.items))}"]
    assert "Gini of showings" in pages["#audit"]
    assert "POST /v1/events" in pages["docs"]
    for page in pages.values():
        assert "<img" not in page
        assert "owned</title>" not in page
    assert "&lt;img src=x" in pages[f"#user/{user}"]
