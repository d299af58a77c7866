"""What a CPU computes in its own way, against the plain formulation of torch, values and gradients in float64."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from engine.model.cpu import dropout, feature_block, positions, time_norm
from engine.model.cpu.attention import DroppedAttention
from engine.model.cpu.choice import suits_cpu
from engine.model.cpu.feature_block import BlockNorm, NormGeluConvolution
from engine.model.cpu.gelu_linear import GeluLinear
from engine.model.cpu.positions import PositionSums
from engine.model.cpu.shares import in_shares
from engine.model.cpu.wave_convolution import WaveConvolution


@pytest.fixture(params=[1, 3])
def threads(request):
    """The formulations divide their work by torch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def number(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def agree(ours, plain, inputs):
    """Same values, and same gradients of a random sum of them."""
    torch.testing.assert_close(ours, plain, atol=1e-12, rtol=1e-12)
    weights = torch.randn(plain.shape, dtype=plain.dtype, generator=torch.Generator().manual_seed(9))
    inputs = [part for part in inputs if part is not None]
    found, wanted = (torch.autograd.grad(y, inputs, weights) for y in (ours, plain))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("norm", ["none", "layer", "group"])
@pytest.mark.parametrize(("kernel", "stride", "steps"), [(3, 2, 31), (3, 2, 32), (2, 2, 21), (5, 2, 33), (2, 3, 20)])
def test_norm_gelu_convolution(threads, norm, kernel, stride, steps, monkeypatch):
    monkeypatch.setattr(feature_block, "BLOCK", 5)
    monkeypatch.setattr(time_norm, "BLOCK", 7)
    x, weight, bias = number(2, steps, 4), number(6, 4, kernel), number(6)
    gain, offset = (None, None) if norm == "none" else (number(4), number(4, seed=1))
    ours = NormGeluConvolution.apply(x, weight, bias, gain, offset, BlockNorm(norm, 1e-5), stride)
    normed = x
    if norm == "layer":
        normed = F.layer_norm(x, (4,), gain, offset)
    elif norm == "group":
        normed = F.group_norm(x.transpose(1, 2), 4, gain, offset).transpose(1, 2)
    plain = F.conv1d(F.gelu(normed).transpose(1, 2), weight, bias, stride).transpose(1, 2)
    agree(ours, plain, (x, weight, bias, gain, offset))


def test_fewer_steps_than_taps_are_refused():
    with pytest.raises(RuntimeError, match="longer waveform"):
        NormGeluConvolution.apply(number(1, 2, 4), number(6, 4, 3), None, None, None, BlockNorm("none"), 2)


@pytest.mark.parametrize("samples", [50, 53, 57])
def test_wave_convolution(samples):
    waveform, weight, bias = number(2, samples), number(6, 1, 10), number(6)
    ours = WaveConvolution.apply(waveform, weight, bias, 5)
    agree(ours, F.conv1d(waveform[:, None], weight, bias, 5).transpose(1, 2), (waveform, weight, bias))


@pytest.mark.parametrize(("kernel", "frames", "groups"), [(16, 9, 2), (128, 30, 2), (32, 40, 3)])
def test_positions(threads, kernel, frames, groups):
    x, weight, bias = number(2, frames, 6), number(6, 6 // groups, kernel), number(6)
    assert positions.divides(kernel)
    assert not positions.divides(kernel - 1)
    plain = F.conv1d(x.transpose(1, 2), weight, bias, padding=kernel // 2, groups=groups)[:, :, :-1].transpose(1, 2)
    agree(PositionSums.apply(x, weight, bias, groups), plain, (x, weight, bias))


@pytest.mark.parametrize("lengths", [None, [7, 4]])
def test_attention_with_dropout(threads, lengths):
    batch, frames, width, heads = 2, 7, 12, 3
    q, k, v = (number(batch, frames, width, seed=seed) for seed in range(3))
    seen = None if lengths is None else torch.arange(frames)[None] < torch.tensor(lengths)[:, None]
    torch.manual_seed(3)
    ours = DroppedAttention.apply(q, k, v, seen, heads, 0.3)
    torch.manual_seed(3)
    keep = dropout.keep_mask((batch, heads, frames, frames), 0.3)
    split = (part.view(batch, frames, heads, -1).transpose(1, 2) for part in (q, k, v))
    queries, keys, values = split
    scores = queries @ keys.transpose(2, 3) / math.sqrt(width // heads)
    if seen is not None:
        scores = scores.masked_fill(~seen[:, None, None], -math.inf)
    plain = ((scores.softmax(-1) * keep / 0.7) @ values).transpose(1, 2).reshape(batch, frames, width)
    agree(ours, plain, (q, k, v))


@pytest.mark.parametrize("probability", [0.0, 0.25])
def test_gelu_linear(probability):
    x, weight, bias = number(2, 3, 8), number(5, 8), number(5)
    torch.manual_seed(3)
    ours = GeluLinear.apply(x, weight, bias, probability)
    torch.manual_seed(3)
    keep = dropout.keep_mask((2, 3, 8), probability) if probability else 1
    agree(ours, F.linear(F.gelu(x) * keep / (1 - probability), weight, bias), (x, weight, bias))


@pytest.mark.parametrize("probability", [0.05, 0.1, 0.5])
def test_dropout_drops_its_share_and_keeps_the_mean(probability):
    torch.manual_seed(0)
    x = torch.ones(1001, 999, requires_grad=True)
    y = dropout.drop(x, probability, training=True)
    dropped = float((y == 0).double().mean())
    assert dropped == pytest.approx(probability, abs=4 * math.sqrt(probability * (1 - probability) / x.numel()))
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / (1 - probability)]))
    neighbours = torch.corrcoef(torch.stack([y.detach().flatten()[:-1], y.detach().flatten()[1:]]))[0, 1]
    assert abs(float(neighbours)) < 4e-3, "lanes of one random word are independent"
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())
    assert dropout.drop(x, probability, training=False) is x


def test_shares_cover_all_units_in_order_and_pass_errors_on(threads):
    for units in (0, 1, 2, 7):
        shares = in_shares(units, list)
        assert [unit for share in shares for unit in share] == list(range(units))
        assert len(shares) == min(threads, units)
    with pytest.raises(ZeroDivisionError):
        in_shares(4, lambda units: 1 // 0)


def test_plain_formulation_elsewhere():
    """Mixed precision, export and compilation see none of it."""
    x = torch.zeros(3)
    assert suits_cpu(x)
    assert not suits_cpu(x.to(torch.bfloat16))
    assert not suits_cpu(x.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not suits_cpu(x)

    class Choice(torch.nn.Module):
        def forward(self, x):
            return x + 1 if suits_cpu(x) else x - 1

    exported = torch.export.export(Choice(), (x,)).module()
    torch.testing.assert_close(exported(x), x - 1)
