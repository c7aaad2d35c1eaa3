"""Slow, obvious oracles for the data room."""

from collections import Counter


def clean_rows(rows, duplicates, max_user_events, min_user_items, min_item_users):
    """Rows are (user, item, weight, time, position); what `clean` should leave, as a set of (user, item, weight, time)."""
    if max_user_events is not None:
        events = Counter(row[0] for row in rows)
        rows = [row for row in rows if events[row[0]] <= max_user_events]
    if duplicates != "keep":
        merged = []
        for pair in {row[:2] for row in rows}:
            same = sorted((row for row in rows if row[:2] == pair), key=lambda row: (row[3], row[4]))
            kept = max(same, key=lambda row: (row[2], row[3], row[4])) if duplicates == "max" else same[-1]
            weight = sum(row[2] for row in same) if duplicates == "sum" else kept[2]
            merged.append((*pair, weight, kept[3], kept[4]))
        rows = merged
    while True:
        items_of, users_of = {}, {}
        for user, item, *_ in rows:
            items_of.setdefault(user, set()).add(item)
            users_of.setdefault(item, set()).add(user)
        kept = [r for r in rows if len(items_of[r[0]]) >= min_user_items and len(users_of[r[1]]) >= min_item_users]
        if len(kept) == len(rows):
            return sorted(row[:4] for row in rows)
        rows = kept


def gini(counts):
    """Mean absolute difference of all ordered pairs, over twice the mean."""
    n, mean = len(counts), sum(counts) / len(counts)
    return sum(abs(a - b) for a in counts for b in counts) / (2 * n * n * mean)
