"""The training loop: resumed = never stopped, the best weights kept, what is refused; the same bytes for any number of threads."""

from functools import partial

import numpy as np
import pytest

from minirec.engine.descent.batches import shuffled
from minirec.engine.nn import criteria, functional
from minirec.engine.nn.autodiff import Tensor, no_grad
from minirec.engine.nn.modules import Dropout, Embedding, FeedForward, Module
from minirec.engine.nn.optimizers import SGD, Adam, cosine
from minirec.engine.nn.training import fit
from minirec.errors import ModelFileError, ModelFitError
from minirec.options import options

USERS, ITEMS = (np.random.default_rng(5).integers(0, n, 400) for n in (30, 20))
LIKED = ((USERS + ITEMS) % 3 == 0).astype(np.float32)


class Taste(Module):
    def __init__(self, seed=0, d=8):
        rng = np.random.default_rng(seed)
        self.users, self.items = Embedding(30, d, rng, 0.3), Embedding(20, d, rng, 0.3)
        self.tower, self.drop = FeedForward((d, 16, 1), rng, dropout=0.1), Dropout(0.2)

    def __call__(self, samples):
        return self.tower(self.drop(self.users(USERS[samples]) * self.items(ITEMS[samples])))[:, 0]

    def loss(self, samples):
        return criteria.binary_cross_entropy(self(samples), LIKED[samples])


def batches(epoch, rng):
    return shuffled(400, 64, rng)


def train(model, optimizer=None, each=batches, loss=None, **more):
    optimizer = optimizer or Adam(model.parameters(), cosine(0.02, 60, warm=5), clip=1.0, decay=0.01)
    return fit(model, optimizer, each, loss or model.loss, **{"epochs": 6, "seed": 3, **more})


def content(model):
    return [array.tobytes() for array in model.state().values()]


def test_a_model_learns():
    model = Taste()
    progress = train(model, Adam(model.parameters(), 0.02), epochs=60)
    assert progress.epoch == len(progress.losses) == 60
    assert progress.losses[-1] < 0.6 * progress.losses[0]
    with no_grad():
        assert ((model(np.arange(400)).data > 0) == LIKED).mean() > 0.9
    assert not model.drop.training


@pytest.mark.slow_without_jit
def test_the_same_bytes_for_any_threads():
    found = []
    for threads in (1, 2):
        with options(threads=threads):
            model = Taste(d=256)
            train(model, each=lambda epoch, rng: [np.arange(400)] * 3, loss=partial(wide, model), epochs=2)
            found.append(content(model))
    assert found[0] == found[1]
    assert content(Taste(d=256)) != found[0]


def wide(model, samples):
    """Products large enough to be handed over: 20 k samples, a full softmax over the items."""
    vectors = model.users(np.resize(USERS, 20_000))
    hidden = functional.gelu(functional.linear(vectors, model.tower.steps[0].weight)) @ Tensor(np.ones((16, 256), np.float32))
    return criteria.softmax_cross_entropy(hidden * 0.01, model.items.weight, np.resize(ITEMS, 20_000)) + model.loss(samples)


def test_a_seed_decides():
    models = [Taste(), Taste(), Taste()]
    for model, seed in zip(models, (3, 3, 4), strict=True):
        train(model, seed=seed)
    assert content(models[0]) == content(models[1]) != content(models[2])


def test_interrupted_and_resumed_is_never_stopped(tmp_path):
    path, whole = tmp_path / "deep" / "run.npz", Taste()
    scores = iter([0.1, 0.5, 0.2, 0.4, 0.3, 0.2])
    expected = train(whole, validate=lambda: next(scores))

    seen = []

    def interrupted(epoch, rng):
        for step, samples in enumerate(batches(epoch, rng)):
            if (epoch, step) in ((0, 2), (3, 4)) and (epoch, step) not in seen:
                seen.append((epoch, step))
                raise KeyboardInterrupt
            yield samples

    def validate():
        return {0: 0.1, 1: 0.5, 2: 0.2, 3: 0.4, 4: 0.3, 5: 0.2}[epochs_done[0]]

    epochs_done = [0]

    def callback(progress):
        epochs_done[0] = progress.epoch

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(Taste(), each=interrupted, checkpoint=path, validate=validate, callback=callback)
        assert [file.name for file in path.parent.iterdir()] == ["run.npz"]
    resumed = Taste(seed=9)  # its weights are those of the checkpoint
    progress = train(resumed, checkpoint=path, validate=validate, callback=callback)
    assert seen == [(0, 2), (3, 4)]
    assert progress == expected
    assert progress.best == 2
    assert content(resumed) == content(whole)
    # once more: nothing is left to do
    finished = Taste(seed=9)
    assert train(finished, checkpoint=path) == expected
    assert content(finished) == content(whole)


