"""Makes layers.npz: what PyTorch computes for the layers of sequence models, inputs, results and gradients, in float32.

    python make_layers.py

Run by hand where PyTorch is installed (made with 2.14); the tests read the file and need no PyTorch.
Sequences have 7, 1 and 4 events, padded for PyTorch and packed here; the loss is the sum of the results, each times a fixed number.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

LENGTHS = (7, 1, 4)


def tensor(*shape):
    return torch.randn(*shape, requires_grad=True)


def packed(padded):
    """(sequences, longest, d) -> (tokens, d)."""
    return torch.cat([padded[s, :n] for s, n in enumerate(LENGTHS)])


def keep(arrays, name, out, **inputs):
    """The inputs, the result, the weights of its sum, and the gradients of that by the inputs, under name.*"""
    weights = torch.randn_like(out)
    gradients = torch.autograd.grad((out * weights).sum(), list(inputs.values()))
    arrays |= {f"{name}.out": out, f"{name}.gradient": weights}
    for (label, value), gradient in zip(inputs.items(), gradients, strict=True):
        arrays |= {f"{name}.{label}": value, f"{name}.by_{label}": gradient}


def main():
    torch.manual_seed(0)
    arrays, longest, d = {}, max(LENGTHS), 8

    def padded(x):
        parts = torch.split(x, LENGTHS)
        return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)

    def by_head(x):
        return padded(x).view(len(LENGTHS), longest, 2, d // 2).transpose(1, 2)

    q, k, v = (tensor(sum(LENGTHS), d) for _ in range(3))
    out = F.scaled_dot_product_attention(by_head(q), by_head(k), by_head(v), is_causal=True)
    keep(arrays, "attention", packed(out.transpose(1, 2).reshape(len(LENGTHS), longest, d)), q=q, k=k, v=v)

    x, weights, bias = tensor(sum(LENGTHS), 3 * d), tensor(3 * d, d), tensor(3 * d)
    cell = torch.nn.GRU(3 * d, d, batch_first=True)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    values = dict(zip(names, (torch.eye(3 * d), weights, torch.zeros(3 * d), bias), strict=True))
    out, _ = torch.func.functional_call(cell, values, (padded(x),))
    keep(arrays, "gru", packed(out), x=x, weights=weights, bias=bias)

    x, weights, bias = tensor(sum(LENGTHS), d), tensor(5, d, 3), tensor(5)
    out = F.conv1d(F.pad(padded(x).transpose(1, 2), (4, 0)), weights, bias, dilation=2)
    keep(arrays, "convolution_1d", packed(out.transpose(1, 2)), x=x, weights=weights, bias=bias)

    x, weights, bias = tensor(2, 3, 7, 6), tensor(4, 3, 3, 2), tensor(4)
    out = F.max_pool2d(F.conv2d(x, weights, bias, stride=2, padding=1), 2)
    keep(arrays, "convolution_2d", out, x=x, weights=weights, bias=bias)

    np.savez_compressed(Path(__file__).with_name("layers.npz"), **{name: value.detach().numpy() for name, value in arrays.items()})


main()
