"""Ids and what is missing: types are a matter of the data; booleans, negative and odd weights; repeated headers."""

import numpy as np
from cases import Case, csv

_MISSING = ("NA", "N/A", "NULL", "null", "None", "nan", "NaN", "\\N", "")
_DROPPED = {"missing user id": 1}

CASES = {
    **{
        f"a user called {text or 'nothing'}": Case(csv("user,item", f"{text},1", "2,3"), [(2, 3)], removed=_DROPPED) for text in _MISSING
    },
    **{f"an item called {text or 'nothing'}": Case(csv("user,item", f"1,{text}", "2,3"), [(2, 3)], removed={"missing item id": 1}) for text in _MISSING},
    "texts that stand for nothing, switched off": Case(csv("user,item", "NA,1", "None,2"), [("NA", 1), ("None", 2)], {"missing": ()}),
    "of one's own": Case(csv("user,item", "-,1", "2,3"), [(2, 3)], {"missing": ("-",)}, removed=_DROPPED),
    "a kind that is missing": Case(csv("user,item,kind", "1,2,NULL", "3,4,buy"), [(3, 4)], kinds=("buy",), removed={"missing kind": 1}),
    "a title that is missing": Case(
        csv("user,item,title", "1,2,NaN", "3,2,Dune", "3,4,NULL"), [(1, 2), (3, 2), (3, 4)], {"item_text": "title"},
        features={"title": {2: "Dune", 4: ""}},
    ),
    "a weight that is missing": Case(
        csv("user,item,weight", "1,2,NA", "3,4,5"), [(1, 2, 5.0), (3, 4, 5.0)], removed={"missing weight, set to the median 5": 1}
    ),
    "digits": Case(csv("user,item", "1,10", "2,11"), [(1, 10), (2, 11)]),
    "digits far behind a text": Case(csv("user,item", *["1,10"] * 300, "x,11"), [("1", 10)] * 300 + [("x", 11)]),
    "leading zeros": Case(csv("user,item", "007,1", "7,2"), [("007", 1), ("7", 2)]),
    "19 digits": Case(csv("user,item", f"{2**63 - 1},{-2**63}", "1,2"), [(2**63 - 1, -(2**63)), (1, 2)]),
    "19 digits that differ in the last": Case(csv("user,item", "1234567890123456781,1", "1234567890123456782,1"), [(1234567890123456781, 1), (1234567890123456782, 1)]),
    "beyond 64 bits": Case(csv("user,item", f"{2**63},1", "2,2"), [(str(2**63), 1), ("2", 2)]),
    "integers with gaps": Case(csv("user,item", "1.0,10.0", "2.0,11.0"), [(1, 10), (2, 11)]),
    "fractions are texts": Case(csv("user,item", "1.5,10", "2,11"), [("1.5", 10), ("2", 11)]),
    "exponents are texts": Case(csv("user,item", "1e5,10", "2,11"), [("1e5", 10), ("2", 11)]),
    "a footer leaves the others as they are": Case(csv("user,item,weight", "1,10,2", "2,11,3", "Total,,5"), [(1, 10, 2.0), (2, 11, 3.0)], removed={"missing item id": 1}),
    "a removed row leaves the others as they are": Case(csv("user,item,weight", "1,10,2", "x,11,many"), [(1, 10, 2.0)], removed={"weight is not a number": 1}),
    "a header once more": Case(csv("user,item", "1,10", "user,item", "2,11"), [(1, 10), (2, 11)], removed={"the header once more": 1}),
    "a header once more, with a weight": Case(csv("user,item,rating", "1,10,2", "user,item,rating", "2,11,3"), [(1, 10, 2.0), (2, 11, 3.0)], removed={"the header once more": 1}),
    "booleans as weights": Case(csv("user,item,weight", "1,10,true", "2,11,False", "3,12,TRUE"), [(1, 10, 1.0), (2, 11, 0.0), (3, 12, 1.0)]),
    "negative weights": Case(csv("user,item,weight", "1,10,-1", "2,11,3"), [(1, 10, -1.0), (2, 11, 3.0)], warns="1 weights are negative.*negatives='drop'"),
    "negative weights, dropped": Case(csv("user,item,weight", "1,10,-1", "2,11,3"), [(2, 11, 3.0)], {"negatives": "drop"}, removed={"negative weight": 1}),
    "negative weights, kept": Case(csv("user,item,weight", "1,10,-1", "2,11,3"), [(1, 10, -1.0), (2, 11, 3.0)], {"negatives": "keep"}),
    "negative weights, otherwise": Case(csv("user,item,weight", "1,10,-1"), "negatives must be one of keep, drop", {"negatives": "no"}),
    "a decimal comma": Case(csv("user;item;weight", "1;10;2,5", "2;11;3"), [(2, 11, 3.0)], removed={"weight is not a number": 1}, notes=("'2,5'",)),
    "thousands": Case(csv("user,item,weight", '1,10,"1,234"', "2,11,3"), [(2, 11, 3.0)], removed={"weight is not a number": 1}, notes=("'1,234'",)),
    "underscores are no digits": Case(csv("user,item,weight", "1,10,1_000", "2,11,3"), [(2, 11, 3.0)], removed={"weight is not a number": 1}),
    "exponents in weights": Case(csv("user,item,weight", "1,10,1e2", "2,11,+3", "3,12,.5"), [(1, 10, 100.0), (2, 11, 3.0), (3, 12, 0.5)]),
    "infinite weights": Case(csv("user,item,weight", "1,10,inf", "2,11,-Infinity", "3,12,1"), [(3, 12, 1.0)], removed={"weight is not finite": 2}),
    "NaN, where it is not missing": Case(csv("user,item,weight", "1,10,NaN", "3,12,1"), [(3, 12, 1.0)], {"missing": ()}, removed={"weight is not finite": 1}),
    "kinds that are numbers": Case(csv("user,item,kind", "1,10,10", "2,11,2"), [(1, 10), (2, 11)], kinds=("2", "10")),
    "kinds with weights by number": Case(
        csv("user,item,kind", "1,10,10", "2,11,2"), [(1, 10, 5.0), (2, 11, 1.0)], {"kind_weights": {10: 5, 2: 1}}, kinds=("2", "10")
    ),
    "quotes within": Case(csv("user,item", '"a ""b""",1', "c,2"), [('a "b"', 1), ("c", 2)]),
    "an id of 4,300 digits": Case(csv("user,item", "9" * 4300 + ",1", "2,3"), [("9" * 4300, 1), ("2", 3)]),
    "a line of 64,000 fields": Case(csv("user,item", "1,2", ",".join(["x"] * 64_000), "3,4"), [(1, 2), (3, 4)], removed={"malformed row": 1}),
}  # fmt: skip

