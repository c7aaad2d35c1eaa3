"""Blend and Adjusted: their scores against those of the models that they are made of, files, and what they are refused for."""

import numpy as np
import pytest

import minirec as mr
from minirec.errors import ParameterError
from minirec.testing.sets import shop
from minirec.testing.tools import all_scores, lists

ALS = {"factors": 4, "iterations": 3}


@pytest.mark.parametrize(("weight", "tail_exponent"), [(0.0, 0.0), (0.4, 0.3), (1.0, 0.1)])
def test_a_blend_has_the_scores_of_both_each_by_its_deviation(weight, tail_exponent):
    data = shop()
    model = mr.Blend(base="ease", other="als", other_params=ALS, weight=weight, tail_exponent=tail_exponent).fit(data)
    expected = np.zeros((data.n_users, data.n_items))
    for share, member in ((1 - weight, mr.EASE()), (weight, mr.ALS(**ALS))):
        scores = all_scores(member.fit(data)).astype(np.float64)
        expected += share * scores / scores.std(axis=1, keepdims=True)
    assert np.allclose(all_scores(model), expected / data.item_counts**tail_exponent, rtol=1e-4, atol=1e-4)


def test_adjusted_scores_are_less_by_the_logarithm_of_popularity():
    data = shop()
    model = mr.Adjusted(base="als", base_params=ALS, tail_exponent=0.7).fit(data)
    expected = all_scores(mr.ALS(**ALS).fit(data)) - 0.7 * np.log(data.item_counts)
    assert np.allclose(all_scores(model), expected, atol=1e-5)
    assert all_scores(mr.Adjusted(base="als", base_params=ALS, tail_exponent=0.0).fit(data)) == pytest.approx(
        all_scores(mr.ALS(**ALS).fit(data)), abs=1e-6
    )


@pytest.mark.parametrize("base", ["sasrec", "userknn", "popularity"])
def test_other_kinds_of_models(base, tmp_path):
    """A model of sequences, one that needs its users, and one without histories; in a file and back."""
    data = shop()
    settings = {"factors": 8, "iterations": 2, "validation_share": 0.0} if base == "sasrec" else {}
    for model in (
        mr.Blend(base=base, base_params=settings, other="ease"),
        mr.Adjusted(base=base, base_params=settings, tail_exponent=0.1),
    ):
        model.fit(data)
        model.save(tmp_path / "model.npz")
        again = mr.load_model(tmp_path / "model.npz")
        assert lists(again.recommend()) == lists(model.recommend())
        assert again.get_params() == model.get_params()
        new = [[data.items[3], data.items[1]]]
        assert lists(again.recommend(history=new)) == lists(model.recommend(history=new))


def test_adjusted_knows_what_its_model_knows():
    data = mr.synthetic(n_users=60, n_items=90, n_events=160, seed=4)
    own = mr.UserKNN(neighbors=5).fit(data).recommend(k=90)
    less = mr.Adjusted(base="userknn", base_params={"neighbors": 5}, tail_exponent=0.5).fit(data).recommend(k=90)
    assert [set(items) for _, items, _ in own] == [set(items) for _, items, _ in less]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base": "nothing"}, "base must name a model, got 'nothing'"),
        ({"base_params": [1]}, "base_params must be None or a dictionary"),
        ({"base_params": {"factor": 3}}, "EASE has no parameter factor"),
        ({"other": "als", "other_params": {"factors": 0}}, "factors must be a whole number"),
        ({"weight": 1.5}, "weight must be"),
    ],
)
def test_parameters_are_checked(settings, message):
    with pytest.raises(ParameterError, match=message):
        mr.Blend(**settings).fit(shop())
