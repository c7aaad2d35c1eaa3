"""Parts of the page of an audit: tables of groups, data, quality, comparison, robustness, probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .audit_words import QUALITY, VARIANTS, Say

_SHOWN_GROUPS = 12


def amount(value: float | int | None) -> str:
    """A number as people read it: four digits that matter, whole numbers with commas."""
    if value is None:
        return "\u2013"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1):
        return f"{int(value):,}"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 3 if abs(value) >= 0.1 else 4
    return f"{value:.{digits}f}" if abs(value) >= 0.001 else f"{value:.2g}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[int] = ()) -> str:
    """A table; the cells are HTML already."""
    right = [' class="num"' if at in numeric else "" for at in range(len(heads))]
    head = "".join(f"<th{side}>{escape(text)}</th>" for side, text in zip(right, heads, strict=True))
    lines = ("".join(f"<td{side}>{cell}</td>" for side, cell in zip(right, row, strict=True)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def groups_table(finding: Mapping[str, Any], say: Say) -> str:
    """The values of the groups of a criterion; of many the lowest and the highest."""
    groups = [group for group in finding["groups"] if group["value"] is not None]
    if not groups:
        return ""
    left = 0
    if len(groups) > _SHOWN_GROUPS:
        ordered = sorted(groups, key=lambda group: group["value"])
        left = len(groups) - _SHOWN_GROUPS
        groups = ordered[: _SHOWN_GROUPS // 2] + ordered[-_SHOWN_GROUPS // 2 :]
    rows = []
    for group in groups:
        small = f' <span class="warn">{escape(say("few, not compared"))}</span>' if group["small"] else ""
        ends = "" if group["low"] is None else f"{amount(group['low'])} \u2013 {amount(group['high'])}"
        rows.append([escape(say(group["name"])) + small, amount(group["n"]), amount(group["value"]), ends])
    more = f'<p class="note">{escape(say("{n} groups between these are not shown.", n=left))}</p>' if left else ""
    return table([say("Group"), say("n"), say("Value"), say("Interval")], rows, numeric=(1, 2, 3)) + more


def data_section(record: Mapping[str, Any], say: Say) -> str:
    """What was read, and what of it could not be used."""
    parts = []
    for role, account in record["data"]["accounts"].items():
        lines = []
        if account["events_in"] is not None:
            lines.append(
                say("{n} rows read, {m} used.", n=amount(account["events_in"]), m=amount(account["events_out"]))
                if account["events_out"] is not None
                else say("{n} rows read.", n=amount(account["events_in"]))
            )
        lines += [f"{entry['action']}: {entry['reason']} ({amount(entry['count'])})" for entry in account["entries"]]
        lines += account["notes"]
        if lines:
            parts.append(f"<h3>{escape(say(role))}</h3><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>")
    groups = []
    for side, title in (("user_groups", "Groups of users"), ("item_groups", "Groups of items")):
        for key, sizes in record["data"][side].items():
            shown = list(sizes.items())[:20]
            text = ", ".join(f"{say(name)} {amount(size)}" for name, size in shown) + (", …" if len(sizes) > len(shown) else "")
            groups.append([escape(say(title)), escape(say(key)), escape(text)])
    return (
        f"<section>\n<h2>{escape(say('What was read'))}</h2>\n{''.join(parts)}\n"
        f"{table([say('Kind'), say('By'), say('Groups and their sizes')], groups)}\n</section>"
    )


def quality_section(record: Mapping[str, Any], say: Say) -> str:
    """Data quality: duplicates, twins, leaks, stale items."""
    quality = record["quality"]
    if quality is None:
        return ""
    rows = []
    for check in quality["checks"]:
        words = QUALITY.get(check["id"], check["id"])
        rows.append([escape(say(words)), amount(check["count"]), amount(check["of"]), f"{100 * check['share']:.2f} %"])
    twins = ""
    if quality["examples"]:
        pairs = "; ".join(
            say("{a} and {b} ({n} users, {share} % the same)", a=entry["first"], b=entry["second"], n=amount(entry["users"]),
                share=f"{100 * entry['overlap']:.0f}")
            for entry in quality["examples"]
        )  # fmt: skip
        twins = f'<p class="note">{escape(say("Twins with most users:"))} {escape(pairs)}.</p>'
    return (
        f"<section>\n<h2>{escape(say('Is the data fit for an audit?'))}</h2>\n"
        f"{table([say('Check'), say('Found'), say('Of'), say('Share')], rows, numeric=(1, 2, 3))}\n{twins}\n</section>"
    )


def comparison_section(record: Mapping[str, Any], say: Say) -> str:
    """The audited lists beside baselines and models."""
    found = record["comparison"]
    if found is None or len(found["rows"]) < 2:
        return ""
    names = list(found["rows"][0]["values"])
    titles = {entry["metric"]: entry["title"] for entry in record["figures"]}
    rows = []
    for row in found["rows"]:
        label = say("the audited lists") if not row["name"] else say(row["name"])
        kind = "" if not row["name"] or row["profiling"] else f' <span class="interval">{escape(say("looks at no profile"))}</span>'
        cells = [f"{escape(label)}{kind}"]
        for name in names:
            value = row["values"][name]
            text = amount(value["value"])
            if value.get("difference") is not None:
                text += f'<span class="interval">{amount(value["difference_low"])} \u2013 {amount(value["difference_high"])}</span>'
            cells.append(text)
        cells += [f"{100 * row['coverage']:.1f} %", "\u2013" if row["overlap"] is None else f"{100 * row['overlap']:.0f} %"]
        rows.append(cells)
    heads = [say("Lists"), *[say(titles.get(name, name)) for name in names], say("Coverage"), say("Shared with the audited lists")]
    note = say(
        "Over {users} users. Below each figure: the interval of how much higher the audited lists are; where it holds 0, no difference is "
        "shown.",
        users=amount(found["users"]),
    )
    return (
        f"<section>\n<h2>{escape(say('Beside lists that look at no profile, and other methods'))}</h2>\n"
        f'{table(heads, rows, numeric=range(1, len(heads)))}\n<p class="note">{escape(note)}</p>\n</section>'
    )


def robustness_section(record: Mapping[str, Any], say: Say) -> str:
    """Which findings would change sides under another choice."""
    variants = record["robustness"]
    if not variants:
        return ""
    moved = [variant for variant in variants if variant["moved"]]
    names = list(dict.fromkeys(variant["variant"] for variant in variants))
    lead = say(
        "Each criterion was looked at again under {n} other choices ({names}), on a part of the users. In {moved} of {all} cases the "
        "figure lies on the other side of its threshold.",
        n=len(names), names=", ".join(_variant(name, say) for name in names), moved=len(moved), all=len(variants),
    )  # fmt: skip
    rows = [
        [f"<code>{escape(v['criterion'])}</code>", escape(_variant(v["variant"], say)), amount(v["base"]), amount(v["value"])]
        for v in moved
    ]
    shown = table([say("Criterion"), say("Choice"), say("Before"), say("Then")], rows, numeric=(2, 3)) if rows else ""
    return f"<section>\n<h2>{escape(say('Does it hang on a choice?'))}</h2>\n<p>{escape(lead)}</p>\n{shown}\n</section>"


def _variant(name: str, say: Say) -> str:
    key, _, value = name.partition("=")
    return say(VARIANTS.get(key, key), value=say(value))


def probes_section(record: Mapping[str, Any], say: Say) -> str:
    """What a system answered to changed histories."""
    found = record["probes"]
    if found is None or not found["probes"]:
        return ""
    rows = [
        [
            escape(say(probe["id"])),
            escape(say(probe["words"])),
            amount(probe["value"]),
            f"{amount(probe['low'])} \u2013 {amount(probe['high'])}",
            amount(probe["n"]),
        ]
        for probe in found["probes"]
    ]  # fmt: skip
    heads = [say("Probe"), say("What it says"), say("Value"), say("Interval"), say("Trials")]
    note = say("{n} requests were made.", n=amount(found["requests"]))
    return (
        f"<section>\n<h2>{escape(say('How the system answers to changed histories'))}</h2>\n{table(heads, rows, numeric=(2, 3, 4))}\n"
        f'<p class="note">{escape(note)}</p>\n</section>'
    )
