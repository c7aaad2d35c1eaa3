"""A text encoder of the BERT family written out in float64, one text at a time; and a tiny random one as a folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from minirec.features.safetensors import write_safetensors

WORDS = [
    "red", "blue", "green", "nail", "polish", "lip", "balm", "hair", "oil", "face", "cream", "soap", "dry", "rose", "mint", "5", "ml",
    ".", ",", "!", "##s", "##ing", "##ed",
]  # fmt: skip
LETTERS = [chr(letter) for letter in range(ord("a"), ord("s"))]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, "\u05d0", "\u6c34"]
D, HEADS, INNER, LAYERS, PLACES = 32, 4, 64, 2, 24


def arrays(seed: int = 0, prefix: str = "", places: int = PLACES) -> dict[str, np.ndarray]:
    """Random weights under the names of BERT."""
    rng = np.random.default_rng(seed)

    def matrix(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / math.sqrt(shape[-1])).astype(np.float32)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.LayerNorm.weight": 1 + 0.2 * matrix(D), f"{name}.LayerNorm.bias": 0.2 * matrix(D)}

    out = {
        "embeddings.word_embeddings.weight": matrix(len(VOCABULARY), D),
        "embeddings.position_embeddings.weight": matrix(places, D),
        "embeddings.token_type_embeddings.weight": matrix(2, D),
        "pooler.dense.weight": matrix(D, D),
        **norm("embeddings"),
    }
    for number in range(LAYERS):
        own = f"encoder.layer.{number}."
        for name, shape in (
            ("attention.self.query", (D, D)),
            ("attention.self.key", (D, D)),
            ("attention.self.value", (D, D)),
            ("attention.output.dense", (D, D)),
            ("intermediate.dense", (INNER, D)),
            ("output.dense", (D, INNER)),
        ):
            out |= {f"{own}{name}.weight": 2 * matrix(*shape), f"{own}{name}.bias": matrix(shape[0])}
        out |= norm(f"{own}attention.output") | norm(f"{own}output")
    return {prefix + name: value for name, value in out.items()}


def folder(path: Path, weights: dict[str, np.ndarray] | None = None, *, pooling: str = "mean", normalize: bool = True, **config) -> Path:
    """A folder as sentence-transformers writes it."""
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * normalize
    files = {
        "config.json": {
            "model_type": "bert", "hidden_size": D, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "intermediate_size": INNER,
            "max_position_embeddings": PLACES, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "pad_token_id": 0,
        } | config,
        "modules.json": [
            {"idx": at, "path": "1_Pooling" if kind == "Pooling" else "", "type": f"sentence_transformers.models.{kind}"}
            for at, kind in enumerate(kinds)
        ],
        "1_Pooling/config.json": {"pooling_mode_mean_tokens": pooling == "mean", "pooling_mode_cls_token": pooling == "cls"},
        "sentence_bert_config.json": {"max_seq_length": 16, "do_lower_case": False},
    }  # fmt: skip
    for name, held in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(json.dumps(held), "utf-8")
    (path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", "utf-8")
    write_safetensors(path / "model.safetensors", arrays() if weights is None else weights)
    return path


def encode(weights: dict[str, np.ndarray], tokens: list[int], pooling: str = "mean", epsilon: float = 1e-5, first: int = 0) -> np.ndarray:
    """The vector of one text, not normalised, in float64."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        unit = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + epsilon)
        return unit * w[f"{name}.LayerNorm.weight"] + w[f"{name}.LayerNorm.bias"]

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def gelu(x: np.ndarray) -> np.ndarray:
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    at = first + np.arange(len(tokens))
    x = w["embeddings.word_embeddings.weight"][tokens] + w["embeddings.position_embeddings.weight"][at]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings")
    for number in range(LAYERS):
        own = f"encoder.layer.{number}."
        q, k, v = (dense(x, f"{own}attention.self.{name}") for name in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for h in range(HEADS):
            part = slice(h * D // HEADS, (h + 1) * D // HEADS)
            scores = q[:, part] @ k[:, part].T / math.sqrt(D // HEADS)
            p = np.exp(scores - scores.max(1, keepdims=True))
            mixed[:, part] = p / p.sum(1, keepdims=True) @ v[:, part]
        x = norm(x + dense(mixed, f"{own}attention.output.dense"), f"{own}attention.output")
        x = norm(x + dense(gelu(dense(x, f"{own}intermediate.dense")), f"{own}output.dense"), f"{own}output")
    return x[0] if pooling == "cls" else x.mean(0)