def test_stopped_between_gradients_and_step_the_same_model_goes_on(tmp_path):
    """The gradients that the stopped step left behind move nothing later, with a checkpoint and without."""
    whole, model, fresh = Taste(), Taste(), Taste()
    train(whole)
    adam = Adam(model.parameters(), cosine(0.02, 60, warm=5), clip=1.0, decay=0.01)
    step = adam.step

    def stopped():
        if adam.steps == 17:
            raise KeyboardInterrupt
        return step()

    adam.step = stopped
    with pytest.raises(KeyboardInterrupt):
        train(model, adam, checkpoint=tmp_path / "run.npz")
    assert any(tensor.grad is not None for tensor in model.parameters().values())
    assert not model.drop.training
    train(model, checkpoint=tmp_path / "run.npz")
    assert content(model) == content(whole)
    fresh.loss(np.arange(64)).backward()
    train(fresh)
    assert content(fresh) == content(whole)


def test_after_an_exception_a_model_is_not_in_training():
    def fails(*_):
        raise ZeroDivisionError

    for where in ("loss", "callback", "validate"):
        model = Taste()
        with pytest.raises(ZeroDivisionError):
            train(model, **{where: fails})
        assert not any(module.training for module in model._modules())
        with no_grad():
            assert np.array_equal(model(np.arange(9)).data, model(np.arange(9)).data)


def test_without_validation_the_last_weights_stay(tmp_path):
    whole, half, rest = Taste(), Taste(), Taste()
    train(whole)
    stopped = train(half, checkpoint=tmp_path / "run.npz", callback=lambda progress: progress.epoch == 2)
    assert stopped.epoch == 2
    train(rest, checkpoint=tmp_path / "run.npz")
    assert content(rest) == content(whole) != content(half)


def test_early_stopping_keeps_the_best():
    model, states, scores = Taste(), [], iter([0.1, 0.3, 0.3, 0.2, 0.9])

    def validate():
        assert not model.drop.training
        states.append(content(model))
        return next(scores)

    progress = train(model, validate=validate, patience=2)
    assert (progress.epoch, progress.best, progress.scores) == (4, 2, [0.1, 0.3, 0.3, 0.2])
    assert content(model) == states[1]


def test_what_is_not_finite_is_refused():
    model = Taste()
    with pytest.raises(ModelFitError, match=r"epoch 0, step 1: the loss is nan; lower the learning rate"):
        train(model, loss=lambda samples: model.loss(samples) * np.nan)
    model = Taste()
    with pytest.raises(ModelFitError, match=r"epoch 0, step 1: the gradient of parameter 'users.weight' has norm inf"):
        train(model, loss=lambda samples: (model.users.weight * np.float32(1e30)).sum())
    model = Taste()
    with pytest.raises(ModelFitError, match=r"epoch 0: the validation score is not a number"):
        train(model, validate=lambda: float("nan"))


def test_checkpoints_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    train(Taste(), checkpoint=path, epochs=1)
    good = path.read_bytes()
    for model, more, message in (
        (Taste(), {"seed": 4}, "this training has"),
        (Taste(), {"purpose": "other data"}, "this training has .*other data"),
        (Taste(d=9), {}, "another model: load_state: items.weight"),
    ):
        with pytest.raises(ModelFileError, match=message):
            train(model, checkpoint=path, **more)
    model = Taste()
    with pytest.raises(ModelFileError, match="'Adam'"):
        train(model, SGD(model.parameters(), 0.1), checkpoint=path)
    assert path.read_bytes() == good
    for damaged in (b"", good[:200], good[:-30], b"not an archive"):
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"run.npz is not a .*checkpoint"):
            train(Taste(), checkpoint=path)
        assert path.read_bytes() == damaged


def test_no_batches():
    model = Taste()
    progress = train(model, each=lambda epoch, rng: [], epochs=1)
    assert np.isnan(progress.losses[0])
    assert content(model) == content(Taste())


def test_a_checkpoint_of_the_other_backend_is_refused(tmp_path):
    """It would go on to bytes that neither backend gives alone."""
    pytest.importorskip("numba")
    path = tmp_path / "run.npz"
    with options(backend="numba"):
        train(Taste(), checkpoint=path, epochs=1)
    with options(backend="numpy"), pytest.raises(ModelFileError, match="backend"):
        train(Taste(), checkpoint=path, epochs=2)
