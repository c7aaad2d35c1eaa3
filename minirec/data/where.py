"""Filters over columns in a line of text, such as "price < 20 and in_stock": parsed, never executed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError

Mask: TypeAlias = NDArray[np.bool_]
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: lt, ast.LtE: le, ast.Gt: gt, ast.GtE: ge, ast.Eq: eq, ast.NotEq: ne,
}  # fmt: skip
_FALSE = ("", "0", "0.0", "false", "no", "n", "none", "nan")


def matching(where: str, columns: Mapping[str, Any], n: int) -> Mask:
    """Which of the n rows a condition holds for, bool (n,).

    where : comparisons (<, <=, >, >=, ==, !=), `in` and `not in` with a list, `and`, `or`, `not`, parentheses; names of columns, numbers
        and quoted texts. A column alone holds where it is neither 0, nor empty, nor "no" or "false". Numbers compare with columns of
        numbers, or of texts that are all numbers; a missing value matches nothing but !=.

    >>> columns = {"price": np.array([5.0, 30.0]), "brand": np.array(["a", "b"], object)}
    >>> matching("price < 20 and brand in ['a', 'c']", columns, 2).tolist()
    [True, False]

    Raises ParameterError for anything else, and for a column that is not there.
    """
    try:
        tree = ast.parse(where.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ParameterError(f"where={where!r} is no condition; write it as in: price < 20 and brand == 'acme'") from None
    return _mask(tree, where, columns, n)


def _mask(node: ast.expr, where: str, columns: Mapping[str, Any], n: int) -> Mask:
    if isinstance(node, ast.BoolOp):
        parts = [_mask(value, where, columns, n) for value in node.values]
        combined: Mask = (np.logical_and if isinstance(node.op, ast.And) else np.logical_or).reduce(parts)
        return combined
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_mask(node.operand, where, columns, n)
    if isinstance(node, ast.Name):
        return np.array(
            [str(value).strip().lower() not in _FALSE and value is not None for value in _column(node.id, where, columns)], bool
        )
    if isinstance(node, ast.Compare):
        left, mask = node.left, np.ones(n, bool)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            mask &= _compared(left, operator, right, where, columns, n)
            left = right
        return mask
    raise ParameterError(f"where={where!r}: {ast.unparse(node)!r} is no condition; write it as in: price < 20 and brand == 'acme'")


def _compared(left: ast.expr, operator: ast.cmpop, right: ast.expr, where: str, columns: Mapping[str, Any], n: int) -> Mask:
    if isinstance(operator, (ast.In, ast.NotIn)):
        if not isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            raise ParameterError(f"where={where!r}: after 'in' comes a list, such as ['a', 'b']")
        masks = [_compared(left, ast.Eq(), element, where, columns, n) for element in right.elts]
        found: Mask = np.logical_or.reduce(masks) if masks else np.zeros(n, bool)
        return found if isinstance(operator, ast.In) else ~found
    if type(operator) not in _COMPARE:
        raise ParameterError(f"where={where!r}: compare with <, <=, >, >=, ==, !=, in or not in")
    one, other = _value(left, where, columns), _value(right, where, columns)
    if _is_number(one) or _is_number(other):
        one, other = _numbers(one, where), _numbers(other, where)
    else:
        one, other = _texts(one), _texts(other)
    with np.errstate(invalid="ignore"):
        mask: Mask = np.broadcast_to(np.asarray(_COMPARE[type(operator)](one, other), bool), n).copy()
    return mask


def _value(node: ast.expr, where: str, columns: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return _column(node.id, where, columns)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return -_numbers(node.operand.value, where)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        return node.value
    raise ParameterError(f"where={where!r}: {ast.unparse(node)!r} is neither a column, nor a number, nor a quoted text")


def _column(name: str, where: str, columns: Mapping[str, Any]) -> NDArray[Any]:
    if name not in columns:
        near = get_close_matches(name, columns, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ParameterError(f"where={where!r}: there is no column {name!r}{hint} There are: {', '.join(columns) or 'none'}")
    return np.asarray(columns[name])


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf")


def _numbers(value: Any, where: str) -> Any:
    try:
        if isinstance(value, np.ndarray):
            return np.array([np.nan if entry in ("", None) else float(entry) for entry in value.tolist()])
        return float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"where={where!r} compares numbers with texts") from None


def _texts(value: Any) -> Any:
    return np.array([str(entry) for entry in value.tolist()], object) if isinstance(value, np.ndarray) else str(value)
