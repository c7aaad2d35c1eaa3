"""The words of the page of an audit. English texts are the keys; `audit_words_zh` has the Chinese ones."""

from __future__ import annotations

import re
from typing import Any

from ..errors import ParameterError
from .audit_words_zh import PATTERNS_ZH, ZH

LANGUAGES = ("en", "zh")
QUALITY = {
    "duplicate_events": "Events that repeat user, item and time of another",
    "events_of_the_busiest_user": "Events of the busiest user",
    "twin_items": "Items with a twin: another item that the same users have",
    "listed_users_without_events": "Users with a list and without events",
    "event_users_without_list": "Users with events and without a list",
    "catalogue_without_events": "Items of the catalogue without events",
    "identical_lists": "Users who got the list that most users got",
    "test_pairs_known_before": "Test pairs of user and item that stand in the events, too",
    "test_pairs_whose_twin_was_known": "Test pairs whose item has a twin that the user had in the events",
    "lists_that_hold_every_test_item_first": "Lists that begin with all test items of their user (three or more)",
    "test_events_before_the_last_event": "Test events older than the last event",
    "lists_made_after_the_first_test_event": "Lists made after the first test event",
    "catalogue_without_recent_events": "Items of the catalogue without an event in the last fifth of the time",
    "places_without_recent_events": "Places that hold such an item",
}
VARIANTS = {
    "k": "the first {value} places",
    "exposure": "worth of places: {value}",
    "halves of the users": "the two halves of the users beside each other",
}
REFERENCES = (
    ("Regulation (EU) 2022/2065 (DSA), Art. 27", "Main parameters of a recommender system in plain language",
     "Main parameters, in words"),
    ("DSA, Art. 34", "Assessment of systemic risks, design of recommender systems among their causes",
     "Criteria on groups of users, items and providers; exposure and concentration; main parameters"),
    ("DSA, Art. 37", "Independent audit: report with findings, method, evidence, opinion",
     "What was found; Each criterion with its evidence; Method; Signature"),
    ("DSA, Art. 38", "An option that is not based on profiling",
     "Beside lists that look at no profile"),
    ("Delegated Regulation (EU) 2024/436", "Audit criteria", "The plan, hashed before any data was read; thresholds and reasons"),
    ("Delegated Regulation (EU) 2024/436", "Audit evidence", "Each criterion with its evidence; SHA-256 of every input"),
    ("Delegated Regulation (EU) 2024/436", "Reasonable level of assurance",
     "Intervals, correction over the criteria, and the verdict “cannot tell”"),
    ("Delegated Regulation (EU) 2024/436", "Materiality threshold", "The threshold of each criterion with its reason"),
    ("Delegated Regulation (EU) 2024/436", "Audit methodologies", "Method, and all figures; Does it hang on a choice?"),
    ("Delegated Regulation (EU) 2024/436", "Changes to the audit", "Deviations from the plan"),
    ("Delegated Regulation (EU) 2024/436", "Conclusions", "What was found; What was not looked at, and limits"),
    ("NIST AI RMF 1.0, MEASURE", "Metrics chosen, tests documented, limits and fairness evaluated (2.1, 2.3, 2.9, 2.11)",
     "The plan; Each criterion with its evidence; limits; main parameters"),
    ("ISO/IEC 42001:2023, A.6.2.4", "Verification and validation of an AI system: criteria, measures, evidence",
     "The plan; Each criterion with its evidence; Is the data fit for an audit?"),
)  # fmt: skip


class Say:
    """Looks up a text in one language and fills it in."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.code = {"en": "en", "zh": "zh-Hans"}[language]

    def __call__(self, text: str, **values: Any) -> str:
        """The text of a key; a text that is no key, such as a name of the user's own, stays as it is."""
        found = ZH.get(text, text) if self.language == "zh" else text
        return found.format(**values) if values else found

    def sentence(self, text: str) -> str:
        """A sentence of the record that may have numbers and names in it."""
        if self.language == "zh":
            for pattern, wording in PATTERNS_ZH:
                if match := re.fullmatch(pattern, text):
                    return wording.format(*[self(group) for group in match.groups()])
        return self(text)


def speaker(language: str) -> Say:
    """The words of a language; ParameterError for one that there is none of."""
    if language not in LANGUAGES:
        raise ParameterError(f"language is one of {', '.join(LANGUAGES)}, got {language!r}")
    return Say(language)
