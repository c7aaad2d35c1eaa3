"""GMF, MLP and NeuMF: the loss of the whole model and its gradients against their definitions, what is served, pretraining."""

import math
import subprocess
import sys

import numpy as np
import pytest
from naive_sgd import numerical_gradients, sigmoid

from minirec.engine.nn import pairs
from minirec.engine.nn.row_gradient import RowGradient
from minirec.engine.sparse import CSR
from minirec.errors import ModelFileError, NotSupportedError, ParameterError
from minirec.models import GMF, MLP, NeuMF
from minirec.models.contract.files import load_model
from minirec.models.neural import neumf
from minirec.options import options
from minirec.testing.sets import shop

MODELS = (GMF, MLP, NeuMF)
SMALL = {"factors": 3, "batch_size": 16, "negatives": 2, "iterations": 4, "validation_share": 0.0, "learning_rate": 0.02}
USERS = np.array([0, 1, 1, 4], np.int32)
POSITIVES = np.array([2, 0, 2, 5], np.int32)
NEGATIVES = np.array([[1, 0], [3, 3], [2, 5], [4, 2]], np.int32)  # the third event found a single negative


def wide(network, rng):
    """Parameters in float64 and far from where training begins; as (names, arrays)."""
    named = network.parameters()
    for tensor in named.values():
        tensor.data = rng.standard_normal(tensor.shape)
    return list(named), [tensor.data.copy() for tensor in named.values()]


def logit(values, u, i):
    """The score of a pair by the equations of the paper, with parameters by name."""
    total = float(values["bias"][0])
    if "product.weights" in values:
        p, q, h = values["product.users.weight"][u], values["product.items.weight"][i], values["product.weights"][:, 0]
        total += sum(a * b * c for a, b, c in zip(h, p, q, strict=True))
    if "tower.numbers" in values:
        x, numbers = np.concatenate((values["tower.users.weight"][u], values["tower.items.weight"][i])), values["tower.numbers"]
        width = len(x) // 2  # of what comes out of the layer: half of the embeddings, then each half of the one before
        while len(numbers) > len(x):
            weight, bias, numbers = np.split(numbers, [len(x) * width, (len(x) + 1) * width])
            x, width = np.maximum(x @ weight.reshape(len(x), width) + bias, 0), width // 2
        total += x @ numbers
    return total


def definition(values, regularization):
    """Binary cross-entropy over all samples but those without a negative, and the penalty of what was touched."""
    loss = 0.0
    for user, positive, negatives in zip(USERS, POSITIVES, NEGATIVES, strict=True):
        loss -= math.log(sigmoid(logit(values, user, positive)))
        for negative in negatives:
            loss -= math.log(1 - sigmoid(logit(values, user, negative))) if negative != positive else 0
    loss /= NEGATIVES.size + len(USERS)
    items = np.union1d(POSITIVES, NEGATIVES)
    for name, value in values.items():
        if name.endswith(("users.weight", "items.weight")):
            loss += regularization / 2 / len(USERS) * (value[np.unique(USERS) if "users" in name else items] ** 2).sum()
    return loss


def dense(gradient, shape):
    if gradient is None:
        return np.zeros(shape)
    return gradient.dense() if isinstance(gradient, RowGradient) else gradient


@pytest.mark.parametrize("cls", MODELS)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("regularization", [0.0, 0.3])
@pytest.mark.parametrize("tile", [5, 640])
def test_loss_and_gradients_of_the_whole_model(cls, layers, regularization, tile, monkeypatch):
    """By operations on tiles of pairs, and in one call for a batch of no more than a tile."""
    monkeypatch.setattr(pairs, "TILE", tile)
    if cls is GMF and layers > 1:
        return
    model = cls(factors=2, regularization=regularization, **({} if cls is GMF else {"layers": layers}))
    rng = np.random.default_rng(layers)
    network = model._network(CSR.from_pairs(USERS, POSITIVES, None, (5, 6)), rng)
    names, arrays = wide(network, rng)

    def of(arrays):
        return definition(dict(zip(names, arrays, strict=True)), regularization)

    loss = model._batch_loss(network, USERS, POSITIVES, NEGATIVES)
    assert loss.item() == pytest.approx(of(arrays))
    loss.backward()
    for tensor, expected in zip(network.parameters().values(), numerical_gradients(of, arrays), strict=True):
        assert dense(tensor.grad, tensor.shape) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("cls", MODELS)
