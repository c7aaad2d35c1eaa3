"""TF-IDF and latent semantic analysis: against scikit-learn, against terms found character by character, and on any text."""

import itertools
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirec
from minirec.errors import DataError, ModelFileError, NotFittedError, ParameterError
from minirec.features import terms
from minirec.features.base import normalized, present
from minirec.features.cache import cached
from minirec.features.terms import BREAK, DENSE, DROP, WORD, Folded, fold
from minirec.features.tfidf_lsa import TfidfLSA

TITLES = [
    "Garden hose 20 m, green",
    "Green garden chair",
    "Hose reel",
    "Folding chair, BLUE",
    "Blue garden table",
    "Caf\u00e9 table",
    "cafe chairs",
    "Water hose connector",
    "Gr\u00fcne Gie\u00dfkanne",
    "gruene giesskanne",
    "\u7d05\u3044\u6905\u5b50",
    "\u9752\u3044\u6905\u5b50",
    "\u0e40\u0e01\u0e49\u0e32\u0e2d\u0e35\u0e49\u0e2a\u0e35\u0e41\u0e14\u0e07",
    "\u0e40\u0e01\u0e49\u0e32\u0e2d\u0e35\u0e49",
    "\u05db\u05b4\u05bc\u05e1\u05b5\u05d0 \u05d2\u05df",
    "\u05db\u05e1\u05d0",
]
ODD_TEXTS = {
    "huge": "lorem ipsum dolor " * 60_000,
    "one huge word": "a" * 1_000_000,
    "one huge run": "\u6905" * 200_000,
    "binary": bytes(range(256)).decode("latin-1") * 100,
    "controls": "\x00\x01\x02\ufffd\uffff",
    "right to left": "\u202b\u0643\u064f\u0631\u0652\u0633\u0650\u064a\u0651 \u062d\u062f\u064a\u0642\u0629\u202c",
    "marks alone": "\u0301\u0301\u0301",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
}


def naive_runs(text):
    """(kind, run) of a folded text, by one character after the other."""
    runs = []
    for character in fold(text):
        kind = terms._kind(ord(character))
        if kind == DROP:
            continue
        if kind == BREAK or not runs or runs[-1][0] != kind:
            runs.append([kind, ""])
        runs[-1][1] += character
    return [(kind, run) for kind, run in runs if kind != BREAK]


def grams(run, n):
    return [run[at : at + n] for at in range(len(run) - n + 1)]


def naive_words(text):
    return [
        term
        for kind, run in naive_runs(text)
        for term in ([run] if kind == WORD else [f"={gram}" for n in (1, 2) for gram in grams(run, n)])
    ]


def naive_characters(text, lengths=(3, 4)):
    found = []
    for n, (kind, run) in itertools.product(lengths, naive_runs(text)):
        found += grams(f"\0{run}\0", n) if kind == WORD else [f"={gram}" for gram in grams(run, n)]
    return found


def test_kinds_of_characters():
    kinds = {
        WORD: "a\u00dfZ9\u0661\u0434\u0905\u093f",
        DENSE: "\u7d05\u3042\u30ab\ud55c\u0e01\u0e31\u1780\u1000",
        BREAK: " -_\n\0\U0001f600\ufffd",
        DROP: "\u200d\u200f\ufeff\u00ad",
    }
    assert all(terms._kind(ord(character)) == kind for kind, characters in kinds.items() for character in characters)
    assert naive_words("hello\u200d world \u7d05\u3044X") == ["hello", "world", "=\u7d05", "=\u3044", "=\u7d05\u3044", "x"]
    assert naive_words("\u0939\u093f\u0928\u094d\u0926\u0940 \u092c\u093e\u0924") == [
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\u092c\u093e\u0924",
    ]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ABC", "abc"),
        ("Caf\u00e9", "cafe"),
        ("STRASSE", "strasse"),
        ("stra\u00dfe", "strasse"),
        ("\uff21\uff22", "ab"),
        ("\ufb01n", "fin"),
        ("\u0130", "i"),
        ("\u304c", "\u304c"),
        ("\u304b\u3099", "\u304c"),
        ("\uff76\uff9e", "\u30ac"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("\u05e9\u05c1\u05b8", "\u05e9"),
        ("\u0623\u064e", "\u0627"),
    ],
)
def test_folding(text, folded):
    assert fold(text) == folded


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u093c\u094d", "\u0f73", "\u0345\u0323"])
def test_long_runs_of_marks_take_no_time(marks):
    """Python puts a run of marks in order by insertion: the square of its length."""
    once = fold("a" + marks * 500_000)
    assert len(once) <= 31
    assert fold(once) == once
    assert fold("a" + marks + "\n" + "b" + marks).count("\n") == 1


