"""MultVAE and MultDAE: the whole loss and its gradients, the schedule of the KL term, what is served, and when training stops."""

import math

import numpy as np
import pytest
from gradients import check_gradients

from minirec.data.dataset import Dataset
from minirec.engine.nn.autodiff import Tensor
from minirec.engine.nn.criteria import gaussian_kl
from minirec.engine.sparse import CSR
from minirec.errors import ModelFileError, NotSupportedError, ParameterError
from minirec.models import MultDAE, MultVAE
from minirec.models.neural.multvae import Denoising, Variational
from minirec.options import options
from minirec.testing.sets import blocks, shop
from minirec.testing.tools import file_bytes

ITEMS, HIDDEN, D, BETA = 6, 4, 3, 0.3
DENSE = np.array([[1, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]], np.float64)
EVENTS = CSR.from_pairs(*np.nonzero(DENSE), None, DENSE.shape)
SMALL = {"factors": 4, "batch_size": 16, "learning_rate": 0.01, "iterations": 5, "validation_share": 0.0}
MODELS = {"multvae": lambda **given: MultVAE(**SMALL | {"hidden": 6} | given), "multdae": lambda **given: MultDAE(**SMALL | given)}


def network(kind, dropout, tensors):
    """One whose parameters are these tensors, in the order of their names."""
    rng = np.random.default_rng(0)
    made = Variational(ITEMS, HIDDEN, D, dropout, rng) if kind == "vae" else Denoising(ITEMS, D, D, dropout, rng)
    for (name, _), tensor in zip(list(made.parameters().items()), tensors, strict=True):
        *path, last = name.split(".")
        owner = made
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, last, tensor)
    return made


def weights(kind):
    rng = np.random.default_rng(1)
    made = Variational(ITEMS, HIDDEN, D, 0.0, rng) if kind == "vae" else Denoising(ITEMS, D, D, 0.0, rng)
    return [rng.standard_normal(tensor.shape) for tensor in made.parameters().values()]


def kl(mean, log_variance):
    """Of one Gaussian from the standard one, coordinate by coordinate."""
    return sum(0.5 * (math.exp(s) + m * m - 1 - s) for m, s in zip(mean, log_variance, strict=True))


def definition(kind, made, ridge):
    """The loss without dropout and noise, user by user."""
    p = {name: tensor.data for name, tensor in made.parameters().items()}
    total = 0.0
    for row in DENSE:
        x = row / max(math.sqrt(row.sum()), 1)
        hidden = np.tanh(x @ p["first.weight"] + p["first.bias"])
        if kind == "vae":
            mean = hidden @ p["mean.weight"] + p["mean.bias"]
            total += BETA * kl(mean, hidden @ p["log_variance.weight"] + p["log_variance.bias"])
            hidden = np.tanh(mean @ p["last.weight"] + p["last.bias"])
        logits = p["items"] @ hidden + p["bias"]
        powers = np.exp(logits)
        total -= sum(math.log(powers[i] / powers.sum()) for i in np.flatnonzero(row))
    squares = 0.0 if kind == "vae" else (p["first.weight"] ** 2).sum() + (p["items"] ** 2).sum()
    return total / len(DENSE) + ridge * squares


@pytest.mark.parametrize("kind", ["vae", "dae"])
def test_the_loss_against_its_definition(kind):
    made = network(kind, 0.5, [Tensor(array, requires_grad=True) for array in weights(kind)])
    made.evaluate()
    assert made.loss(EVENTS, BETA).item() == pytest.approx(definition(kind, made, BETA), rel=1e-12)