def test_scores_are_the_logits_of_the_network(cls, monkeypatch):
    data = shop()
    model = cls(**SMALL)
    kept = []
    store = type(model)._store
    monkeypatch.setattr(type(model), "_store", lambda self, network, events: (kept.append(network), store(self, network, events)))
    model.fit(data)
    values = {name: tensor.data.astype(np.float64) for name, tensor in kept[-1].parameters().items()}
    expected = [[logit(values, u, i) for i in range(data.n_items)] for u in range(0, data.n_users, 5)]
    users = data.users.ids(np.arange(0, data.n_users, 5))
    found = [model.score([user] * data.n_items, list(data.items)) for user in users]
    assert np.array(found) == pytest.approx(np.array(expected), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("cls", MODELS)
def test_new_users_are_near_the_known_ones_with_their_history(cls):
    data = shop()
    model = cls(**SMALL | {"iterations": 12}).fit(data)
    items = list(data.items)
    users = list(data.users)
    known = np.array([model.score([user] * len(items), items) for user in users])
    histories = [data.items.ids(data.matrix.row(row)[0]) for row in range(len(users))]
    new = np.zeros_like(known)
    for row, (_, found, scores) in enumerate(model.recommend(history=histories, k=len(items), exclude_seen=False)):
        new[row, model.items_.rows(found)] = scores
    of_others = np.corrcoef(known.ravel(), np.roll(new, 1, axis=0).ravel())[0, 1]
    assert np.corrcoef(known.ravel(), new.ravel())[0, 1] > max(0.6, of_others)


def test_leave_one_out():
    """Each part is what the score falls by, and for a new user the other history may be asked for."""
    model = NeuMF(**SMALL).fit(shop())
    history = list(model.items_)[:4]
    found = model.explain(history=[history], item=model.items_[9])
    parts = {part.name: part.value for part in found.parts if part.source == "without"}
    assert parts.keys() == set(history)
    for item in history:
        less = model.explain(history=[[other for other in history if other != item]], item=model.items_[9]).score
        assert parts[item] == pytest.approx(found.score - less, abs=1e-6)


def test_pretraining_joins_the_weighted_halves():
    data = shop()
    binary = data.binary
    model = NeuMF(**SMALL, pretraining=3, alpha=0.25)
    model.backend_ = "numpy"
    ends = []
    descend = model._descend

    def watched(network, *arguments):
        yield from descend(network, *arguments)
        ends.append({name: tensor.data.copy() for name, tensor in network.parameters().items()})

    model._descend = watched
    fused = model._network(binary, np.random.default_rng(0)).parameters()
    product, tower = ends
    for alone, share in ((product, 0.25), (tower, 0.75)):
        for name, value in alone.items():
            if name != "bias":
                scale = np.ones_like(value)
                if name in ("product.weights", "tower.numbers"):
                    scale[-SMALL["factors"] :] = share  # h
                assert np.array_equal(fused[name].data, value * scale)
    assert fused["bias"].data == pytest.approx(0.25 * product["bias"] + 0.75 * tower["bias"])


def test_after_pretraining_a_step_is_the_rate_times_the_gradient():
    binary = shop().binary
    model = NeuMF(**SMALL | {"batch_size": binary.nnz}, pretraining=1)
    model.backend_ = "numpy"
    rng = np.random.default_rng(0)
    network = model._network(binary, rng)
    tensors, expected, loss_of = network.parameters(), {}, model._batch_loss

    def watched(*batch):
        loss_of(*batch).backward()
        for name, tensor in tensors.items():
            gradient, tensor.grad = tensor.grad, None
            expected[name] = tensor.data.copy()
            at, values = (gradient.rows, gradient.values) if isinstance(gradient, RowGradient) else (..., gradient)
            expected[name][at] -= model.learning_rate * values
        return loss_of(*batch)

    model._batch_loss = watched
    list(model._descend(network, binary, 1, rng))
    for name, tensor in tensors.items():
        np.testing.assert_allclose(tensor.data, expected[name], rtol=1e-6, atol=1e-8)


def test_the_tower_halves():
    """The paper's example: 8 predictive factors have layers of 32 (the two embeddings of 16), 16 and 8."""
    tower = MLP(factors=8, layers=2)._network(CSR.from_pairs(USERS, POSITIVES, None, (5, 6)), np.random.default_rng(0)).tower
    assert tower.users.weight.shape == (5, 16)
    assert tower.items.weight.shape == (6, 16)
    assert len(tower.numbers) == 32 * 16 + 16 + 16 * 8 + 8 + 8


def test_every_blas_is_kept_to_one_thread_in_the_first_fit_of_a_process():
    pytest.importorskip("numba")
    script = """
import numpy as np
from minirec.models import NeuMF
from minirec.testing.sets import shop
from threadpoolctl import threadpool_info

def found(model, record):
    print({library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"})

NeuMF(factors=3, iterations=1, validation_share=0.0).fit(shop(), callback=found)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "{1}"


def test_the_loss_falls():
    for cls in MODELS:
        losses = [record["loss"] for record in cls(**SMALL | {"iterations": 10}).fit(shop()).log_]
        assert losses[-1] < 0.9 * losses[0]


def test_dots_only_where_there_are_dots():
    assert GMF(**SMALL).fit(shop()).user_vectors().shape == (36, 4)
    with pytest.raises(NotSupportedError):
        MLP(**SMALL).fit(shop()).user_vectors()


@pytest.mark.parametrize("changes", [{"layers": 0}, {"alpha": 1.5}, {"pretraining": -1}, {"negatives": 0}, {"learning_rate": 0}])
def test_bad_parameters(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        NeuMF(**changes).fit(shop())


@pytest.mark.parametrize("name", ["user_parts_", "item_parts_", "tower_", "item_sources_", "user_offset_"])
def test_files_whose_arrays_do_not_fit(name, tmp_path):
    model = NeuMF(**SMALL).fit(shop())
    setattr(model, name, getattr(model, name)[..., :-1].copy())
    model.save(tmp_path / "model.npz")
    with pytest.raises(ModelFileError, match=r"_ has (shape|vectors|\d+ numbers)"):
        load_model(tmp_path / "model.npz")


@pytest.mark.parametrize("tile", [5, 24, 1024])
def test_tiles_of_items_do_not_matter(tile, monkeypatch):
    """Within rounding; and for one tile size a user alone gets the bits of the batch, on any number of threads."""
    model = NeuMF(**SMALL).fit(shop())
    users, items = list(model.users_), list(model.items_)
    expected = np.array([model.score([user] * len(items), items) for user in users])
    monkeypatch.setattr(neumf, "_TILE", tile)
    found = np.array([model.score([user] * len(items), items) for user in users])
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    for threads in (1, 2):
        with options(threads=threads):
            for row, (_, ranked, scores) in enumerate(model.recommend(users * 3, k=len(items), exclude_seen=False)):
                assert np.array_equal(scores, found[row % len(users)][model.items_.rows(ranked)])
