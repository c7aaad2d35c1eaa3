"""Which column is what: by name, by position, or by a guess that is reported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from ...errors import DataError, ParameterError
from ..account import Account

Pick: TypeAlias = str | int | Literal[False] | None
MAX_COLUMNS = 4096

# Commonest first: of two columns that fit, the earlier name wins. Compared without case and punctuation.
GUESSES = {
    role: tuple(names.split())
    for role, names in {
        "user": """user userid uid customer customerid household householdid visitor visitorid client clientid member memberid account
            accountid person personid reviewer reviewerid buyer buyerid profile profileid username userno usersha1 u""",
        "item": """item itemid iid product productid sku movie movieid artist artistid book bookid isbn song songid track trackid article
            articleid asin parentasin stockcode video videoid game gameid anime animeid recipe recipeid business businessid content
            contentid news newsid listing listingid i""",
        "time": """timestamp time ts datetime transactiontimestamp eventtime date invoicedate orderdate purchasedate createdat unixtime
            unixreviewtime transactiondate visitedat t""",
        "weight": "weight rating score stars quantity qty count plays playcount listens overall value w",
        "kind": "kind event eventtype behavior behaviour behaviortype action actiontype",
    }.items()
}


def plain(name: str) -> str:
    """A column name without case, punctuation and blanks: `//userID` -> `userid`."""
    return re.sub(r"[^0-9a-z]+", "", name.lower())


def resolve(
    names: Sequence[str],
    picks: dict[str, Pick],
    source: str,
    account: Account,
    sample: Sequence[Sequence[str | None]] = (),
    header: bool = True,
) -> dict[str, int]:
    """The position of each role's column. User and item are needed; the other roles are left out where nothing fits.

    A pick is a name, a position from 0, False (do not use such a column) or None (guess). Guesses go by the column name; without
    a header the order is user, item, weight, time. What was guessed is noted in the account.
    """
    chosen = {role: position(names, pick, source, role) for role, pick in picks.items() if pick is not None and pick is not False}
    guessed = {role: at for role, at in _guess(names, sample, header, set(chosen.values())).items() if picks.get(role) is None}
    for role in ("user", "item"):
        if role not in chosen and role not in guessed:
            raise DataError(f"{source}: cannot tell which column is the {role}; pass {role}=. {_listing(names)}")
    for role, at in guessed.items():
        if role not in chosen:
            chosen[role] = at
            account.note(f"{role}: guessed to be column {names[at]!r}")
    if chosen["user"] == chosen["item"]:
        raise DataError(f"{source}: user and item are both column {names[chosen['user']]!r}")
    return chosen


def position(names: Sequence[str], pick: str | int, source: str, what: str) -> int:
    """The position of one column, by exact name, by its name without case and punctuation, or by position."""
    if isinstance(pick, bool) or not isinstance(pick, (str, int)):
        raise ParameterError(f"{what}: a column is given by name or by position from 0, got {pick!r}")
    if isinstance(pick, int):
        if not 0 <= pick < len(names):
            raise DataError(f"{source}: there is no column {pick} for {what}. {_listing(names)}")
        return pick
    if pick in names:
        return list(names).index(pick)
    alike = [at for at, name in enumerate(names) if plain(name) == plain(pick)]
    if len(alike) != 1:
        raise DataError(f"{source}: there is no column {pick!r} for {what}. {_listing(names)}")
    return alike[0]


def refuse_wide(count: int, source: str) -> None:
    """An event log has a handful of columns; a header of thousands is a matrix, and would be read forever."""
    if count > MAX_COLUMNS:
        raise DataError(f"{source}: {count:,} columns; at most {MAX_COLUMNS:,} are read. One row an event is needed, not a matrix")


def _guess(names: Sequence[str], sample: Sequence[Sequence[str | None]], header: bool, taken: set[int]) -> dict[str, int]:
    if not header:
        order = ["user", "item", "weight", "time"]
        if len(names) == 3 and sample and all(_looks_like_time(row[2]) for row in sample):
            order = ["user", "item", "time"]
        return {role: at for at, role in enumerate(order[: len(names)]) if at not in taken}
    simple = [plain(name) for name in names]
    found: dict[str, int] = {}
    for role, candidates in GUESSES.items():
        for candidate in candidates:
            if candidate in simple and simple.index(candidate) not in taken:
                found[role] = simple.index(candidate)
                taken = taken | {found[role]}
                break
    return found


def _looks_like_time(text: str | None) -> bool:
    return bool(text) and re.fullmatch(r"\d{9,}(\.\d+)?|\d{4}-\d\d.*", str(text)) is not None


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:30])
    return f"The columns are: {shown}{', ...' if len(names) > 30 else ''}"
