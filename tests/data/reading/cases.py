"""What a case of the table of sources is: a file (or columns in memory), how it is read, and the exact data set or error."""

from typing import Any, NamedTuple


class Case(NamedTuple):
    """content : bytes or text of a file called `name`, or {name: content} for a folder of which `name` is read, or columns of a table.
    rows : the events, (user, item), with weight and time where the data set has them; a text: the words of the error.
    unit : of the times. removed : {reason: count} of all entries of the account. notes : words that the notes hold; quiet : words that
    they do not. features : of the items, {name: {id: value}}; user_features likewise."""

    content: Any
    rows: Any
    settings: dict[str, Any] = {}
    name: str = "events.csv"
    unit: str = "s"
    kinds: tuple[str, ...] | None = None
    removed: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    features: dict[str, dict[Any, Any]] = {}
    user_features: dict[str, dict[Any, Any]] = {}
    warns: str = ""


def csv(*lines: str, end: str = "\n") -> str:
    """Lines of a delimited file."""
    return end.join(lines) + end