_ITEM = {"item": ["a", "b"]}
TABLES = {
    "digits as texts": Case({"user": ["1", "2"]} | _ITEM, [(1, "a"), (2, "b")]),
    "digits with leading zeros as texts": Case({"user": ["01", "2"]} | _ITEM, [("01", "a"), ("2", "b")]),
    "whole numbers": Case({"user": np.array([1, 2])} | _ITEM, [(1, "a"), (2, "b")]),
    "small whole numbers": Case({"user": np.array([1, 2], np.uint8)} | _ITEM, [(1, "a"), (2, "b")]),
    "19 digits in a table": Case({"user": np.array([2**63 - 1, 2])} | _ITEM, [(2**63 - 1, "a"), (2, "b")]),
    "19 digits as texts": Case({"user": [str(2**63 - 1), "2"]} | _ITEM, [(2**63 - 1, "a"), (2, "b")]),
    "unsigned beyond 64 bits": Case({"user": np.array([2**64 - 1, 2], np.uint64)} | _ITEM, [(str(2**64 - 1), "a"), ("2", "b")]),
    "whole floats as ids": Case({"user": np.array([1.0, 2.0])} | _ITEM, [(1, "a"), (2, "b")]),
    "floats beyond 2^53 as ids": Case({"user": np.array([2.0**53 + 2, 2.0])} | _ITEM, "beyond 2\\^53"),
    "fractions as ids": Case({"user": np.array([1.5, 2.0])} | _ITEM, "not a whole number"),
    "booleans as ids": Case({"user": np.array([True, False])} | _ITEM, "bool|BOOLEAN"),
    "texts that stand for nothing": Case({"user": ["NA", "x"]} | _ITEM, [("x", "b")], removed=_DROPPED),
    "the same, switched off": Case({"user": ["NA", "x"]} | _ITEM, [("NA", "a"), ("x", "b")], {"missing": ()}),
    "gaps": Case({"user": [None, "x"]} | _ITEM, [("x", "b")], removed=_DROPPED),
    "booleans as weights in a table": Case({"user": ["x", "y"], "weight": np.array([True, False])} | _ITEM, [("x", "a", 1.0), ("y", "b", 0.0)]),
    "weights as texts": Case({"user": ["x", "y"], "weight": ["1.5", "true"]} | _ITEM, [("x", "a", 1.5), ("y", "b", 1.0)]),
    "NaN as a weight": Case({"user": ["x", "y"], "weight": np.array([np.nan, 3.0])} | _ITEM, [("x", "a", 3.0), ("y", "b", 3.0)], removed={"missing weight, set to the median 3": 1}),
    "negative weights in a table": Case({"user": ["x", "y"], "weight": np.array([-2, 3])} | _ITEM, [("x", "a", -2.0), ("y", "b", 3.0)], warns="1 weights are negative"),
    "kinds that are numbers in a table": Case({"user": ["x", "y"], "kind": np.array([10, 2])} | _ITEM, [("x", "a"), ("y", "b")], kinds=("2", "10")),
    "titles with gaps": Case({"user": ["x", "y"], "title": ["A", "NULL"]} | _ITEM, [("x", "a"), ("y", "b")], {"item_text": "title"}, features={"title": {"a": "A", "b": ""}}),
}  # fmt: skip
