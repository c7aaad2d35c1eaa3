"""Autoencoders of histories with a multinomial likelihood: variational (Mult-VAE) and denoising (Mult-DAE)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from ...data.dataset import Dataset
from ...data.ids import Rows
from ...data.splits import split
from ...engine.backend import one_blas_thread
from ...engine.descent.batches import shuffled
from ...engine.graph.propagate import propagate
from ...engine.nn import criteria, functional, training
from ...engine.nn.autodiff import Tensor
from ...engine.nn.modules import Dropout, Linear, Module, Noise, glorot
from ...engine.nn.optimizers import Adam
from ...engine.ranking.scorers import Scores
from ...engine.ranking.topk import Filters
from ...engine.sparse import CSR
from ...errors import DataError
from ..contract.checks import number, whole
from ..contract.events import merged_known
from ..contract.explanation import Part, left_out_parts
from ..contract.monitor import Monitor
from ..contract.request import Profiles
from ..contract.stopping import mean_ndcg, rows_in
from ..forms.vectors import FactorModel

_LENGTH, _SHOWN = 100, 0.8  # of the lists that decide when to stop; share of a held-out user's items that they are made from
_LOGITS = 2**24  # of `softmax_multinomial` at once


class Autoencoder(FactorModel):
    """What both share: score(u, i) = g(x_u) . v_i + b_i, g a network from a history to the last hidden layer.

    x_u is the binary history divided by its length sqrt(|I_u|). So a known user is served from the history alone, as a new one is, and
    by the same bits: there are no vectors of users, and those of items have b_i as their last coordinate.

    An iteration takes each user once, in batches at random, and moves by Adam; of the first layer of MultVAE only the rows of the items
    in the batch move, while the ridge of MultDAE moves all of them. With `validation_share` above 0 that share of the users is held out
    altogether; after each iteration 4/5 of their items go in, at random, and the NDCG@100 of the others is measured. Training stops once
    it has not risen for `patience` iterations; the weights that were best are kept, and never see the held-out users: as in the paper,
    where they are the validation users. With 0, or where nobody has two items, all iterations are taken. `log_` has the mean loss of
    the batches and this NDCG.

    `explain` leaves out each item of the history in turn: "left out" is by how much the score falls; "the rest" is what these leave of
    the score, since a network is no sum: O(|I_u|) passes.
    """

    _per_user: ClassVar[tuple[str, ...]] = ()
    _biases: ClassVar[int] = 1
    _resumes: ClassVar[bool] = True

    encoder_weights_: Scores  # of the first layer, float32 (items, width)
    encoder_bias_: Scores  # (width,)

    factors: int
    dropout: float
    learning_rate: float
    batch_size: int
    iterations: int
    validation_share: float
    patience: int
    seed: int

    def _check(self) -> None:
        for name in ("factors", "batch_size", "iterations", "patience"):
            whole(name, getattr(self, name))
        whole("seed", self.seed, 0)
        number("learning_rate", self.learning_rate, above=0)
        number("dropout", self.dropout, low=0, below=1)
        number("validation_share", self.validation_share, low=0, high=0.5)

    @abstractmethod
    def _layers(self, items: int) -> list[tuple[str, tuple[int, ...]]]:
        """The arrays of the state with their shapes."""

    @abstractmethod
    def _network(self, items: int, rng: np.random.Generator) -> Encoder:
        """The network to train, with its initial weights."""

    @abstractmethod
    def _loss(self, network: Any, events: CSR, step: int) -> Tensor:
        """The loss of a batch at a step, counted from 1."""

    @abstractmethod
    def _store(self, network: Any) -> None:
        """Set the state from the network."""

    @abstractmethod
    def _deepen(self, hidden: Scores) -> Scores:
        """The last hidden layer from the first, both (profiles, 1, width): each profile is a product of its own."""

    def estimate_memory(self, dataset: Dataset) -> int:
        """Weights with Adam's averages, gradients, the best ones and those that are served; the logits; the events, twice."""
        weights = sum(int(np.prod(shape)) for _, shape in self._layers(dataset.n_items))
        return 4 * (7 * weights + max(_LOGITS, 32 * dataset.n_items)) + 24 * len(dataset)

    def _check_shapes(self) -> None:
        for name, shape in self._layers(len(self.items_)):
            array = getattr(self, name)
            if array.dtype != np.float32 or array.shape != shape:
                raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, not float32 of {shape}")

    def _fit(self, train: Dataset, monitor: Monitor) -> None:
        events = train.binary
        learners, shown, hidden = self._hold_out(train)
        network = self._network(train.n_items, np.random.default_rng(self.seed_))
        adam = Adam(network.parameters(), self.learning_rate)

        def batches(epoch: int, rng: np.random.Generator) -> Iterator[CSR]:
            for part in shuffled(len(learners), self.batch_size, rng):
                yield events.rows(learners[part])

        def validate() -> float:
            self._store(network)
            return mean_ndcg(self._scorer(Profiles(None, shown)), hidden, _LENGTH, self.backend_, Filters(banned=(shown,)))

        def report(progress: training.Progress) -> bool:
            self._store(network)
            record = {"loss": progress.losses[-1]} | ({f"held_out_ndcg@{_LENGTH}": progress.scores[-1]} if progress.scores else {})
            return monitor.step(progress.epoch, self.iterations, **record)

        training.fit(
            network,
            adam,
            batches,
            lambda batch: self._loss(network, batch, adam.steps + 1),
            epochs=self.iterations,
            seed=self.seed_,
            validate=validate if shown.nnz else None,
            patience=self.patience,
            checkpoint=monitor.checkpoint,
            purpose=self._purpose(train),
            callback=report,
        )
        self._store(network)

    def _hold_out(self, train: Dataset) -> tuple[Rows, CSR, CSR]:
        """The users to learn from, and of those held out the items that go in and the others."""
        everybody, nobody = np.arange(train.n_users, dtype=np.int32), train.binary.span(0, 0)
        if not self.validation_share:
            return everybody, nobody, nobody
        try:
            sides = split(train, "users", test=float(self.validation_share), seed=int(self.seed_), fold_in=_SHOWN)
        except DataError:  # too little to split
            return everybody, nobody, nobody
        learners, *held = (rows_in(train, side) for side in sides)
        shown, hidden = (CSR.from_pairs(*pairs, None, train.matrix.shape) for pairs in held)
        rows = np.flatnonzero(hidden.counts())
        return np.unique(learners[0]), shown.rows(rows), hidden.rows(rows)

    def update(self, events: Dataset) -> Self:
        """Put new events of known or new users into their histories, which is all that is kept of users; the network stays as it is.

        NotSupportedError for items that it has no vectors of. Not to be called while other threads use the model.
        """
        change = merged_known(self, events)
        self.users_, self.seen_ = change.users, change.seen
        return self

    def _vectors(self, profiles: Profiles) -> Scores:
        with one_blas_thread():
            return self._fold_in(profiles.history)

    def _known_vectors(self, rows: Rows | None) -> Scores:
        return self._vectors(self._profiles_of(np.arange(len(self.users_), dtype=np.int32) if rows is None else rows))

    def _fold_in(self, history: CSR) -> Scores:
        first = propagate(unit_rows(history, np.float32), self.encoder_weights_, backend=self.backend_) + self.encoder_bias_
        last = self._deepen(first[:, None, :])[:, 0]
        return np.concatenate((last, np.ones((len(last), 1), np.float32)), axis=1)

    def _explain(self, profiles: Profiles, item: int) -> list[Part]:
        history = profiles.history.row(0)[0]
        n = len(history)
        others = np.broadcast_to(history, (n, n))[~np.eye(n, dtype=bool)]
        shortened = CSR(np.arange(n + 1) * (n - 1), others, np.ones(len(others), np.float32), (n, len(self.items_)))
        full = float(self._scorer(Profiles(None, profiles.history)).pairs(np.array([0]), np.array([item], np.int32))[0])
        less = self._scorer(Profiles(None, shortened)).pairs(np.arange(n), np.full(n, item, np.int32)).astype(np.float64)
        return left_out_parts(self.items_, history, full, less, item)


