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
from ..contract.events import merged_known
from ..contract.explanation import Part, left_out_parts
from ..contract.monitor import Monitor
from ..contract.parameters import changed, fitted, number, seeded, whole, width
from ..contract.request import Profiles
from ..contract.stopping import mean_ndcg, rows_in
from ..forms.vectors import VectorModel

_LENGTH, _SHOWN = 100, 0.8  # of the lists that decide when to stop; share of a held-out user's items that they are made from
_LOGITS = 2**24  # of `softmax_multinomial` at once


class Autoencoder(VectorModel):
    """What both share: score(u, i) = g(x_u) . v_i + b_i, g a network from a history to the last hidden layer.

    x_u is the binary history divided by its length sqrt(|I_u|). So a known user is served from the history alone, as a new one is, and
    by the same bits: there are no vectors of users, and those of items have b_i as their last coordinate.

    An iteration takes each user once, in batches at random, and moves by Adam; of the first layer of MultVAE only the rows of the items
    in the batch move, while the ridge of MultDAE moves all of them. With `validation_share` above 0 that share of the users is held out
    altogether; after each iteration 4/5 of their items go in, at random, and the NDCG@100 of the others is measured. Training stops once
    it has not risen for `patience` iterations; the weights that were best are kept, and never see the held-out users: as in the paper,
    where they are the validation users. With 0, or where no user has two items, all iterations are taken. `log_` has the mean loss of
    the batches and this NDCG.

    `explain` leaves out each item of the history in turn: "left out" is by how much the score falls; "the rest" is what these leave of
    the score, since a network is no sum: O(|I_u|) passes.
    """

    _biases: ClassVar[int] = 1
    _resumes: ClassVar[bool] = True

    factors: int = whole(default=200, high=65_536, search=[100, 200, 300], doc="Length of z.")
    dropout: float = number(
        default=0.5, low=0, below=1, search=(0.2, 0.8, "linear"), doc="Share of the numbers of x_u that are set to 0 in training."
    )
    learning_rate: float = number(default=0.001, above=0, high=100, doc="Of Adam.")
    batch_size: int = whole(default=500, doc="Users of a step.")
    iterations: int = whole(default=200, high=100_000, doc="Passes over the users, at the most.")
    validation_share: float = number(default=0.1, low=0, high=0.5, doc="Share of the users that is held out, see above; 0: none.")
    patience: int = whole(default=30, doc="Iterations without a better NDCG until training stops.")
    seed: int | None = seeded(doc="Seed of initial weights, batches, dropout, z and held-out users; None draws a fresh one for each fit.")

    encoder_weights_: Scores = fitted("items", "first")
    encoder_bias_: Scores = fitted("first")
    item_factors_: Scores = fitted("items", "last")

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
        return 4 * (7 * width(self, {"items": dataset.n_items}) + max(_LOGITS, 32 * dataset.n_items)) + 24 * len(dataset)

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

        NotSupportedError for items that it has no vectors of.
        """
        change = merged_known(self, events)
        self.users_, self.seen_ = change.users, change.seen
        return self

    def _table(self) -> Scores:
        return self.item_factors_

    def _vectors(self, profiles: Profiles) -> Scores:
        with one_blas_thread():
            unit = unit_rows(profiles.history, np.float32)
            first = propagate(unit, self.encoder_weights_, backend=self.backend_) + self.encoder_bias_
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

    z_u ~ N(mu(x_u), diag e^s(x_u)), p_u = softmax(V tanh(W_3 z_u + b_3) + b); with x_u its dropped-out form where it goes in, minimize

    mean_u -sum_{i in I_u} ln p_ui + beta_t KL(N(mu, e^s) | N(0, I)),  beta_t = beta min(1, t / anneal_steps) at step t

    where mu and s are linear in tanh(W_1 x_u + b_1). Served is z_u = mu(x_u), and the score is the logit.

    Liang et al. 2018, "Variational autoencoders for collaborative filtering", equations 2 and 6, sections 2.1 to 2.3, and the defaults
    are theirs. Its schedule, min(.2, t / 200,000), is beta .2 and anneal_steps 40,000 here. mu and s are initialised as two layers
    (theirs is one twice as wide), biases with 0 (theirs N(0, .001^2)), and Adam is as said in Autoencoder.

    O(users (items hidden + hidden factors)) an iteration. Memory: seven times the weights, 2 items hidden, and 2^24 logits.
    """

    name = "multvae"

    hidden: int = whole(
        default=600,
        high=65_536,
        doc="Width of the layers before and after z: the length of the vectors that are served, less 1.",
    )
    beta: float = number(default=0.2, low=0, high=1e6, search=(0.05, 1.0, "log"), doc="Weight of the KL term in the end.")
    anneal_steps: int = whole(default=40_000, search=(1000, 40_000, "int"), doc="Batches until beta is reached.")

    encoder_weights_: Scores = fitted("items", "hidden")
    encoder_bias_: Scores = fitted("hidden")
    mean_weights_: Scores = fitted("hidden", "factors")  # of mu
    mean_bias_: Scores = fitted("factors")
    decoder_weights_: Scores = fitted("factors", "hidden")  # of W_3
    decoder_bias_: Scores = fitted("hidden")
    item_factors_: Scores = fitted("items", "hidden+1")

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

    z_u = tanh(W x_u + c), p_u = softmax(V z_u + b); with x_u its dropped-out form where it goes in, minimize, per batch of B users,

    1/B (-sum_u sum_{i in I_u} ln p_ui + lambda (|W|^2 + |V|^2))

    Liang et al. 2018, section 2.3, with its best architecture, items -> 200 -> items; lambda is that of the authors' code.

    O(users items factors) an iteration. Memory: seven times the weights, 2 items factors, and 2^24 logits.
    """

    name = "multdae"

    factors: int = changed(search=[100, 200, 400])
    regularization: float = number(default=0.01, low=0, high=1e6, search=(0.001, 1.0, "log"), doc="lambda.")

    encoder_weights_: Scores = fitted("items", "factors")
    encoder_bias_: Scores = fitted("factors")
    item_factors_: Scores = fitted("items", "factors+1")

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
