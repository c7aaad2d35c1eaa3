"""The measures that a criterion can name: what each says, what it needs, and over what its interval is drawn."""

from __future__ import annotations

from typing import NamedTuple

COMPARISONS = ("value", "difference", "ratio")
OVER = ("users", "items", "both", "providers", "none")
USERS, ITEMS = ("users", "none"), ("users", "items", "both", "providers", "none")


class Measure(NamedTuple):
    """title, words : for people. kind : "user" (a mean over users), "exposure" (of all items), "share" (of groups of items), "fact".

    needs : "test", "time". low, high : the bounds of its value. better : "lower" or "higher", "" where neither is.
    grouped : groups have values of their own.
    resampling : what can be drawn anew; the first fitting one is the default, `over`.
    """

    title: str
    words: str
    kind: str
    better: str
    needs: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    grouped: bool = False
    resampling: tuple[str, ...] = USERS

    @property
    def over(self) -> str:
        """The default of what is drawn anew."""
        return "both" if "both" in self.resampling else self.resampling[0]

    @property
    def by_items(self) -> bool:
        """Whether its groups are groups of items (else of users)."""
        return self.kind == "share"


_INF = float("inf")


def _user(title: str, words: str, better: str, needs: tuple[str, ...] = (), low: float = 0.0, high: float = 1.0) -> Measure:
    return Measure(title, words, "user", better, needs, low, high, grouped=True)


MEASURES: dict[str, Measure] = {
    "ndcg": _user("NDCG", "How high the test items stand in a list: 1 is a perfect list, 0 holds none of them.", "higher", ("test",)),
    "recall": _user("Recall", "Share of a user's test items that stand in the list.", "higher", ("test",)),
    "precision": _user("Precision", "Share of the k places of a list that hold a test item of the user.", "higher", ("test",)),
    "hitrate": _user("Hit rate", "Share of users whose list holds at least one of their test items.", "higher", ("test",)),
    "map": _user("Average precision", "Precision averaged over the places of the test items.", "higher", ("test",)),
    "mrr": _user("Reciprocal rank", "One over the place of the first test item in the list; 0 where there is none.", "higher", ("test",)),
    "popularity_lift": _user(
        "Popularity lift", "How much more popular the listed items are than those that the users had: 0 is equally popular, 1 twice as "
        "popular (Abdollahpouri et al. 2020).", "", low=-1.0, high=_INF,
    ),
    "tail_share": _user("Tail in lists", "Share of a list that comes from outside the 20 % most popular items (APLT).", ""),
    "upd": _user(
        "Popularity deviation", "How far the mix of head, middle and tail in a list is from that of the user's own items: 0 the same, 1 "
        "disjoint (UPD, Abdollahpouri et al. 2021).", "lower",
    ),
    "novelty": _user("Novelty", "Mean surprise of the listed items in bits, -log2 of their share of the events.", "", high=_INF),
    "seen_share": _user("Known items in lists", "Share of a list that the user had in the events already.", "lower"),
    "fill": _user("Filled places", "Share of the k places of a list that hold an item.", "higher"),
    "unlinked": _user(
        "Lists without a link to their user", "Estimated share of lists that have no more to do with the user's own items than a random "
        "list has.", "lower",
    ),
    "stale_share": _user(
        "Items out of use in lists", "Share of a list whose items had no event in the last fifth of the time of the events.", "lower",
        ("time",),
    ),
    "new_ratio": _user(
        "New items in lists", "Share of the places that go to items first seen in the last fifth of the time, over their share of the "
        "events in that time: 1 is as often, 0 never.", "higher", ("time",), high=_INF,
    ),
    "gini": Measure(
        "Gini index of exposure", "How unevenly exposure falls on the items of the catalogue: 0 all alike, 1 all on one.", "exposure",
        "lower", resampling=ITEMS,
    ),
    "entropy": Measure(
        "Entropy of exposure", "How evenly exposure falls on the catalogue, as a share of the most even one: 1 all alike.", "exposure",
        "higher", resampling=ITEMS,
    ),
    "jain": Measure(
        "Jain index of exposure", "(sum of exposures)^2 over n times the sum of their squares: 1 all alike, 1/n all on one.", "exposure",
        "higher", resampling=ITEMS,
    ),
    "coverage": Measure(
        "Coverage", "Share of the catalogue that stands in the list of at least one user.", "exposure", "higher", resampling=ITEMS
    ),
    "parity": Measure(
        "Exposure an item", "Exposure of a group of items over its number of items, as a multiple of that of all items (demographic "
        "parity, Singh and Joachims 2018).", "share", "", high=_INF, grouped=True, resampling=ITEMS,
    ),
    "treatment": Measure(
        "Exposure for merit", "Exposure of a group of items over its share of the events that the lists are judged by, the test events "
        "where there are some, as a multiple of that of all (disparate treatment, Singh and Joachims 2018).", "share", "", high=_INF,
        grouped=True, resampling=ITEMS,
    ),
    "impact": Measure(
        "Hits for merit", "Exposure of the hits of a group of items over its share of the test events, as a multiple of that of all "
        "(disparate impact, Singh and Joachims 2018).", "share", "", ("test",), high=_INF, grouped=True, resampling=ITEMS,
    ),
    "share": Measure("Share of exposure", "Share of all exposure that goes to a group.", "share", "", grouped=True, resampling=ITEMS),
    "repeats": Measure("Repeated places", "Share of the places that repeat an item of the list.", "fact", "lower", resampling=("none",)),
    "unknown_items": Measure(
        "Items without events", "Share of the places that hold an item without any event.", "fact", "lower", resampling=("none",)
    ),
    "leaks": Measure(
        "Test events known before", "Share of the test pairs judged by that stand in the events, too.", "fact", "lower", ("test",),
        resampling=("none",),
    ),
}  # fmt: skip
