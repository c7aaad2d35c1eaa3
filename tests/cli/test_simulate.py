"""`minirec simulate` into a folder."""

import json

from minirec.cli.main import main


def test_curves_are_written_as_a_page_and_as_json(tmp_path, capsys):
    command = ["simulate", "--models", "random,popularity", "--rounds", "3", "--seeds", "2", "--quiet"]
    assert main([*command, "--out", str(tmp_path / "loop")]) == 0
    found = json.loads((tmp_path / "loop" / "simulation.json").read_text())
    assert set(found["figures"]) == {"random", "popularity", "oracle"}
    assert len(found["figures"]["random"]["gini"]) == 2
    page = (tmp_path / "loop" / "simulation.html").read_text()
    assert page.count("<svg") == 7 + 3  # no new items, no survival
    assert "http://" not in page
    assert "https://" not in page
    assert "popularity" in capsys.readouterr().out


def test_bad_settings_end_with_code_2(tmp_path, capsys):
    assert main(["simulate", "--models", "random", "--rounds", "0", "--out", str(tmp_path)]) == 2
    assert "rounds" in capsys.readouterr().err