def test_usual_numbers_of_marks_stay():
    assert fold("\u0e01" + "\u0e38\u0e48" * 15) == unicodedata.normalize("NFC", "\u0e01" + "\u0e38\u0e48" * 15)
    for written in ("\u1fb3", "\u03b1\u0345"):  # alpha with an iota below it, in one character and in two
        assert fold(written) == "\u03b1\u03b9"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_terms_are_those_found_by_hand(texts):
    """As many of each in each text, and equal hashes where and only where the terms are equal."""
    folded = Folded(texts)
    texts = [text.replace("\n", " ") for text in texts]
    for found, naive in ((folded.words(), naive_words), (folded.characters((2, 3, 5)), lambda text: naive_characters(text, (2, 3, 5)))):
        pairs = sorted(zip(found.text.tolist(), found.term.tolist(), strict=True))
        wanted = sorted((at, str(term)) for at, text in enumerate(texts) for term in naive(text))
        counts = [sorted(len(list(group)) for _, group in itertools.groupby(listed)) for listed in (pairs, wanted)]
        assert counts[0] == counts[1]
        assert len({term for _, term in pairs}) == len({term for _, term in wanted})
        assert [at for at, _ in pairs] == [at for at, _ in wanted]


@given(st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_folding_twice_changes_nothing(text):
    text = text.encode("utf-8", "replace").decode()
    once = fold(text)
    assert fold(once) == once
    assert unicodedata.is_normalized("NFC", once)


def sklearn_tfidf(texts, analyzer, min_df, fit_on=None):
    text = pytest.importorskip("sklearn.feature_extraction.text")
    vectorizer = text.TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, min_df=min_df)
    return vectorizer.fit(fit_on or texts).transform(texts).toarray()


@pytest.mark.parametrize("min_things", [1, 2])
def test_tfidf_against_scikit_learn(min_things):
    """Inner products do not depend on the order of the terms."""
    words, characters = (sklearn_tfidf(TITLES, analyzer, min_things) for analyzer in (naive_words, naive_characters))
    ours = TfidfLSA(characters=(), min_things=min_things).fit(TITLES).tfidf(TITLES).to_dense()
    np.testing.assert_allclose(ours @ ours.T, words @ words.T, atol=1e-6)
    both = normalized(np.hstack([words, 0.5 * characters]))
    ours = TfidfLSA(character_weight=0.5, min_things=min_things).fit(TITLES).tfidf(TITLES).to_dense()
    np.testing.assert_allclose(ours @ ours.T, both @ both.T, atol=1e-6)


def test_new_texts_against_scikit_learn():
    new = ["green hose", "unknown things", "\u9ec4\u8272\u3044\u6905\u5b50"]
    words, characters = (sklearn_tfidf([*TITLES, *new], analyzer, 2, TITLES) for analyzer in (naive_words, naive_characters))
    both = normalized(np.hstack([words, characters]))
    ours = TfidfLSA().fit(TITLES).tfidf([*TITLES, *new]).to_dense()
    np.testing.assert_allclose(ours @ ours.T, both @ both.T, atol=1e-6)


