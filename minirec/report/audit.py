"""The page of an audit: the record in, one self-contained HTML text out, for a reader of law and for one of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from .audit_charts import interval_chart, legend, share_bar
from .audit_parts import amount, comparison_section, data_section, groups_table, probes_section, quality_section, robustness_section, table
from .audit_words import REFERENCES, Say, speaker

VERDICTS = ("fail", "cannot tell", "pass")  # what needs attention first
_CLASS = {"pass": "pass", "fail": "fail", "cannot tell": "cannot"}


def render_audit(record: Mapping[str, Any], language: str = "en", audit_sha256: str = "") -> str:
    """The page as HTML: no script, no outside resource, printable; `language` is "en" or "zh".

    audit_sha256 : of `audit.json`, for the signature block. The same record gives the same text.
    """
    say = speaker(language)
    title = say("Audit of {name}", name=record["system"].get("name") or say("a recommender"))
    body = [
        _head(record, title, say),
        _summary(record, say),
        _not_measured(record, say),
        _findings(record, say),
        quality_section(record, say),
        comparison_section(record, say),
        robustness_section(record, say),
        _parameters(record, say),
        probes_section(record, say),
        data_section(record, say),
        _method(record, say),
        _references(say),
        _signature(record, say, audit_sha256),
    ]
    style = files(__package__).joinpath("audit.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="{escape(say.code)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(record: Mapping[str, Any], title: str, say: Say) -> str:
    facts = [
        (say(label), str(record["system"].get(key)))
        for key, label in (("operator", "Operator"), ("purpose", "Purpose"), ("scope", "Scope"), ("auditor", "Auditor"), ("date", "Date"))
        if record["system"].get(key)
    ]
    facts.append((say("Plan (SHA-256)"), record["plan"]["sha256"]))
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<header>\n<h1>{escape(title)}</h1>\n<dl class="facts">{rows}</dl>\n</header>'


def _summary(record: Mapping[str, Any], say: Say) -> str:
    count = record["verdicts"]
    total = sum(count.values())
    counts = record["data"]["counts"]
    lead = say(
        "{total} criteria were set before the data was read. {passed} are met, {failed} are not met, of {cannot} the data cannot tell.",
        total=total, passed=count["pass"], failed=count["fail"], cannot=count["cannot tell"],
    )  # fmt: skip
    what = say(
        "Audited were {places} recommendations in {users} lists, beside {events} events of users.",
        places=amount(counts["places"]), users=amount(counts["users"]), events=amount(counts["events"]),
    )  # fmt: skip
    level = f"{100 * record['plan']['settings']['level']:g}"
    how = say(
        "A verdict is given only where the {level} % interval of a figure lies wholly on one side of its threshold, after a correction for "
        "the number of criteria. Otherwise it is “cannot tell”.",
        level=level,
    )
    tiles = "".join(
        f'<li class="{_CLASS[verdict]}"><b>{count[verdict]}</b> {escape(say(verdict))}</li>' for verdict in ("pass", "fail", "cannot tell")
    )
    ordered = [finding for verdict in VERDICTS for finding in record["findings"] if finding["verdict"] == verdict]
    rows = []
    for finding in ordered:
        rows.append(
            f'<tr class="{_CLASS[finding["verdict"]]}"><td>{_badge(finding["verdict"], say)}</td>'
            f'<td><a href="#{escape(finding["id"])}">{escape(requirement(finding, say))}</a></td>'
            f'<td class="num">{_figure(finding, say)}</td><td class="num">{escape(_threshold(finding, say))}</td>'
            f"<td>{interval_chart(finding)}</td></tr>"
        )
    names = [say("Verdict"), say("What was required"), say("Found, with interval"), say("Threshold"), ""]
    heads = [f'<th class="num">{escape(name)}</th>' if at in (2, 3) else f"<th>{escape(name)}</th>" for at, name in enumerate(names)]
    return (
        f'<section class="summary">\n<h2>{escape(say("What was found"))}</h2>\n<p class="lead">{escape(lead)}</p>\n'
        f'<ul class="tiles">{tiles}</ul>\n<p>{escape(what)} {escape(how)}</p>\n{legend(say)}\n'
        f'<div class="scroll"><table class="verdicts"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n</section>"
    )


def _badge(verdict: str, say: Say) -> str:
    sign = {"pass": "✓", "fail": "✗", "cannot tell": "?"}[verdict]
    return f'<span class="badge {_CLASS[verdict]}">{sign} {escape(say(verdict))}</span>'


def requirement(finding: Mapping[str, Any], say: Say) -> str:
    """What a criterion asks for, as a phrase."""
    title = say(finding["title"])
    by = say(finding["by"])
    if finding["compare"] == "ratio":
        return say("{title}: ratio between groups by {by}", title=title, by=by)
    if finding["compare"] == "difference":
        return say("{title}: difference between groups by {by}", title=title, by=by)
    if finding["group"]:
        return say("{title}: {group} (by {by})", title=title, group=say(finding["group"]), by=by)
    if finding["by"]:
        return say("{title}: every group by {by}", title=title, by=by)
    return title


def _figure(finding: Mapping[str, Any], say: Say) -> str:
    if finding["value"] is None:
        return "\u2013"
    interval = ""
    if finding["low"] is not None and finding["high"] is not None:
        interval = f'<span class="interval">{amount(finding["low"])} \u2013 {amount(finding["high"])}</span>'
    return f"<b>{amount(finding['value'])}</b> {interval or _small(say('counted'))}"


def _small(text: str) -> str:
    return f'<span class="interval">{escape(text)}</span>'


def _threshold(finding: Mapping[str, Any], say: Say) -> str:
    return say("at most {x}" if finding["direction"] == "at most" else "at least {x}", x=f"{finding['threshold']:g}")


def _findings(record: Mapping[str, Any], say: Say) -> str:
    parts = [_finding(finding, record, say) for finding in record["findings"]]
    return f"<section>\n<h2>{escape(say('Each criterion with its evidence'))}</h2>\n{''.join(parts)}\n</section>"


def _finding(finding: Mapping[str, Any], record: Mapping[str, Any], say: Say) -> str:
    lines = [f"<p>{escape(say(finding['meaning']))}</p>", f"<p>{escape(_evidence(finding, record, say))}</p>"]
    if finding["reason"]:
        lines.append(
            f'<p class="reason">{escape(say("Reason for the threshold, from the plan:"))} {escape(say.sentence(finding["reason"]))}</p>'
        )
    groups = groups_table(finding, say)
    return (
        f'<article id="{escape(finding["id"])}" class="{_CLASS[finding["verdict"]]}">\n<h3>{_badge(finding["verdict"], say)} '
        f"{escape(requirement(finding, say))} <code>{escape(finding['id'])}</code></h3>\n{''.join(lines)}\n{groups}\n</article>\n"
    )


def _evidence(finding: Mapping[str, Any], record: Mapping[str, Any], say: Say) -> str:
    """The finding in full sentences: figure, interval, threshold, how sure."""
    wanted = _threshold(finding, say)
    if finding["value"] is None:
        return say("Wanted: {wanted}. There is no figure: {why}.", wanted=wanted, why=say.sentence(finding["why"]))
    value = amount(finding["value"])
    if finding["low"] is None:
        return say("Found: {value}, counted in the files. Wanted: {wanted}.", value=value, wanted=wanted)
    contrast = [say(name) for name in finding["contrast"]]
    level = f"{100 * record['plan']['settings']['level']:g}"
    text = [
        say("Found: {value}, with an interval from {low} to {high}. Wanted: {wanted}.", value=value, low=amount(finding["low"]),
            high=amount(finding["high"]), wanted=wanted)
    ]  # fmt: skip
    if len(contrast) == 2:
        text.append(
            say("It is the widest of {n} comparisons: {a} beside {b}.", n=finding["contrasts"], a=contrast[0], b=contrast[1])
            if finding["contrasts"] > 1
            else say("Compared are {a} and {b}.", a=contrast[0], b=contrast[1])
        )
    if finding["over_users"] and finding["over_items"]:
        text.append(
            say("With other users alone it would lie between {a} and {b}, with other items alone between {c} and {d}.",
                a=amount(finding["over_users"][0]), b=amount(finding["over_users"][1]), c=amount(finding["over_items"][0]),
                d=amount(finding["over_items"][1]))
        )  # fmt: skip
    p = finding["p_adjusted"]
    text.append(
        say("Chance of such a distance from the threshold if it were exactly met: {p} after correction (verdicts need at most {alpha}).",
            p="< 0.0001" if p < 1e-4 else f"{p:.4f}", alpha=f"{1 - record['plan']['settings']['level']:g}")
    )  # fmt: skip
    if finding["verdict"] == "cannot tell":
        text.append(say("More data, or a wider threshold, would be needed to tell at {level} %.", level=level))
    return " ".join(text)


def _not_measured(record: Mapping[str, Any], say: Say) -> str:
    none = f"<li>{escape(say('None.'))}</li>"
    entries = "".join(
        f"<li><b>{escape(say.sentence(entry['what']))}</b>: {escape(say.sentence(entry['why']))}</li>" for entry in record["not_measured"]
    )
    limits = "".join(f"<li>{escape(say(limit))}</li>" for limit in record["limits"])
    deviations = "".join(f"<li>{escape(say.sentence(text))}</li>" for text in record["deviations"]) or none
    return (
        f'<section class="gaps">\n<h2>{escape(say("What was not looked at, and limits"))}</h2>\n'
        f"<h3>{escape(say('Not measured'))}</h3><ul>{entries or none}</ul>\n"
        f"<h3>{escape(say('Deviations from the plan'))}</h3><ul>{deviations}</ul>\n"
        f"<h3>{escape(say('Limits of every figure here'))}</h3><ul>{limits}</ul>\n</section>"
    )


def _parameters(record: Mapping[str, Any], say: Say) -> str:
    found = record["parameters"]
    if found is None:
        return ""
    shares = sorted(found["shares"].items(), key=lambda pair: -pair[1])
    words = []
    for name, share in shares:
        direction = say("the more, the higher") if found["direction"][name] > 0 else say("the less, the higher")
        words.append((say(name), share, direction))
    sentence = say("Of the differences between what is recommended high, low and not at all, ")
    sentence += say(", ").join(say("{name} explains {share} %", name=name, share=f"{100 * share:.0f}") for name, share, _ in words)
    sentence += say("; {rest} % go back to something else.", rest=f"{100 * found['rest']:.0f}")
    bars = "".join(
        f"<tr><td>{escape(name)}</td><td>{share_bar(share)}</td><td class=num>{100 * share:.1f} %</td><td>{escape(direction)}</td></tr>"
        for name, share, direction in [*words, (say("something else"), found["rest"], "")]
    )
    note = say(
        "Worked out from {pairs} pairs of {users} users and items, listed and not listed. It tells what goes along with the choices of the "
        "system, not what its operator coded.",
        pairs=amount(found["pairs"]), users=amount(found["users"]),
    )  # fmt: skip
    return (
        f"<section>\n<h2>{escape(say('Main parameters, in words'))}</h2>\n<p>{escape(sentence)}</p>\n"
        f'<div class="scroll"><table><tbody>{bars}</tbody></table></div>\n<p class="note">{escape(note)}</p>\n</section>'
    )


def _method(record: Mapping[str, Any], say: Say) -> str:
    settings = record["plan"]["settings"]
    text = [
        say(
            "Every figure looks at the first {k} places of a list. Intervals come from {draws} draws in which every user, and every item "
            "or provider, counts a random number of times (Poisson bootstrap, seed {seed}); an interval is the figure plus and minus the "
            "standard deviation over the draws times the quantile of Student's t, ratios on a logarithmic scale.",
            k=settings["k"], draws=settings["draws"], seed=settings["seed"],
        ),
        say("Correction over the criteria: {name}.", name=say(settings["correction"])),
        say("Worth of a place: {name}.", name=say(settings["exposure"])),
        say(
            "A criterion between groups is met if every comparison meets it, and missed if one does, after a correction for their number. "
            "Groups of fewer than {users} users or {items} items are shown and not compared.",
            users=settings["smallest_group"], items=settings["smallest_item_group"],
        ),
    ]  # fmt: skip
    figures = [
        [escape(say(entry["title"])), escape(say(entry["by"])) if entry["by"] else "", escape(say(row["name"])), amount(row["n"]),
         amount(row["value"]), _ends(row.get("over_users")), _ends(row.get("over_items"))]
        for entry in record["figures"]
        for row in entry["groups"]
    ]  # fmt: skip
    heads = [say("Measure"), say("By"), say("Group"), say("n"), say("Value"), say("Interval over users"), say("Interval over items")]
    return (
        f"<section>\n<h2>{escape(say('Method, and all figures'))}</h2>\n{''.join(f'<p>{escape(line)}</p>' for line in text)}\n"
        f"<details><summary>{escape(say('All {n} figures', n=len(figures)))}</summary>{table(heads, figures, numeric=(3, 4, 5, 6))}"
        "</details>\n</section>"
    )


def _ends(ends: Sequence[float | None] | None) -> str:
    return "" if not ends else f"{amount(ends[0])} \u2013 {amount(ends[1])}"


def _references(say: Say) -> str:
    rows = [[escape(say(where)), escape(say(what)), escape(say(by))] for where, what, by in REFERENCES]
    note = say(
        "A reading aid: where this report addresses a point that a rule names. It is no statement that a rule applies, or is complied with."
    )
    heads = [say("Rule"), say("What it asks for"), say("Addressed by")]
    return (
        f'<section>\n<h2>{escape(say("Where this report addresses what rules ask for"))}</h2>\n<p class="note">{escape(note)}</p>\n'
        f"{table(heads, rows)}\n</section>"
    )


def _signature(record: Mapping[str, Any], say: Say, audit_sha256: str) -> str:
    rows = [[escape(say("Plan")), "plan.toml", f"<code>{escape(record['plan']['sha256'])}</code>"]]
    if audit_sha256:
        rows.append([escape(say("Record")), "audit.json", f"<code>{escape(audit_sha256)}</code>"])
    for entry in record["inputs"]:
        name = escape(str(entry.get("path", say(entry["kind"]))))
        rows.append([escape(say(entry["role"])), name, f"<code>{escape(str(entry.get('sha256', '')))}</code>"])
    check = say("`minirec audit verify FOLDER` checks every hash, and the signature where there is one.")
    fields = "".join(f"<div><span></span>{escape(say(label))}</div>" for label in ("Name and function", "Place and date", "Signature"))
    heads = [say("What"), say("File"), "SHA-256"]
    return (
        f'<section class="sign">\n<h2>{escape(say("Signature"))}</h2>\n{table(heads, rows)}\n<p class="note">{escape(check)} '
        f'{escape(say("Made by minirec {version}.", version=record["minirec"]))}</p>\n<div class="fields">{fields}</div>\n</section>'
    )
