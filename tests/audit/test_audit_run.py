"""An audit from end to end: in Python, on the command line, the folder it leaves."""

import json
import re
import tomllib
from importlib.resources import files

import pytest

import minirec as mr
from minirec.audit import absent_inputs, default_plan, parse_plan, to_toml, verify
from minirec.cli.main import main
from minirec.data.writers import write_csv
from minirec.errors import DataError, ParameterError
from minirec.report.audit import render_audit
from minirec.report.audit_files import write_audit


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Files of a shop: events, later events, lists, items with a brand, users with an age."""
    folder = tmp_path_factory.mktemp("shop")
    train, test = mr.split(mr.synthetic(300, 120, 6_000, seed=1), "time", test=0.2)
    mr.ItemKNN().fit(train).recommend(k=15).to_csv(folder / "lists.csv")
    for name, part in (("events", train), ("test", test)):
        columns = {"user": part.users.ids(part.user), "item": part.items.ids(part.item), "time": part.timestamp.tolist()}
        write_csv(folder / f"{name}.csv", columns)
    numbers = range(1, 301)
    write_csv(folder / "items.csv", {"item": list(numbers), "title": [f"thing {n % 9} of {n % 4}" for n in numbers],
                                     "brand": ["ABCD"[n % 4] for n in numbers]})  # fmt: skip
    write_csv(folder / "users.csv", {"user": list(numbers), "age": [("young", "old")[n % 2] for n in numbers],
                                     "sex": ["fm"[n % 3 % 2] for n in numbers]})  # fmt: skip
    return folder


def command(shop, *more):
    given = [f"--{name}" for name in ("lists", "events", "test", "items", "users")]
    paths = [str(shop / f"{name}.csv") for name in ("lists", "events", "test", "items", "users")]
    return main(["audit", *[part for pair in zip(given, paths, strict=True) for part in pair], "--provider", "brand", "--quiet", *more])


def test_the_plan_is_toml_alone_and_comes_back_the_same(shop, capsys):
    assert main(["audit", "plan", "--events", str(shop / "events.csv"), "--provider", "brand", "--user-group", "age"]) == 0
    text = capsys.readouterr().out
    assert tomllib.loads(text)["version"] == 1
    plan = parse_plan(text)
    assert plan.provider == "brand"
    assert "new-items" in [criterion.id for criterion in plan.criteria]
    assert tomllib.loads(to_toml(plan)) == tomllib.loads(text)


def test_the_folder_of_an_audit(shop, tmp_path, capsys):
    (tmp_path / "plan.toml").write_text(to_toml(default_plan(provider="brand", user_groups=("age*sex",))))
    plan = ["--plan", str(tmp_path / "plan.toml")]
    assert command(shop, *plan, "--out", str(tmp_path / "a")) == 0
    assert command(shop, *plan, "--out", str(tmp_path / "b"), "--threads", "1") == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["audit.html", "audit.json", "manifest.json", "plan.toml"]
    for name in names:  # the same bytes twice, on any number of threads
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / "plan.toml").read_bytes() == (tmp_path / "plan.toml").read_bytes()
    record = json.loads((tmp_path / "a" / "audit.json").read_text())
    assert sum(record["verdicts"].values()) == len(record["findings"]) > 10
    assert record["deviations"] == []
    assert {entry["role"] for entry in record["inputs"]} == {"lists", "events", "test", "items", "users"}
    assert next(f for f in record["findings"] if f["by"] == "age*sex")["contrast"][0].count(" & ") == 1


def test_the_record_fits_its_schema(shop, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(files("minirec.audit").joinpath("audit.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    train = mr.read(shop / "events.csv")
    for done in (
        mr.audit(shop / "lists.csv", train, test=shop / "test.csv", items=shop / "items.csv", provider="brand", compare=["popularity"]),
        mr.audit(mr.Popularity().fit(train), train),
    ):
        jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(done.record)))


def test_verify_finds_every_change(shop, tmp_path, capsys):
    assert command(shop, "--out", str(tmp_path / "a")) == 0
    folder = tmp_path / "a"
    assert main(["audit", "verify", str(folder)]) == 0
    for name in ("audit.html", "audit.json", "plan.toml", "manifest.json"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content.replace(b"1", b"2", 1))
        assert main(["audit", "verify", str(folder)]) in ((2, 1) if name == "manifest.json" else (1,))
        (folder / name).write_bytes(content)
    (folder / "audit.html").unlink()
    assert verify(folder) == ["audit.html: missing"]
    assert absent_inputs(folder) == []
    assert main(["audit", "verify", str(shop)]) == 2


def test_a_changed_input_is_found(shop, tmp_path):
    lists = tmp_path / "lists.csv"
    lists.write_bytes((shop / "lists.csv").read_bytes())
    write_audit(mr.audit(lists, shop / "events.csv"), tmp_path / "a")
    assert verify(tmp_path / "a") == []
    lists.write_bytes(lists.read_bytes() + b"\n")
    assert "changed since it was audited" in verify(tmp_path / "a")[0]
    lists.unlink()
    assert (verify(tmp_path / "a"), absent_inputs(tmp_path / "a")) == ([], [str(lists)])


def test_a_detached_signature(shop, tmp_path):
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives import serialization as s

    keys = [ed25519.Ed25519PrivateKey.generate() for _ in range(2)]
    (tmp_path / "key.pem").write_bytes(keys[0].private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    for number, key in enumerate(keys):
        (tmp_path / f"{number}.pem").write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    assert command(shop, "--out", str(tmp_path / "a"), "--key", str(tmp_path / "key.pem")) == 0
    assert verify(tmp_path / "a", tmp_path / "0.pem") == []
    assert "does not fit" in verify(tmp_path / "a", tmp_path / "1.pem")[0]
    with pytest.raises(ParameterError, match="private key"):
        write_audit(mr.audit(shop / "lists.csv", shop / "events.csv"), tmp_path / "b", key=tmp_path / "0.pem")
    assert not (tmp_path / "b").exists()


def test_strict_turns_a_fail_into_exit_1(shop, tmp_path):
    plan = default_plan()
    harsh = to_toml(plan).replace("threshold = 0.95\n", "threshold = 0.01\n")  # the Gini index at most 0.01
    (tmp_path / "plan.toml").write_text(harsh)
    arguments = ["--plan", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "a")]
    assert command(shop, *arguments) == 0
    assert command(shop, *arguments, "--strict") == 1


def test_without_test_events_accuracy_cannot_be_told(shop):
    done = mr.audit(shop / "lists.csv", shop / "events.csv")
    assert done.verdicts["accuracy"] == "cannot tell"
    assert "no test events" in next(f.why for f in done.findings if f.criterion.id == "accuracy")
    assert any("No plan was given" in text for text in done.record["deviations"])


def test_what_changes_the_plan_is_logged(shop):
    done = mr.audit(shop / "lists.csv", shop / "events.csv", plan=default_plan(), k=5, deviations=["half of the users were asked"])
    assert done.plan.k == 5
    assert done.record["deviations"] == ["half of the users were asked", "k is 5 in place of the 10 of the plan."]


def test_accuracy_is_that_of_evaluate(shop):
    train, test = mr.read(shop / "events.csv"), mr.read(shop / "test.csv")
    test = test.select(train.items.rows(list(test.items))[test.item] >= 0)  # evaluate leaves out items that train does not know
    model = mr.ItemKNN().fit(train)
    wanted = mr.evaluate(model, train, test, k=10).to_dict()["itemknn"]
    found = mr.audit(model, train, test=test).figures
    for name in ("ndcg", "recall", "precision", "hitrate", "map", "mrr"):
        assert found[name, ""].value[0] == pytest.approx(wanted[f"{name}@10"])


def test_the_page_stands_alone_in_both_languages(shop):
    done = mr.audit(shop / "lists.csv", shop / "events.csv", test=shop / "test.csv", items=shop / "items.csv", provider="brand")
    pages = {language: render_audit(done.record, language, "0" * 64) for language in ("en", "zh")}
    for page in pages.values():
        assert not re.search(r"<script|<link|<img|https?://|url\(", page)
        assert page.count("<article") == len(done.findings)
    assert "What was found" in pages["en"]
    assert "审计结论" in pages["zh"]
    words = re.sub(r"<style>.*?</style>|<code>.*?</code>|<[^>]*>", " ", pages["zh"], flags=re.S)
    assert not re.findall(r"(?:\b[a-z]+\b[ ,]+){5,}", words.partition("读取的数据")[0])  # no English sentence is left
    with pytest.raises(ParameterError, match="language"):
        render_audit(done.record, "de")


def test_names_are_escaped(shop):
    plan = parse_plan(to_toml(default_plan()).replace('name = ""', 'name = "<script>alert(1)</script>"'))
    page = render_audit(mr.audit(shop / "lists.csv", shop / "events.csv", plan=plan).record)
    assert "<script" not in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('metric = "gini"', 'metric = "ginny"'), "unknown metric 'ginny'"),
        (("version = 1", "version = 2"), "version = 1"),
        (("k = 10", "k = 0"), "k is at least 1"),
        (('correction = "holm"', 'correction = "bonferoni"'), "correction is one of"),
        (("draws = 200", 'draws = "many"'), "draws is a whole number"),
        (('compare = "ratio"', 'compare = "quotient"'), "compare is one of"),
        (('id = "coverage"', 'id = "concentration"'), "two criteria have the id"),
        (("[settings]", "[setings]"), "setings"),
        (("threshold = 0.95", "limit = 0.95"), "no entry 'limit'"),
    ],
)
def test_a_wrong_plan_is_refused_with_a_reason(change, message):
    text = to_toml(default_plan())
    assert change[0] in text
    with pytest.raises(DataError, match=re.escape(message)):
        parse_plan(text.replace(*change, 1))


def test_lists_of_another_system_are_refused(shop):
    with pytest.raises(DataError, match="no user of the lists"):
        mr.audit({"x": [1, 2], "y": [2]}, shop / "events.csv")
    assert main(["audit", "--events", str(shop / "events.csv"), "--quiet"]) == 2