@pytest.mark.parametrize("n", [1, 3])  # more terms than things, more things than terms
def test_lsa_against_the_exact_svd(n):
    titles = [f"{title} {tail}" for title in TITLES[:10] for tail in ("one", "two", "three", "four", "five", "six")[: 2 * n]]
    model = TfidfLSA(components=6, characters=(3,) if n == 1 else ())
    vectors = model.fit_transform(titles)
    matrix = model.tfidf(titles).to_dense().astype(np.float64)
    assert (matrix.shape[0] < matrix.shape[1]) == (n == 1)
    left, values, _ = np.linalg.svd(matrix)
    exact = normalized(left[:, :6] * values[:6])
    np.testing.assert_allclose(vectors @ vectors.T, exact @ exact.T, atol=2e-3)
    np.testing.assert_allclose(model.axes.T @ model.axes, np.eye(6), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_like_texts_are_near():
    vectors = TfidfLSA(components=12, min_things=1).fit_transform(TITLES)
    cosines = vectors @ vectors.T - np.eye(len(TITLES))
    for a, b in ((10, 11), (12, 13), (14, 15), (5, 4)):
        assert cosines[a].argmax() == b, TITLES[a]
    assert cosines[8, 9] > 0.1  # no word in common, but characters


def test_fields_and_their_weights():
    fields = {"title": ["red chair", "blue chair", "red table", None], "brand": ["Oak", "Oak", None, None], "note": ["x", "y", "z", "u"]}
    model = TfidfLSA(characters=(), min_things=1, weights={"title": 2, "note": 0}).fit(fields)
    ours = model.tfidf(fields).to_dense()
    count_of = ("red", "chair", "blue", "table", "oak")
    count = {term: sum(term in text for text in ("red chair oak", "blue chair oak", "red table")) for term in count_of}
    idf = {term: 1 + np.log(4 / (1 + n)) for term, n in count.items()}

    def row(title, brand):
        parts = [{term: idf[term] / np.sqrt(sum(idf[t] ** 2 for t in text.split())) for term in text.split()} for text in (title, brand)]
        return [2 * parts[0].get(term, 0) + parts[1].get(term, 0) for term in count]

    exact = normalized(np.array([row("red chair", "oak"), row("blue chair", "oak"), row("red table", ""), row("", "")]))
    np.testing.assert_allclose(ours @ ours.T, exact @ exact.T, atol=1e-6)
    assert present(model.transform(fields)).tolist() == [True, True, True, False]
    assert TfidfLSA(min_things=1).fit(fields).transform({"title": ["red"], "brand": [None], "note": [""]}).any()


def test_nothing_to_learn():
    for texts in ([], [None, ""], ["one", "two"], ["!!", "??", "..."], ["\U0001f600"] * 3):
        with pytest.raises(DataError, match="no term occurs in 2 or more"):
            TfidfLSA(characters=()).fit(texts)
    for use in (
        lambda model: model.transform(["a"]),
        lambda model: model.dimension,
        lambda model: model.fingerprint,
        lambda model: model.tfidf([]),
    ):
        with pytest.raises(NotFittedError):
            use(TfidfLSA())
    assert not TfidfLSA().fitted


def test_texts_without_known_terms_have_rows_of_zeros():
    vectors = TfidfLSA(components=4).fit(TITLES).transform(["qqq", None, "?!", "garden", "\U0001f600"])
    assert present(vectors).tolist() == [False, False, False, True, False]


def test_odd_texts_do_no_harm():
    model = TfidfLSA(components=4, min_things=1).fit([*TITLES, *ODD_TEXTS.values()])
    vectors = model.transform([*ODD_TEXTS.values(), *TITLES])
    found = dict(zip(ODD_TEXTS, present(model.tfidf(list(ODD_TEXTS.values())).to_dense()).tolist(), strict=True))
    assert found == dict.fromkeys(ODD_TEXTS, True) | {"controls": False, "marks alone": False, "emoji": False}
    np.testing.assert_allclose(np.linalg.norm(vectors[3 + 5 :], axis=1), 1, rtol=1e-5)


@given(st.lists(st.one_of(st.none(), st.text(st.characters(), max_size=10)), max_size=10))
@settings(max_examples=100, deadline=None)
def test_any_texts(texts):
    model = TfidfLSA(components=3).fit(TITLES)
    vectors = model.transform(texts)
    assert vectors.shape == (len(texts), 3)
    assert np.isfinite(vectors).all()
    for at in range(len(texts)):  # no row depends on the others
        np.testing.assert_array_equal(model.transform([texts[at]])[0], vectors[at])
    try:
        learned = TfidfLSA(components=2, min_things=1).fit(texts)
    except DataError:
        assert not any(naive_words(text or "") or naive_characters(text or "") for text in texts)
    else:
        assert np.isfinite(learned.transform(texts)).all()


def test_same_texts_same_bytes_for_any_threads_and_blocks(monkeypatch):
    texts = [f"{a} {b} {c}" for a in TITLES for b in TITLES[:4] for c in ("x", "yy")]
    one = TfidfLSA(components=5).fit(texts)
    with minirec.options(threads=2):
        two = TfidfLSA(components=5).fit(texts)
        assert two.transform(texts).tobytes() == one.transform(texts).tobytes()
    assert one.fingerprint == two.fingerprint
    monkeypatch.setattr(terms, "BLOCK", 40)
    assert TfidfLSA(components=5).fit(texts).fingerprint == one.fingerprint
    fields = {"a": texts, "b": texts[::-1]}
    many = TfidfLSA(components=5).fit_transform(fields)
    monkeypatch.undo()
    assert many.tobytes() == TfidfLSA(components=5).fit_transform(fields).tobytes()
    prints = {
        TfidfLSA(components=5, **named).fit(texts).fingerprint
        for named in ({"characters": (3,)}, {"character_weight": 0.4}, {"max_terms": 9}, {"min_things": 20})
    }
    assert len(prints | {one.fingerprint}) == 5


def test_the_commonest_terms_are_kept():
    model = TfidfLSA(characters=(), min_things=1, max_terms=2, components=2).fit(["a b", "a b", "a c", "a d"])
    assert present(model.tfidf(["a", "b", "c", "d"]).to_dense()).tolist() == [True, True, False, False]


def test_through_the_cache(tmp_path):
    model = TfidfLSA(components=4, weights={"title": 2})
    fields = {"title": TITLES, "more": TITLES[::-1]}
    expected = model.fit_transform(fields)
    for _ in range(2):
        np.testing.assert_array_equal(cached(model, tmp_path, chunk=3).transform(fields), expected)


@pytest.mark.parametrize("named", [{}, {"characters": (), "seed": np.int64(3)}, {"weights": {"title": 2, "more": 0.5}, "min_things": 1}])
def test_saved_and_loaded(tmp_path, named):
    model = TfidfLSA(components=4, **named)
    fields = {"title": TITLES, "more": TITLES[::-1]}
    model.fit(fields)
    model.save(tmp_path / "a.npz")
    again = TfidfLSA.load(tmp_path / "a.npz")
    assert again.transform(fields).tobytes() == model.transform(fields).tobytes()
    new = {"title": ["green hose", None, "?"], "more": [None, "blue chair", None]}
    assert again.transform(new).tobytes() == model.transform(new).tobytes()
    assert again.fingerprint == model.fingerprint
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert again.fit_transform(fields).tobytes() == model.transform(fields).tobytes()  # the parameters are there, too


def test_only_what_has_been_fitted_is_saved(tmp_path):
    with pytest.raises(NotFittedError):
        TfidfLSA().save(tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


DAMAGE = {
    "another class": lambda header, arrays: header.update({"class": "als"}),
    "another version": lambda header, arrays: header.update(format_version=2),
    "a model": lambda header, arrays: header.update(format="minirec model"),
    "an unknown parameter": lambda header, arrays: header["params"].update(speed=1),
    "a bad parameter": lambda header, arrays: header["params"].update(components=0),
    "characters of another type": lambda header, arrays: header["params"].update(characters=[2.5]),
    "weights of another type": lambda header, arrays: header["params"].update(weights=[1]),
    "no axes": lambda header, arrays: arrays.pop("axes"),
    "a term too few": lambda header, arrays: arrays.update({"axes": arrays["axes"][1:]}),
    "axes of another type": lambda header, arrays: arrays.update({"axes": arrays["axes"].astype(np.float64)}),
    "axes that are not finite": lambda header, arrays: arrays.update({"axes": np.full_like(arrays["axes"], np.nan)}),
    "terms out of order": lambda header, arrays: arrays.update({"words.terms": arrays["words.terms"][::-1].copy()}),
    "another number of idf": lambda header, arrays: arrays.update({"grams.idf": arrays["grams.idf"][1:]}),
    "objects": lambda header, arrays: arrays.update({"axes": np.array([[{}]], object)}),
    "idf of zero": lambda header, arrays: arrays.update({"grams.idf": np.zeros_like(arrays["grams.idf"])}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_files_that_are_damaged_or_foreign(tmp_path, damage):
    path = tmp_path / "a.npz"
    TfidfLSA(components=4).fit(TITLES).save(path)
    with np.load(path) as held:
        arrays = dict(held)
    header = json.loads(arrays.pop("header").tobytes())
    DAMAGE[damage](header, arrays)
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
    with pytest.raises(ModelFileError, match=r"a\.npz"):
        TfidfLSA.load(path)


def test_files_that_are_cut_or_none(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(ModelFileError, match="there is no extractor file"):
        TfidfLSA.load(path)
    TfidfLSA(components=4).fit(TITLES).save(path)
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[:-100], whole[:500] + bytes([whole[500] ^ 255]) + whole[501:]):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"a\.npz is not a readable minirec extractor; it is damaged or foreign"):
            TfidfLSA.load(path)


@pytest.mark.parametrize(
    "named",
    [
        {"components": 0},
        {"min_things": 0},
        {"max_terms": 0},
        {"character_weight": -1},
        {"character_weight": float("nan")},
        {"characters": (1, 3)},
    ],
)
def test_bad_parameters(named):
    with pytest.raises(ParameterError):
        TfidfLSA(**named)