class Encoder(Module):
    """The first layer over histories, and the items that the last one is scored by."""

    def __init__(self, items: int, width: int, last: int, dropout: float, rng: np.random.Generator) -> None:
        self.dropout = Dropout(dropout)
        self.first = Linear(items, width, rng)
        self.items = glorot(items, last, rng)
        self.bias = Tensor(np.zeros(items, np.float32), requires_grad=True)

    def encode(self, events: CSR) -> Tensor:
        """The first layer, (n, width), of binary histories (n, items): of unit length, then with dropout; what is dropped costs nothing."""
        unit = unit_rows(events, self.items.dtype)
        values = self.dropout(Tensor(unit.data)).data
        kept = values != 0
        indptr = np.append(0, np.cumsum(kept))[unit.indptr]
        assert self.first.bias is not None
        return functional.sparse_linear(CSR(indptr, unit.indices[kept], values[kept], unit.shape), self.first.weight, self.first.bias)

    def likelihood(self, last: Tensor, events: CSR) -> Tensor:
        """-sum_i x_i ln softmax_i, the mean over the histories; last (n, d)."""
        return criteria.softmax_multinomial(last, self.items, self.bias, events)

    def item_factors(self) -> Scores:
        """(items, d + 1): the bias as a last coordinate."""
        return np.concatenate((self.items.data, self.bias.data[:, None]), axis=1)


