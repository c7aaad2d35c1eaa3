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


_TYPED = re.compile(r".+:(token|token_seq|float|float_seq)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d.*|\d{4}/\d\d?/\d\d?.*|\d\d?[/.]\d\d?[/.]\d{2,4}.*|.*\d:\d\d.*")
_EPOCH = re.compile(r"\d{9,19}(\.\d+)?")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def plain(name: str) -> str:
    """A column name without case, punctuation and blanks: `//userID` -> `userid`."""
    return re.sub(r"[^0-9a-z]+", "", name.lower())


def untyped(names: list[str]) -> list[str]:
    """Column names without the types of RecBole's atomic files (`user_id:token` -> `user_id`), where every name has one."""
    return [name.rsplit(":", 1)[0] for name in names] if names and all(map(_TYPED.fullmatch, names)) else names


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
    a header the order is user, item, weight, time, and only where no column is picked. What was guessed is noted in the account, and
    so are columns that look like a time or a weight and were not taken.
    """
    chosen = {role: position(names, pick, source, role) for role, pick in picks.items() if pick is not None and pick is not False}
    by_name = bool(chosen)
    guessed = _by_name(names, set(chosen.values())) if header else {} if by_name else _by_place(names, sample)
    guessed = {role: at for role, at in guessed.items() if picks.get(role) is None}
    for role in ("user", "item"):
        if role not in chosen and role not in guessed:
            raise DataError(f"{source}: cannot tell which column is the {role}; pass {role}=. {_listing(names)}")
    for role, at in guessed.items():
        chosen[role] = at
        account.note(f"{role}: guessed to be column {names[at]!r}")
    if chosen["user"] == chosen["item"]:
        raise DataError(f"{source}: user and item are both column {names[chosen['user']]!r}")
    for at, name in enumerate(names):
        if at not in chosen.values():
            for role in _looks_like(name if header else "", [row[at] for row in sample if at < len(row)]):
                if picks.get(role) is None and (header or role not in chosen):
                    account.note(f"column {name!r} looks like a {role} and was not taken; pass {role}= if it is one")
    return chosen


def position(names: Sequence[str], pick: str | int, source: str, what: str) -> int:
    """The position of one column, by exact name, by its name without case and punctuation, or by position."""
    if isinstance(pick, bool) or not isinstance(pick, (str, int)):
        raise ParameterError(f"{what}: a column is given by name or by position from 0, got {pick!r}")
    if isinstance(pick, int):
        if not 0 <= pick < len(names):
            raise DataError(f"{source}: there is no column {pick} for {what}. {_listing(names)}")
        return pick
    if list(names).count(pick) > 1:
        raise DataError(f"{source}: there are {list(names).count(pick)} columns named {pick!r}; pass {what}= by position from 0")
    if pick in names:
        return list(names).index(pick)
    wanted = untyped([pick])[0]
    alike = [at for at, name in enumerate(names) if plain(name) == plain(wanted)]
    if len(alike) != 1:
        raise DataError(f"{source}: there is no column {pick!r} for {what}. {_listing(names)}")
    return alike[0]


def refuse_wide(count: int, source: str) -> None:
    """An event log has a handful of columns; a header of thousands is a matrix, and would be read forever."""
    if count > MAX_COLUMNS:
        raise DataError(f"{source}: {count:,} columns; at most {MAX_COLUMNS:,} are read. One row an event is needed, not a matrix")


def _by_name(names: Sequence[str], taken: set[int]) -> dict[str, int]:
    """Roles by column name; of a field within an object (`event.item_id`) by its full name, else by its last part."""
    found: dict[str, int] = {}
    for simple in ([plain(name) for name in names], [plain(name.rsplit(".", 1)[-1]) if "." in name else "" for name in names]):
        for role, candidates in GUESSES.items():
            hits = (simple.index(candidate) for candidate in candidates if candidate in simple)
            at = None if role in found else next((hit for hit in hits if hit not in taken), None)
            if at is not None:
                found[role] = at
                taken = taken | {at}
    return found


def _by_place(names: Sequence[str], sample: Sequence[Sequence[str | None]]) -> dict[str, int]:
    """Roles by place: the user, the item, then a weight and a time. Dates and coordinates are no items and no weights."""
    columns = [[str(row[at]).strip() for row in sample if row[at]] for at in range(len(names))]
    dates = [_all(column, _DATE) or _all(column, _EPOCH) for column in columns]
    written = [_all(column, _DATE) for column in columns]
    places = _coordinates(columns)
    found = {"user": 0} if names else {}
    item = next((at for at in range(1, len(names)) if not written[at] and at not in places), None)
    if item is not None:
        found["item"] = item
    for at in range(1, len(names)):
        if at == item or at in places or not columns[at]:
            continue
        if dates[at] and "time" not in found:
            found["time"] = at
        elif not dates[at] and "weight" not in found and _any(columns[at], _NUMBER):
            found["weight"] = at
        elif "weight" in found and "time" not in found and _all(columns[at], _NUMBER):
            found["time"] = at
    return found


def _coordinates(columns: list[list[str]]) -> set[int]:
    """The columns of latitude and longitude: two side by side, of decimals within 180 with four places or more."""

    def geographic(column: list[str]) -> bool:
        fine = [text for text in column if _DECIMAL.fullmatch(text) and len(text.split(".")[1]) >= 4 and abs(float(text)) <= 180]
        return bool(column) and len(fine) > 0.8 * len(column)

    pairs = [at for at in range(len(columns) - 1) if geographic(columns[at]) and geographic(columns[at + 1])]
    return {at + step for at in pairs for step in (0, 1)}


def _looks_like(name: str, column: Sequence[str | None]) -> list[str]:
    """The roles, of time and weight, that a column seems to have by its name or its values."""
    texts = [str(text).strip() for text in column if text]
    found = [role for role in ("time", "weight") if plain(name) in GUESSES[role]]
    if found or name:
        return found or (["time"] if _all(texts, _DATE) else [])
    return ["time"] if _all(texts, _DATE) or _all(texts, _EPOCH) else ["weight"] if _all(texts, _NUMBER) else []


def _all(texts: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return bool(texts) and all(map(pattern.fullmatch, texts))


def _any(texts: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return any(map(pattern.fullmatch, texts))


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:30])
    return f"The columns are: {shown}{', ...' if len(names) > 30 else ''}"
