"""The words of the page, one JSON file a language. Numbers come in by name, as texts."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from ..errors import ParameterError

LANGUAGES = ("en", "zh")


class Words:
    """The words of a language: `words("users", users="12")`."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ParameterError(f"lang must be one of {', '.join(LANGUAGES)}, got {language!r}")
        self.language = language
        self._texts: dict[str, str] = json.loads(files(__package__).joinpath(f"words.{language}.json").read_text(encoding="utf-8"))

    def __call__(self, key: str, **values: Any) -> str:
        return self._texts[key].format(**values)