class Variational(Encoder):
    """items -> hidden -> mean and log variance of z -> hidden -> items."""

    def __init__(self, items: int, hidden: int, factors: int, dropout: float, rng: np.random.Generator) -> None:
        super().__init__(items, hidden, hidden, dropout, rng)
        self.mean, self.log_variance = Linear(hidden, factors, rng), Linear(hidden, factors, rng)
        self.noise = Noise()
        self.last = Linear(factors, hidden, rng)

    def loss(self, events: CSR, beta: float) -> Tensor:
        """The negative of equation 6, the mean over the histories (n, items)."""
        hidden = functional.tanh(self.encode(events))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        last = functional.tanh(self.last(self.noise(mean, log_variance)))
        return self.likelihood(last, events) + criteria.gaussian_kl(mean, log_variance) * beta


class MultVAE(Autoencoder):
    """Variational autoencoder with a multinomial likelihood: the history is a draw of |I_u| items from one distribution over all.

    z_u ~ N(mu(x_u), diag e^s(x_u)), p_u = softmax(V tanh(W_3 z_u + b_3) + b); with x_u its dropped-out form where it goes in, minimise

    mean_u -sum_{i in I_u} ln p_ui + beta_t KL(N(mu, e^s) | N(0, I)),  beta_t = beta min(1, t / anneal_steps) at step t

    where mu and s are linear in tanh(W_1 x_u + b_1). Served is z_u = mu(x_u), and the score is the logit.

    Liang et al. 2018, "Variational autoencoders for collaborative filtering", equations 2 and 6, sections 2.1 to 2.3, and the defaults
    are theirs. Its schedule, min(.2, t / 200,000), is beta .2 and anneal_steps 40,000 here. mu and s are initialised as two layers
    (theirs is one twice as wide), biases with 0 (theirs N(0, .001^2)), and Adam is as said in Autoencoder.

    Parameters
    ----------
    factors : length of z. hidden : width of the layers before and after it: the length of the vectors that are served, less 1.
    beta : weight of the KL term in the end, at least 0. anneal_steps : batches until it is reached.
    dropout : share of the numbers of x_u that are set to 0 in training.
    learning_rate, batch_size, iterations, validation_share, patience : see Autoencoder. batch_size counts users.
    seed : of initial weights, batches, dropout, z and held-out users.

    O(users (items hidden + hidden factors)) an iteration. Memory: seven times the weights, 2 items hidden, and 2^24 logits.
    """

    name = "multvae"
    search_space: ClassVar[dict[str, Any]] = {
        "factors": [100, 200, 300],
        "beta": (0.05, 1.0, "log"),
        "anneal_steps": (1000, 40_000, "int"),
        "dropout": (0.2, 0.8, "linear"),
    }
    _state: ClassVar[tuple[str, ...]] = (
        *("encoder_weights_", "encoder_bias_", "mean_weights_", "mean_bias_"),
        *("decoder_weights_", "decoder_bias_", "item_factors_"),
    )

    mean_weights_: Scores  # of mu, (hidden, factors)
    mean_bias_: Scores
    decoder_weights_: Scores  # of W_3, (factors, hidden)
    decoder_bias_: Scores

    def __init__(
        self,
        *,
        factors: int = 200,
        hidden: int = 600,
        beta: float = 0.2,
        anneal_steps: int = 40_000,
        dropout: float = 0.5,
        learning_rate: float = 0.001,
        batch_size: int = 500,
        iterations: int = 200,
        validation_share: float = 0.1,
        patience: int = 30,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.hidden = hidden
        self.beta = beta
        self.anneal_steps = anneal_steps
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.iterations = iterations
        self.validation_share = validation_share
        self.patience = patience
        self.seed = seed

    def _check(self) -> None:
        super()._check()
        whole("hidden", self.hidden)
        whole("anneal_steps", self.anneal_steps)
        number("beta", self.beta, low=0)

    def _layers(self, items: int) -> list[tuple[str, tuple[int, ...]]]:
        h, d = self.hidden, self.factors
        shapes = (items, h), (h,), (h, d), (d,), (d, h), (h,), (items, h + 1)
        return list(zip(self._state, shapes, strict=True))

    def _network(self, items: int, rng: np.random.Generator) -> Variational:
        return Variational(items, self.hidden, self.factors, self.dropout, rng)

    def _loss(self, network: Variational, events: CSR, step: int) -> Tensor:
        return network.loss(events, self._beta(step))

    def _beta(self, step: int) -> float:
        return float(self.beta) * min(1.0, step / self.anneal_steps)

    def _store(self, network: Variational) -> None:
        for name, layer in (("encoder", network.first), ("mean", network.mean), ("decoder", network.last)):
            assert layer.bias is not None
            setattr(self, f"{name}_weights_", layer.weight.data)
            setattr(self, f"{name}_bias_", layer.bias.data)
        self.item_factors_ = network.item_factors()

    def _deepen(self, hidden: Scores) -> Scores:
        mean = np.matmul(np.tanh(hidden), self.mean_weights_) + self.mean_bias_
        last: Scores = np.tanh(np.matmul(mean, self.decoder_weights_) + self.decoder_bias_)
        return last


class Denoising(Encoder):
    """items -> z -> items."""

    def loss(self, events: CSR, ridge: float) -> Tensor:
        """The mean over the histories (n, items), and ridge |weights|^2."""
        likelihood = self.likelihood(functional.tanh(self.encode(events)), events)
        return likelihood + ((self.first.weight**2).sum() + (self.items**2).sum()) * ridge


class MultDAE(Autoencoder):
    """Denoising autoencoder with a multinomial likelihood: MultVAE without sampling, and with a ridge instead of the KL term.

    z_u = tanh(W x_u + c), p_u = softmax(V z_u + b); with x_u its dropped-out form where it goes in, minimise, per batch of B users,

    1/B (-sum_u sum_{i in I_u} ln p_ui + lambda (|W|^2 + |V|^2))

    Liang et al. 2018, section 2.3, with its best architecture, items -> 200 -> items; lambda is that of the authors' code.

    Parameters
    ----------
    factors : length of z.  regularization : lambda, at least 0.  dropout, learning_rate, batch_size, iterations, validation_share,
        patience, seed : see `MultVAE`.

    O(users items factors) an iteration. Memory: seven times the weights, 2 items factors, and 2^24 logits.
    """

    name = "multdae"
    search_space: ClassVar[dict[str, Any]] = {
        "factors": [100, 200, 400],
        "regularization": (0.001, 1.0, "log"),
        "dropout": (0.2, 0.8, "linear"),
    }
    _state: ClassVar[tuple[str, ...]] = ("encoder_weights_", "encoder_bias_", "item_factors_")

    def __init__(
        self,
        *,
        factors: int = 200,
        regularization: float = 0.01,
        dropout: float = 0.5,
        learning_rate: float = 0.001,
        batch_size: int = 500,
        iterations: int = 200,
        validation_share: float = 0.1,
        patience: int = 30,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.regularization = regularization
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.iterations = iterations
        self.validation_share = validation_share
        self.patience = patience
        self.seed = seed

    def _check(self) -> None:
        super()._check()
        number("regularization", self.regularization, low=0)

    def _layers(self, items: int) -> list[tuple[str, tuple[int, ...]]]:
        return list(zip(self._state, ((items, self.factors), (self.factors,), (items, self.factors + 1)), strict=True))

    def _network(self, items: int, rng: np.random.Generator) -> Denoising:
        return Denoising(items, self.factors, self.factors, self.dropout, rng)

    def _loss(self, network: Denoising, events: CSR, step: int) -> Tensor:
        return network.loss(events, float(self.regularization) / self.batch_size)

    def _store(self, network: Denoising) -> None:
        assert network.first.bias is not None
        self.encoder_weights_, self.encoder_bias_ = network.first.weight.data, network.first.bias.data
        self.item_factors_ = network.item_factors()

    def _deepen(self, hidden: Scores) -> Scores:
        return np.tanh(hidden)


def unit_rows(events: CSR, dtype: Any) -> CSR:
    """Each row's entries as 1 / sqrt(their number): a binary history of unit length."""
    counts = events.counts()
    return events.with_data(np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(dtype))
