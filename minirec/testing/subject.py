"""What the suite needs to know about a model: how to make a small one, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..data.dataset import Dataset
from ..models.contract.recommender import Recommender
from ..models.contract.registry import MODELS
from ..models.forms.content import ContentModel
from .sets import with_content


class Other(NamedTuple):
    """Another value of a parameter, which must change the result where `given` holds for the rest."""

    value: Any
    given: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Subject:
    """A model under test.

    small : parameters that make a fit on a few hundred events take milliseconds.
    accurate : further parameters, with which it must find the known answer.
    recall : share of the held-out items of `blocks` that its first two recommendations must hold, on average.
    new_recall : for models of content, share of the new items of their group among the first that users of `blocks` get.
    error : for models of ratings, the largest RMSE on the held-out `ratings`, as a share of their standard deviation.
    others : {parameter: another value, or Other(value, given)} where the suite cannot guess one (see `other_value`).
    exempt : {parameter: reason} for parameters that must not change the result.
    """

    cls: type[Recommender]
    small: Mapping[str, Any] = field(default_factory=dict)
    accurate: Mapping[str, Any] = field(default_factory=dict)
    recall: float = 0.9
    new_recall: float = 0.9
    error: float = 0.5
    others: Mapping[str, Any] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)

    def make(self, **changes: Any) -> Recommender:
        """An unfitted small model."""
        return self.cls(**{**self.small, **changes})

    @property
    def reads_content(self) -> bool:
        """Whether it needs data with content."""
        model = self.make()
        return isinstance(model, ContentModel) and model._reads_content

    def data(self, data: Dataset) -> Dataset:
        """A data set of the suite as the model needs it."""
        return with_content(data) if self.reads_content else data

    def fitted(self, data: Dataset, **changes: Any) -> ContentModel:
        """A small model of content, fitted."""
        model = self.make(**changes).fit(data)
        assert isinstance(model, ContentModel)
        return model

    def other_value(self, name: str) -> Other:
        """A value of a parameter unlike the one of the small model.

        Taken from `others`, else guessed: the opposite of a bool, another choice of the model's `search_space`, twice a whole
        number (1 for 0), three times a number (.5 for 0).
        """
        if name in self.others:
            given = self.others[name]
            return given if isinstance(given, Other) else Other(given)
        value, space = self.make().get_params()[name], self.cls.search_space.get(name)
        if isinstance(value, bool):
            return Other(not value)
        if isinstance(space, list):
            return Other(next(choice for choice in space if choice != value))
        if isinstance(value, int):
            return Other(2 * value or 1)
        if isinstance(value, float):
            return Other(3 * value or 0.5)
        raise AssertionError(f"{self.cls.__name__}.{name} = {value!r}: name another value of it in Subject(others=...)")


_DESCENT: Mapping[str, Any] = {"factors": 4, "iterations": 3}
_EMBEDDING: Mapping[str, Any] = {"factors": 4, "iterations": 3}
_SEQUENCE: Mapping[str, Any] = {"factors": 4, "iterations": 3, "batch_size": 16, "max_length": 8, "negatives": 5}
_LONGER = Other(6, {"validation_share": 0.0})
_STOPPING: Mapping[str, Any] = {"iterations": 30, "learning_rate": 0.1, "validation_share": 0.3, "patience": 1}
_SEQUENCE_OTHERS: Mapping[str, Any] = {
    "iterations": _LONGER,
    "loss": "bce",
    "negatives": Other(3, {"loss": "sampled"}),
    "calibration": Other(0.2, {"loss": "gbce"}),
    "max_length": 3,
    "schedule": "cosine",
    "random_window": Other(0.5, {"max_length": 3}),
    "validation_share": Other(0.0, _STOPPING),
    "patience": Other(9, _STOPPING),
}

_SAMPLED: Mapping[str, Any] = {**_EMBEDDING, "batch_size": 16, "negatives": 2, "learning_rate": 0.02}
_SAMPLED_OTHERS: Mapping[str, Any] = {"iterations": _LONGER, "validation_share": Other(0.0, _STOPPING), "patience": Other(9, _STOPPING)}
_SAMPLED_ACCURATE: Mapping[str, Any] = {"factors": 8, "iterations": 10, "validation_share": 0.0, "regularization": 0.1}

_ENCODING: Mapping[str, Any] = {"factors": 4, "iterations": 3, "batch_size": 16, "learning_rate": 0.01}
_ENCODED: Mapping[str, Any] = {"factors": 8, "iterations": 60, "validation_share": 0.0, "learning_rate": 0.02}

_CONTENT_OTHERS: Mapping[str, Any] = {"features": "text"}

SUBJECTS: dict[str, Subject] = {
    "popularity": Subject(MODELS["popularity"], recall=0.0, others={"half_life": 100.0}),
    "random": Subject(MODELS["random"], recall=0.0),
    "itemknn": Subject(
        MODELS["itemknn"],
        small={"neighbors": 4},
        others={
            "k1": Other(0.1, {"similarity": "bm25"}),
            "b": Other(0.0, {"similarity": "bm25"}),
            "asymmetry": Other(0.9, {"similarity": "asymmetric"}),
        },
    ),
    "contentknn": Subject(
        MODELS["contentknn"],
        small={"neighbors": 4},
        accurate={"neighbors": 10},
        others=_CONTENT_OTHERS,
    ),
    "l3ae": Subject(
        MODELS["l3ae"],
        small={"regularization": 3.0, "content_weight": 4.0, "content_regularization": 1.0},
        others=_CONTENT_OTHERS,
    ),
    "featureals": Subject(
        MODELS["featureals"],
        small={"factors": 6, "iterations": 3},
        accurate={"factors": 3, "iterations": 16},
        others={
            **_CONTENT_OTHERS,
            "user_features": (),
            "alpha": 1.0,
            "solver": "cholesky",
            "block_size": Other(3, {"solver": "block"}),
        },
    ),
    "hybrid": Subject(
        MODELS["hybrid"],
        small=_SAMPLED,
        accurate={**_SAMPLED_ACCURATE, "iterations": 20},
        others={**_CONTENT_OTHERS, **_SAMPLED_OTHERS, "user_features": ()},
    ),
    "alpharec": Subject(
        MODELS["alpharec"],
        small={**_EMBEDDING, "hidden": 8, "batch_size": 64, "negatives": 8, "learning_rate": 0.01},
        accurate={"factors": 8, "hidden": 16, "iterations": 30, "validation_share": 0.0},
        others={
            **_CONTENT_OTHERS,
            "iterations": _LONGER,
            "damping": 0.3,
            "validation_share": Other(0.0, _STOPPING),
            "patience": Other(20, {**_STOPPING, "learning_rate": 0.01}),
        },
    ),
    "coldmap": Subject(
        MODELS["coldmap"],
        small={"base_params": {"factors": 6, "iterations": 3}},
        accurate={"base_params": {"factors": 3, "iterations": 16}},
        others={
            **_CONTENT_OTHERS,
            "base": "bpr",
            "base_params": {"factors": 3},
            "map": "nearest",
            "neighbors": Other(1, {"map": "nearest"}),
        },
    ),
    "userknn": Subject(
        MODELS["userknn"],
        small={"neighbors": 4},
        others={
            "k1": Other(0.1, {"similarity": "bm25"}),
            "b": Other(0.0, {"similarity": "bm25"}),
            "asymmetry": Other(0.9, {"similarity": "asymmetric"}),
        },
    ),
    "p3alpha": Subject(MODELS["p3alpha"], small={"neighbors": 4}, accurate={"neighbors": 10}),
    "rp3beta": Subject(MODELS["rp3beta"], small={"neighbors": 4}, accurate={"neighbors": 10}),
    "hittingtime": Subject(MODELS["hittingtime"], others={"max_items": 3}),
    "absorbingtime": Subject(MODELS["absorbingtime"], others={"max_items": 3}),
    "absorbingcost": Subject(
        MODELS["absorbingcost"],
        small={"topics": 3, "topic_iterations": 5},
        others={"max_items": 3} | {name: Other(2, {"entropy": "topic"}) for name in ("topics", "topic_iterations", "seed")},
    ),
    "pagerank": Subject(MODELS["pagerank"], others={"damping": 0.8, "tol": 0.1}),
    "ease": Subject(MODELS["ease"], small={"regularization": 5.0}),
    "edlae": Subject(MODELS["edlae"], small={"regularization": 5.0}, others={"dropout": 0.6}),
    "rdlae": Subject(MODELS["rdlae"], small={"regularization": 5.0}, others={"dropout": 0.6, "relaxation": 0.6}),
    "dan": Subject(MODELS["dan"], small={"regularization": 3.0}, others={"dropout": 0.6}),
    "sansa": Subject(MODELS["sansa"], small={"regularization": 5.0, "neighbors": 4}),
    "slim": Subject(MODELS["slim"], small={"l1_regularization": 0.3, "l2_regularization": 2.0}, others={"tol": 0.3}),
    "als": Subject(
        MODELS["als"],
        small={"factors": 6, "iterations": 3},
        accurate={"factors": 3, "iterations": 16},
        others={"alpha": 1.0, "solver": "cholesky", "block_size": Other(3, {"solver": "block"})},
    ),
    "bpr": Subject(MODELS["bpr"], small=_DESCENT, accurate={"iterations": 10}),
    "warp": Subject(MODELS["warp"], small={**_DESCENT, "max_trials": 5}, accurate={"iterations": 10}),
    "lightgcn": Subject(
        MODELS["lightgcn"],
        small={**_EMBEDDING, "batch_size": 64, "negatives": 8},
        accurate={"factors": 8, "iterations": 30, "validation_share": 0.0, "learning_rate": 0.01, "loss": "bpr"},
        others={
            "iterations": _LONGER,
            "margin": Other(-0.2, {"loss": "ccl"}),
            "negative_weight": Other(1.0, {"loss": "ccl"}),
            "gamma": Other(3.0, {"loss": "directau"}),
            "damping": 1.0,
            "validation_share": Other(0.0, _STOPPING),
            "patience": Other(9, _STOPPING),
        },
    ),
    "ultragcn": Subject(
        MODELS["ultragcn"],
        small={**_EMBEDDING, "batch_size": 16, "neighbors": 3, "learning_rate": 0.02, "item_weight": 0.1},
        accurate={"factors": 8, "iterations": 40, "validation_share": 0.0, "negative_weight": 1.0, "item_weight": 1.0},
        others={
            "iterations": _LONGER,
            "validation_share": Other(0.0, _STOPPING),
            "patience": Other(20, {**_STOPPING, "learning_rate": 0.02}),
        },
    ),
    "sasrec": Subject(
        MODELS["sasrec"],
        small={**_SEQUENCE, "layers": 1, "item_features": ("text", "picture")},
        accurate={"factors": 16, "iterations": 30, "validation_share": 0.0, "learning_rate": 0.01},
        others={
            "item_features": "text",
            "frozen": 0.0,
            "block": "ligr",
            "positions": "none",
            "heads": 2,
            "hidden": 2.0,
            **_SEQUENCE_OTHERS,
        },
    ),
    "gru4rec": Subject(
        MODELS["gru4rec"],
        small={**_SEQUENCE, "hidden": 5},
        accurate={"factors": 16, "hidden": 16, "iterations": 40, "validation_share": 0.0, "learning_rate": 0.01},
        others=_SEQUENCE_OTHERS,
    ),
    "nextitnet": Subject(
        MODELS["nextitnet"],
        small={**_SEQUENCE, "layers": 1},
        accurate={"factors": 16, "iterations": 20, "validation_share": 0.0, "learning_rate": 0.01},
        others=_SEQUENCE_OTHERS,
    ),
    "caser": Subject(
        MODELS["caser"],
        small={**_SEQUENCE, "window": 3, "filters": 4, "vertical": 2},
        accurate={"factors": 16, "iterations": 30, "validation_share": 0.0, "learning_rate": 0.01},
        others={**_SEQUENCE_OTHERS, "patience": Other(29, {**_STOPPING, "learning_rate": 0.02})},
    ),
    "fmlp": Subject(
        MODELS["fmlp"],
        small={**_SEQUENCE, "layers": 1, "hidden": 1.0},
        accurate={"factors": 16, "iterations": 20, "validation_share": 0.0, "learning_rate": 0.01},
        others=_SEQUENCE_OTHERS,
    ),
    "din": Subject(
        MODELS["din"],
        small={**_SEQUENCE, "unit": 3, "hidden": 5},
        accurate={"factors": 16, "unit": 8, "hidden": 16, "iterations": 40, "validation_share": 0.0, "learning_rate": 0.01},
        others={name: other for name, other in _SEQUENCE_OTHERS.items() if name not in ("loss", "negatives", "calibration")},
    ),
    "gfcf": Subject(MODELS["gfcf"], small={"factors": 4}),
    "turbocf": Subject(MODELS["turbocf"]),
    "chebycf": Subject(MODELS["chebycf"], small={"factors": 4}),
    "bspm": Subject(MODELS["bspm"], small={"factors": 4}),
    "graphblend": Subject(MODELS["graphblend"], small={"factors": 4, "regularization": 5.0, "neighbors": 4}, others={"weight": 0.8}),
    "blend": Subject(
        MODELS["blend"],
        small={"base_params": {"regularization": 5.0}, "other": "bpr", "other_params": {**_DESCENT}, "tail_exponent": 0.1},
        accurate={"other_params": {"factors": 8, "iterations": 10}},
        others={
            "base": Other("rp3beta", {"base_params": None}),
            "base_params": {"regularization": 50.0},
            "other": "logisticmf",
            "other_params": {**_DESCENT, "iterations": 9},
            "weight": 0.8,
        },
    ),
    "adjusted": Subject(
        MODELS["adjusted"],
        small={"base_params": {**_DESCENT}},
        accurate={"base_params": {"factors": 8, "iterations": 10}},
        others={"base": "logisticmf", "base_params": {**_DESCENT, "iterations": 9}, "tail_exponent": 0.9},
    ),
    "logisticmf": Subject(MODELS["logisticmf"], small={**_DESCENT, "negatives": 3}, accurate={"iterations": 10}),
    "gmf": Subject(MODELS["gmf"], small=_SAMPLED, accurate=_SAMPLED_ACCURATE, others=_SAMPLED_OTHERS),
    "mlp": Subject(MODELS["mlp"], small=_SAMPLED, accurate=_SAMPLED_ACCURATE, others=_SAMPLED_OTHERS),
    "neumf": Subject(
        MODELS["neumf"],
        small=_SAMPLED,
        accurate=_SAMPLED_ACCURATE,
        others={**_SAMPLED_OTHERS, "alpha": Other(0.9, {"pretraining": 1})},
    ),
    "softmaxmf": Subject(
        MODELS["softmaxmf"],
        small={**_EMBEDDING, "batch_size": 16, "regularization": 0.1},
        accurate={"factors": 8, "iterations": 20, "validation_share": 0.0, "regularization": 1.0},
        others=_SAMPLED_OTHERS,
    ),
    "fm": Subject(
        MODELS["fm"],
        small=_SAMPLED,
        accurate=_SAMPLED_ACCURATE,
        others=_SAMPLED_OTHERS,
        exempt={"use_features": "the suite's events come without features"},
    ),
    "multvae": Subject(
        MODELS["multvae"],
        small={**_ENCODING, "hidden": 6, "anneal_steps": 10},
        accurate={**_ENCODED, "hidden": 16},
        others={"iterations": _LONGER, "dropout": 0.2, "validation_share": 0.3, "patience": Other(20, _STOPPING)},
    ),
    "multdae": Subject(
        MODELS["multdae"],
        small=_ENCODING,
        accurate=_ENCODED,
        others={"iterations": _LONGER, "dropout": 0.2, "validation_share": 0.3, "patience": Other(20, _STOPPING)},
    ),
    "biasedmf": Subject(MODELS["biasedmf"], small=_DESCENT, accurate={"iterations": 30}),
    "svdpp": Subject(MODELS["svdpp"], small=_DESCENT, accurate={"iterations": 30}),
}


def subject_of(model: Recommender | type[Recommender] | Subject) -> Subject:
    """The subject for a registered class, for any other class with its defaults, or for an instance with its parameters."""
    if isinstance(model, Subject):
        return model
    if isinstance(model, Recommender):
        return Subject(type(model), small=model.get_params())
    return SUBJECTS.get(model.name) or Subject(model)