@pytest.mark.parametrize("kind", ["vae", "dae"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_gradients_of_the_whole_loss(kind, dropout):
    def loss(*tensors):
        made = network(kind, dropout, tensors)
        made.train(11)  # dropout and noise are those of the key, so the loss is a function of the weights
        return made.loss(EVENTS, BETA)

    check_gradients(loss, *weights(kind))


def test_noise_and_dropout_are_of_training():
    made = network("vae", 0.5, [Tensor(array, requires_grad=True) for array in weights("vae")])
    made.evaluate()
    calm = made.loss(EVENTS, BETA).item()
    made.train(3)
    first = made.loss(EVENTS, BETA).item()
    made.train(3)
    assert made.loss(EVENTS, BETA).item() == first != calm
    made.train(4)
    assert made.loss(EVENTS, BETA).item() != first


def test_the_kl_term_against_samples():
    """E ln q(z) / p(z) over draws of q, by the densities themselves."""
    rng = np.random.default_rng(0)
    mean, s = np.array([[0.3, -1.0]]), np.array([[-0.5, 0.4]])
    z = mean + np.exp(s / 2) * rng.standard_normal((400_000, 2))
    log_ratio = (-((z - mean) ** 2) / (2 * np.exp(s)) - s / 2 + z**2 / 2).sum(axis=1)
    found = gaussian_kl(Tensor(mean), Tensor(s)).item()
    assert found == pytest.approx(kl(mean[0], s[0]), rel=1e-12)
    assert found == pytest.approx(log_ratio.mean(), abs=0.01)
    assert gaussian_kl(Tensor(np.zeros((2, 3))), Tensor(np.zeros((2, 3)))).item() == 0


def test_the_kl_term_is_annealed():
    model = MultVAE(beta=0.2, anneal_steps=10)
    assert [model._beta(step) for step in (1, 5, 10, 11, 1000)] == pytest.approx([0.02, 0.1, 0.2, 0.2, 0.2])
    seen = []

    class Watched(MultVAE):
        def _beta(self, step):
            seen.append(step)
            return super()._beta(step)

    Watched(**SMALL, hidden=6).fit(shop(n_users=40))
    assert seen == list(range(1, 5 * 3 + 1))  # three batches of at most 16 users an iteration


@pytest.mark.parametrize("name", MODELS)
def test_one_thread_and_two_give_the_same_bytes(name, monkeypatch):
    monkeypatch.setattr("minirec.engine.nn.criteria._LOGITS", 64 * 90)  # two blocks of samples
    monkeypatch.setattr("minirec.engine.nn.criteria._ITEMS", 32)
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            model = MODELS[name](batch_size=128, factors=24, iterations=2, validation_share=0.2).fit(shop(n_users=300, n_items=90))
            found.append(file_bytes(model))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", MODELS)
def test_the_score_is_the_logit_of_the_network(name):
    data = shop()
    model = MODELS[name]().fit(data)
    x = data.binary.to_dense().astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    hidden = np.tanh(x @ model.encoder_weights_ + model.encoder_bias_)
    if name == "multvae":
        hidden = np.tanh((hidden @ model.mean_weights_ + model.mean_bias_) @ model.decoder_weights_ + model.decoder_bias_)
    logits = hidden @ model.item_factors_[:, :-1].T + model.item_factors_[:, -1]
    users, items = (list(index) for index in (model.users_, model.items_))
    found = np.array([model.score([user] * len(items), items) for user in users])
    assert found == pytest.approx(logits, abs=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_new_user_with_the_history_of_a_known_one_is_the_same_to_the_bit(name):
    model = MODELS[name]().fit(shop())
    history = [model.items_.ids(model.seen_.row(row)[0]) for row in range(len(model.users_))]
    assert np.array_equal(model.user_vectors(history=history), model.user_vectors())
    assert np.array_equal(model.user_vectors(history=history[7:8]), model.user_vectors()[7:8])


@pytest.mark.parametrize("name", MODELS)
def test_an_item_left_out_takes_its_part_of_the_score_along(name):
    model = MODELS[name]().fit(shop())
    history, item = [model.items_[row] for row in (1, 4, 6)], model.items_[0]
    found = model.explain(history=[history], item=item)
    parts = {part.name: part.value for part in found.parts if part.source == "left out"}
    assert parts.keys() == set(history)
    for name_, value in parts.items():
        shorter = model.explain(history=[[other for other in history if other != name_]], item=item)
        assert found.score - shorter.score == pytest.approx(value, abs=1e-7)
    assert [part.name for part in found.parts if part.source == "the rest"] == [item]


@pytest.mark.parametrize("name", MODELS)
def test_training_stops_on_held_out_users_and_keeps_the_best_weights(name):
    data = blocks().train
    rising = {"iterations": 60, "learning_rate": 0.05, "validation_share": 0.3, "patience": 3}
    kept = []
    model = MODELS[name](**rising)
    model.fit(data, callback=lambda model, record: kept.append(model.item_factors_.copy()))
    scores = [record["held_out_ndcg@100"] for record in model.log_]
    best = int(np.argmax(scores))
    assert len(scores) == best + 1 + 3 < 60
    assert np.array_equal(model.item_factors_, kept[best])


@pytest.mark.parametrize("name", MODELS)
def test_stopped_and_fitted_again_is_never_stopped(name, tmp_path):
    data, path, make = shop(), tmp_path / "run.npz", lambda **given: MODELS[name](validation_share=0.3, **given)

    def stop(model, record):
        if record["iteration"] == 3:
            raise KeyboardInterrupt

    whole = make().fit(data)
    with pytest.raises(KeyboardInterrupt):
        make().fit(data, checkpoint=path, callback=stop)
    again = make().fit(data, checkpoint=path)
    assert all(np.array_equal(getattr(again, part), getattr(whole, part)) for part in whole._state)
    assert again.log_ == whole.log_[3:]
    for model, other in ((make(dropout=0.4), data), (make(seed=1), data), (make(), shop(seed=1))):
        with pytest.raises(ModelFileError, match="this training has"):
            model.fit(other, checkpoint=path)


@pytest.mark.parametrize("name", MODELS)
def test_new_events_count_without_training(name):
    data = shop()
    model = MODELS[name]().fit(data)
    known, weights = data.users[2], model.item_factors_
    first = data.items.ids(model.seen_.row(2)[0])
    coming = next(item for item in data.items if item not in first)
    before = model.user_vectors([known])
    model.update(Dataset.from_arrays([known, 10**9], [coming, data.items[7]]))
    assert model.item_factors_ is weights
    assert not np.array_equal(model.user_vectors([known]), before)
    assert np.array_equal(model.user_vectors([known, 10**9]), model.user_vectors(history=[[*first, coming], [data.items[7]]]))
    assert coming not in model.recommend(known, k=30)[0].items
    others = [user for user in data.users if user != known]
    assert np.array_equal(model.user_vectors(others), MODELS[name]().fit(data).user_vectors(others))
    with pytest.raises(NotSupportedError, match="1 new items"):
        model.update(Dataset.from_arrays([known], [10**9]))
    assert len(model.users_) == len(data.users) + 1


def test_held_out_users_are_not_learned_from():
    data = shop(n_users=80, n_items=40)
    learners, shown, hidden = MultVAE(validation_share=0.25)._hold_out(data)
    assert len(learners) == 60
    assert shown.shape == hidden.shape == (20, 40)
    both = (shown.to_dense() + hidden.to_dense()).astype(int)
    everybody = data.binary.to_dense().astype(int)
    others = np.delete(everybody, learners, axis=0)
    assert np.array_equal(both, others)
    assert (shown.counts() > 0).all()
    assert (hidden.counts() > 0).all()


def test_too_little_to_hold_out_takes_all_iterations():
    model = MultVAE(**SMALL | {"validation_share": 0.3}).fit(Dataset.from_arrays([1, 2], ["a", "b"]))
    assert [set(record) for record in model.log_] == [{"iteration", "loss"}] * 5


@pytest.mark.parametrize("name", MODELS)
def test_weights_and_repeated_events_do_not_count(name):
    data = shop()
    twice = data.select(np.concatenate([np.arange(len(data)), np.arange(len(data))])).with_columns(weight=None)
    a, b = MODELS[name]().fit(data), MODELS[name]().fit(twice)
    assert np.array_equal(a.item_factors_, b.item_factors_)
    assert np.array_equal(a.user_vectors(), b.user_vectors())


@pytest.mark.parametrize("changes", [{"hidden": 0}, {"beta": -1}, {"anneal_steps": 0}, {"dropout": 1}, {"validation_share": 0.6}])
def test_parameters_are_checked(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        MultVAE(**changes).fit(shop())


def test_the_ridge_is_checked():
    with pytest.raises(ParameterError, match="regularization"):
        MultDAE(regularization=-1).fit(shop())


@pytest.mark.parametrize("name", ["encoder_weights_", "mean_bias_", "item_factors_"])
def test_a_file_with_arrays_of_another_shape_is_refused(name, tmp_path):
    model = MultVAE(**SMALL).fit(shop())
    setattr(model, name, getattr(model, name)[..., :2])
    model.save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=name):
        MultVAE.load(tmp_path / "model.npz")
