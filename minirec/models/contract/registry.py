"""The registry of all models: a model that is not in it does not exist.

It is a table of names and places, so that no model is imported before somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from ...errors import ParameterError

if TYPE_CHECKING:
    from .recommender import Recommender

M = TypeVar("M", bound="Recommender")

# name of the model: "module:class", the module below minirec
PLACES = {
    "popularity": "models.baselines.popularity:Popularity",
    "random": "models.baselines.popularity:Random",
    "itemknn": "models.neighbors.knn:ItemKNN",
    "userknn": "models.neighbors.knn:UserKNN",
    "p3alpha": "models.walks.rp3beta:P3alpha",
    "rp3beta": "models.walks.rp3beta:RP3beta",
    "slim": "models.linear.slim:SLIM",
    "als": "models.factorization.als:ALS",
    "bpr": "models.factorization.bpr:BPR",
    "warp": "models.factorization.bpr:WARP",
    "logisticmf": "models.factorization.logistic:LogisticMF",
    "lightgcn": "models.graphs.lightgcn:LightGCN",
    "ultragcn": "models.graphs.ultragcn:UltraGCN",
    "hittingtime": "models.walks.absorbing:HittingTime",
    "absorbingtime": "models.walks.absorbing:AbsorbingTime",
    "absorbingcost": "models.walks.absorbing:AbsorbingCost",
    "pagerank": "models.walks.pagerank:PersonalizedPageRank",
    "ease": "models.linear.ease:EASE",
    "edlae": "models.linear.ease:EDLAE",
    "rdlae": "models.linear.ease:RDLAE",
    "dan": "models.linear.ease:DAN",
    "sansa": "models.linear.sansa:SANSA",
    "gfcf": "models.graphs.graph_filters:GFCF",
    "turbocf": "models.graphs.turbocf:TurboCF",
    "chebycf": "models.graphs.graph_filters:ChebyCF",
    "bspm": "models.graphs.graph_filters:BSPM",
    "graphblend": "longtail.graph_blend:GraphBlend",
    "blend": "longtail.blend:Blend",
    "adjusted": "longtail.blend:Adjusted",
    "sasrec": "models.sequences.sasrec:SASRec",
    "gru4rec": "models.sequences.gru4rec:GRU4Rec",
    "nextitnet": "models.sequences.nextitnet:NextItNet",
    "caser": "models.sequences.caser:Caser",
    "fmlp": "models.sequences.fmlp:FMLP",
    "din": "models.sequences.din:DIN",
    "gmf": "models.neural.neumf:GMF",
    "mlp": "models.neural.neumf:MLP",
    "neumf": "models.neural.neumf:NeuMF",
    "softmaxmf": "models.factorization.softmax_mf:SoftmaxMF",
    "fm": "models.factorization.fm:FactorizationMachine",
    "multvae": "models.neural.multvae:MultVAE",
    "multdae": "models.neural.multvae:MultDAE",
    "biasedmf": "models.factorization.rating:BiasedMF",
    "svdpp": "models.factorization.rating:SVDpp",
    "contentknn": "models.content.content_knn:ContentKNN",
    "l3ae": "models.content.l3ae:L3AE",
    "featureals": "models.content.feature_als:FeatureALS",
    "coldmap": "models.content.cold_map:ColdMap",
    "alpharec": "models.content.alpharec:AlphaRec",
    "hybrid": "models.content.hybrid:Hybrid",
}


class Registry(MutableMapping[str, "type[Recommender]"]):
    """Model classes by their registry names, in the order of registration; a class is imported when it is looked up."""

    def __init__(self, places: dict[str, str]) -> None:
        self._found: dict[str, type[Recommender] | str] = dict(places)

    def __getitem__(self, name: str) -> type[Recommender]:
        found = self._found[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = self._found[name] = getattr(import_module(f"minirec.{module}"), attribute)
        return found

    def place(self, name: str) -> str | None:
        """Where the class of a name comes from, as "module:class"; None where there is none. Nothing is imported."""
        found = self._found.get(name)
        if found is None or isinstance(found, str):
            return found and f"minirec.{found}"
        return f"{found.__module__}:{found.__qualname__}"

    def __setitem__(self, name: str, cls: type[Recommender]) -> None:
        self._found[name] = cls

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._found))

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __repr__(self) -> str:
        return f"<{len(self)} models: {', '.join(self)}>"


MODELS = Registry(PLACES)


def register(cls: type[M]) -> type[M]:
    """Put a model class of one's own in the registry, under its `name`; usable as a decorator. It is then saved, loaded and looked up.

    >>> from minirec import Popularity, model_class, register
    >>> @register
    ... class Bestsellers(Popularity):
    ...     name = "bestsellers"
    >>> model_class("bestsellers") is Bestsellers
    True
    >>> del MODELS["bestsellers"]

    A class may be registered again, and takes the place of an earlier one of the same module and name, as when a notebook's cell is run
    twice. ParameterError for what is no model, for a class without a name of its own, and for a name that another class has.
    """
    from .recommender import Recommender

    if not (isinstance(cls, type) and issubclass(cls, Recommender)):
        raise ParameterError(f"register takes a class that derives from minirec.Recommender, got {cls!r}")
    name = vars(cls).get("name")
    if not isinstance(name, str) or not name:
        raise ParameterError(f'{cls.__name__} needs a name of its own to be registered by: name = "..." in the class')
    place = MODELS.place(name)
    if place is not None and place != f"{cls.__module__}:{cls.__qualname__}":
        raise ParameterError(f"the name {name!r} is taken by {place}: give {cls.__name__} another name")
    MODELS[name] = cls
    return cls


def model_class(name: str) -> type[Recommender]:
    """The class registered under a name, or of this name, in any case.

    >>> model_class("als").__name__, model_class("RP3beta").name
    ('ALS', 'rp3beta')

    Raises ParameterError for a name that is not registered; it says which one may have been meant.
    """
    if name in MODELS:
        return MODELS[name]
    known = {registered.lower(): registered for registered in MODELS}
    known |= {place.rpartition(":")[2].lower(): registered for registered, place in PLACES.items() if registered in MODELS}
    wanted = str(name).strip().lower()
    if wanted in known:
        return MODELS[known[wanted]]
    near = get_close_matches(wanted, known, 1)
    hint = f" (did you mean {known[near[0]]!r}?)" if near else ""
    raise ParameterError(f"unknown model {name!r}{hint}; there are {', '.join(MODELS)}")
