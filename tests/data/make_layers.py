"""Makes layers.npz: what PyTorch computes for the layers and losses of minirec.engine: inputs, results and gradients, in float64.

    python make_layers.py

Run by hand where PyTorch is installed (made with 2.14); the tests read the file and need no PyTorch, but where it is installed they
compare other numbers with it as well. Inputs and parameters have the names and shapes that minirec gives them.
Sequences have 7, 1 and 4 events, padded for PyTorch and packed here; the loss is the sum of the results, each times a fixed number.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

LENGTHS = (7, 1, 4)
TOKENS, LONGEST, D = sum(LENGTHS), max(LENGTHS), 4


def padded(x):
    """(tokens, d) -> (sequences, longest, d)."""
    return nn.utils.rnn.pad_sequence(list(torch.split(x, LENGTHS)), batch_first=True)


def packed(x):
    """(sequences, longest, d) -> (tokens, d)."""
    return torch.cat([x[s, :n] for s, n in enumerate(LENGTHS)])


def called(module, values, *inputs):
    """A module of PyTorch with these parameters."""
    return torch.func.functional_call(module, values, inputs)


def linear(g, name, x):
    return F.linear(x, g[f"{name}.weight"].T, g[f"{name}.bias"])


def norm(g, name, x):
    return F.layer_norm(x, (D,), g[f"{name}.weight"], g[f"{name}.bias"])


# ---- layers -----------------------------------------------------------------------------------------------------------------


def sequential(g):
    steps = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3))
    return called(
        steps, {at: g[f"steps.{at}"].T if at in ("0.weight", "3.weight") else g[f"steps.{at}"] for at in steps.state_dict()}, g["x"]
    )


def scaled_attention(g):
    by_head = (padded(g[name]).view(len(LENGTHS), LONGEST, 2, D // 2).transpose(1, 2) for name in "qkv")
    out = F.scaled_dot_product_attention(*by_head, is_causal=True)
    return packed(out.transpose(1, 2).reshape(len(LENGTHS), LONGEST, D))


def multi_head(g, x, memory, prefix=""):
    """The parameters of `nn.MultiheadAttention`, and what it makes of padded sequences."""
    names = [f"{prefix}{part}" for part in ("query", "key", "value")]
    values = {
        "in_proj_weight": torch.cat([g[f"{name}.weight"].T for name in names]),
        "in_proj_bias": torch.cat([g[f"{name}.bias"] for name in names]),
        "out_proj.weight": g[f"{prefix}out.weight"].T,
        "out_proj.bias": g[f"{prefix}out.bias"],
    }
    layer, later = nn.MultiheadAttention(D, 2, batch_first=True), nn.Transformer.generate_square_subsequent_mask(LONGEST)
    asked = {"attn_mask": later, "is_causal": True, "need_weights": False}
    return values, torch.func.functional_call(layer, values, (x, memory, memory), asked)[0]


def attention(g):
    return packed(multi_head(g, padded(g["x"]), padded(g["memory"]))[1])


def post_block(g):
    x = padded(g["x"])
    query = norm(g, "norms.0", x)
    y = norm(g, "norms.1", query + multi_head(g, query, x, "attention.")[1])
    return packed(y + linear(g, "out", torch.relu(linear(g, "into", y))))


def pre_block(g):
    layer = nn.TransformerEncoderLayer(D, 2, 6, 0.0, norm_first=True, batch_first=True)
    x = padded(g["x"])
    values = {f"self_attn.{name}": value for name, value in multi_head(g, x, x, "attention.")[0].items()}
    values |= {f"norm{at + 1}.{part}": g[f"norms.{at}.{part}"] for at in (0, 1) for part in ("weight", "bias")}
    for theirs, ours in (("linear1", "into"), ("linear2", "out")):
        values |= {f"{theirs}.weight": g[f"{ours}.weight"].T, f"{theirs}.bias": g[f"{ours}.bias"]}
    return packed(called(layer, values, x, nn.Transformer.generate_square_subsequent_mask(LONGEST)))


def ligr_block(g):
    x = padded(g["x"])
    query = norm(g, "norms.0", x)
    y = x + torch.sigmoid(linear(g, "gates.0", x)) * multi_head(g, query, query, "attention.")[1]
    z = norm(g, "norms.1", y)
    change = linear(g, "out", F.silu(linear(g, "gates.2", z)) * linear(g, "into", z))
    return packed(y + torch.sigmoid(linear(g, "gates.1", y)) * change)


def gru(g):
    values = {"weight_ih_l0": g["into.weight"].T, "weight_hh_l0": g["weight"].T, "bias_ih_l0": g["into.bias"], "bias_hh_l0": g["bias"]}
    return packed(called(nn.GRU(6, D, batch_first=True), values, padded(g["x"]))[0])


def causal_convolution(g):
    weight = g["weight"].permute(2, 1, 0)
    return packed(F.conv1d(F.pad(padded(g["x"]).transpose(1, 2), (4, 0)), weight, g["bias"], dilation=2).transpose(1, 2))


def causal_filter(g):
    """The circular convolution of the padded sequences, as a product of transforms."""
    both = (torch.fft.rfft(x, 2 * LONGEST, dim=-2) for x in (padded(g["x"]), g["weight"]))
    return packed(torch.fft.irfft(next(both) * next(both), 2 * LONGEST, dim=-2))


def convolution_2d(g):
    return F.max_pool2d(F.conv2d(g["x"], g["weight"], g["bias"], stride=2, padding=1), 2)


def horizontal_convolution(g):
    return torch.relu(F.conv2d(g["x"][:, None], g["weight"][:, None], g["bias"])).amax((2, 3))


def vertical_convolution(g):
    return F.conv2d(g["x"][:, None], g["weight"][:, None, :, None])[:, :, 0]


def target_attention(g):
    values, own = padded(g["values"]), padded(g["own"])
    targets, asked = (padded(g[name].flatten(1)).unflatten(2, g[name].shape[1:]) for name in ("targets", "asked"))
    products = values[:, None, None] * targets[:, :, :, None]  # (sequences, place, candidate, event, d)
    x = own[:, None, None] + asked[:, :, :, None] + products @ g["product"]
    weights = F.prelu(x.flatten(0, -2), g["slope"]).view(x.shape) @ g["weight"] + g["bias"]
    seen = torch.ones(LONGEST, LONGEST).tril()[:, None]
    return packed(torch.einsum("btcs,bsd->btcd", weights * seen, values))


# ---- losses -----------------------------------------------------------------------------------------------------------------


def sampled_softmax(g):
    scores = g["hidden"] @ g["table"].T - g["log_q"]
    negative = scores[:, g["negatives"]].masked_fill(g["targets"][:, None] == g["negatives"], -torch.inf)
    positive = scores.gather(1, g["targets"][:, None])
    return F.cross_entropy(torch.cat((positive, negative), 1), torch.zeros(len(scores), dtype=torch.long))


def gbce(g):
    rate = g["negative"].shape[1] / 19  # of 20 items
    power = rate * (0.75 * (1 - 1 / rate) + 1 / rate)
    positive, negative = torch.sigmoid(g["positive"]) ** power, torch.sigmoid(g["negative"])
    both = torch.cat((positive[:, None], negative), 1)
    return F.binary_cross_entropy(both, torch.eye(both.shape[1])[:1].expand(both.shape))


def warp(g):
    """Of 20 items: negatives are tried in turn until one breaks the margin, as number N; its rank is then about 19 / N."""
    losses = []
    for positive, negatives in zip(g["positive"], g["negative"], strict=True):
        loss = 0 * positive
        for number, negative in enumerate(negatives, 1):
            if negative > positive - 1:
                loss = sum(1 / s for s in range(1, 19 // number + 1)) * torch.relu(1 - positive + negative)
                break
        losses.append(loss)
    return torch.stack(losses).mean()


def cosine_contrastive(g):
    (n, m, d), user = g["negative"].shape, g["user"]
    positive = F.cosine_embedding_loss(user, g["positive"], torch.ones(n))
    against = user[:, None].expand(n, m, d).reshape(-1, d), g["negative"].reshape(-1, d)
    return positive + 3 * F.cosine_embedding_loss(*against, -torch.ones(n * m), margin=0.2)


def multinomial(logits, counts):
    return -(counts * F.log_softmax(logits, 1)).sum(1).mean()


def gaussian_kl(g):
    normal = torch.distributions.Normal(g["mean"], (g["log_variance"] / 2).exp())
    return torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()


def dense(inputs, outputs, name=""):
    return {f"{name}weight": (inputs, outputs), f"{name}bias": (outputs,)}


def norms(*names):
    return {f"{name}{part}": (D,) for name in names for part in ("weight", "bias")}


def projections(prefix=""):
    return dense(D, D, f"{prefix}query.") | dense(D, D, f"{prefix}key.") | dense(D, D, f"{prefix}value.") | dense(D, D, f"{prefix}out.")


X = {"x": (TOKENS, D)}
BLOCK = X | projections("attention.") | norms("norms.0.", "norms.1.") | dense(D, 6, "into.") | dense(6, D, "out.")
GATES = dense(D, D, "gates.0.") | dense(D, D, "gates.1.") | dense(D, 6, "gates.2.")
SCORED = {"hidden": (5, 4), "table": (6, 4)}
ROWS, TARGETS, NEGATIVES = np.array([[2, 0], [2, 3], [5, 5]]), np.array([1, 0, 4, 4, 2]), np.array([3, 1, 1, 4])
COUNTS = np.array([[2, 0, 1, 0, 0, 3], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 5, 0]])
LOG_Q = np.log(np.array([0.3, 1.2, 0.5, 2.0, 0.9, 0.1]))
SHARES, WEIGHTS = np.array([[1, 0, 0.25]]), np.array([[1], [2], [0], [0.5], [1]])

# name: the function, and its arguments: shapes of those that gradients are taken by, arrays of constants
CASES = {
    "linear": (lambda g: F.linear(g["x"], g["weight"].T, g["bias"]), {"x": (3, 4, 6)} | dense(6, 5)),
    "embedding": (lambda g: F.embedding(g["rows"], g["weight"]), {"weight": (7, 4), "rows": ROWS}),
    "layer_norm": (lambda g: F.layer_norm(g["x"], (D,), g["weight"], g["bias"]), X | norms("")),
    "prelu": (lambda g: F.prelu(g["x"], g["slope"]), X | {"slope": (D,)}),
    "feed_forward": (lambda g: linear(g, "steps.3", F.gelu(linear(g, "steps.0", g["x"]), approximate="tanh")),
                     X | dense(D, 6, "steps.0.") | dense(6, 5, "steps.3.")),
    "sequential": (sequential, {"x": (4, 6)} | dense(6, 5, "steps.0.") | {"steps.2.weight": (5,), "steps.2.bias": (5,)}
                   | dense(5, 3, "steps.3.")),
    "scaled_attention": (scaled_attention, dict.fromkeys("qkv", (TOKENS, D))),
    "attention": (attention, X | {"memory": (TOKENS, D)} | projections()),
    "post_block": (post_block, BLOCK),
    "pre_block": (pre_block, BLOCK),
    "ligr_block": (ligr_block, BLOCK | GATES),
    "gru": (gru, {"x": (TOKENS, 6)} | dense(6, 3 * D, "into.") | dense(D, 3 * D)),
    "causal_convolution": (causal_convolution, X | {"weight": (3, D, 5), "bias": (5,)}),
    "causal_filter": (causal_filter, X | {"weight": (5, D)}),
    "convolution_2d": (convolution_2d, {"x": (2, 3, 7, 6), "weight": (4, 3, 3, 2), "bias": (4,)}),
    "horizontal_convolution": (horizontal_convolution, {"x": (4, 5, 3), "weight": (6, 2, 3), "bias": (6,)}),
    "vertical_convolution": (vertical_convolution, {"x": (4, 5, 3), "weight": (2, 5)}),
    "target_attention": (target_attention, {"values": (TOKENS, D), "targets": (TOKENS, 2, D), "own": (TOKENS, 6), "asked": (TOKENS, 2, 6),
                                            "product": (D, 6), "slope": (6,), "weight": (6,), "bias": (1,)}),
    "binary_cross_entropy": (
        lambda g: F.binary_cross_entropy_with_logits(g["x"], g["shares"].expand(5, 3), g["weights"]),
        {"x": (5, 3), "shares": SHARES, "weights": WEIGHTS},
    ),
    "bpr": (lambda g: -F.logsigmoid(g["positive"][:, None] - g["negative"]).mean(), {"positive": (5,), "negative": (5, 3)}),
    "gbce": (gbce, {"positive": (5,), "negative": (5, 3)}),
    "cosine_contrastive": (cosine_contrastive, {"user": (5, 4), "positive": (5, 4), "negative": (5, 3, 4)}),
    "sampled_softmax": (sampled_softmax, SCORED | {"targets": TARGETS, "negatives": NEGATIVES, "log_q": LOG_Q}),
    "softmax_cross_entropy": (lambda g: F.cross_entropy(g["hidden"] @ g["table"].T, g["targets"]), SCORED | {"targets": TARGETS}),
    "multinomial": (lambda g: multinomial(g["x"], g["counts"]), {"x": (5, 6), "counts": COUNTS}),
    "softmax_multinomial": (lambda g: multinomial(g["hidden"] @ g["table"].T + g["bias"], g["counts"]),
                            SCORED | {"bias": (6,), "counts": COUNTS}),
    "gaussian_kl": (gaussian_kl, {"mean": (5, 4), "log_variance": (5, 4)}),
    "warp": (warp, {"positive": (6,), "negative": (6, 4)}),
}  # fmt: skip


def computed(name, seed):
    """Inputs, the result ("out"), the weights of its sum ("gradient"), and the gradients of that by the inputs ("by_*")."""
    function, arguments = CASES[name]
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    given = {label: torch.randn(shape) if isinstance(shape, tuple) else torch.from_numpy(shape) for label, shape in arguments.items()}
    free = {label: given[label].requires_grad_() for label, shape in arguments.items() if isinstance(shape, tuple)}
    out = function(given)
    weights = torch.randn_like(out)
    gradients = torch.autograd.grad((out * weights).sum(), list(free.values()))
    found = given | {"out": out, "gradient": weights} | {f"by_{label}": g for label, g in zip(free, gradients, strict=True)}
    return {label: value.detach().numpy() for label, value in found.items()}


if __name__ == "__main__":
    arrays = {f"{name}.{label}": array for number, name in enumerate(CASES) for label, array in computed(name, number).items()}
    np.savez_compressed(Path(__file__).with_name("layers.npz"), **arrays)
