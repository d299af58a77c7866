"""Against the numbers of sections 14 and 15 of the reference."""

import pytest
import torch
from torch import nn

from engine.config import OptimizerConfig
from engine.training.optimizer import build_optimizer, clip_gradients, divide_gradients, learning_rate

BASE = OptimizerConfig(peak_lr=5e-4, schedule="polynomial", warmup=0.08)
TRI = OptimizerConfig(peak_lr=1.0, schedule="tri_stage", warmup=0.1, hold=0.4)


@pytest.mark.parametrize(
    ("done", "rate"),
    [(0, 0.0), (16_000, 2.5e-4), (32_000, 5e-4), (100_000, 4.0761e-4), (216_000, 2.5e-4), (400_000, 0.0)],
)
def test_polynomial_of_base(done: int, rate: float) -> None:
    assert learning_rate(done, 400_000, BASE) == pytest.approx(rate, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("done", "share"),
    [
        (0, 0.01),
        (1_000, 0.505),
        (2_000, 1.0),
        (9_999, 1.0),
        (12_500, 0.472871),
        (15_000, 0.223607),
        (17_500, 0.105737),
        (20_000, 0.05),
        (25_000, 0.05),
    ],
)
def test_tri_stage(done: int, share: float) -> None:
    assert learning_rate(done, 20_000, TRI) == pytest.approx(share, rel=1e-5)


def test_constant_after_its_warm_up() -> None:
    config = OptimizerConfig(peak_lr=0.1, schedule="constant", warmup=0.5)
    assert [learning_rate(done, 8, config) for done in (1, 2, 4, 8)] == pytest.approx([0.025, 0.05, 0.1, 0.1])


@pytest.mark.parametrize("schedule", ["polynomial", "tri_stage", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_extreme_shares_stay_finite(schedule: str, warmup: float) -> None:
    config = OptimizerConfig(peak_lr=1.0, schedule=schedule, warmup=warmup, hold=1 - warmup)  # type: ignore[arg-type]
    assert all(0 <= learning_rate(done, 10, config) <= 1 for done in range(12))


def test_all_parameters_decay_and_those_without_gradient_stay() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = build_optimizer(model, OptimizerConfig(peak_lr=0.1, weight_decay=0.5), torch.device("cpu"))
    for parameter in model[1].parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    after = model.state_dict()
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert torch.allclose(after["1.weight"], before["1.weight"] * (1 - 0.1 * 0.5))


def test_gradients_are_divided_once_and_clipped_to_the_limit() -> None:
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    parameters[0].grad, parameters[1].grad = torch.tensor([12.0, 0.0]), torch.tensor([16.0])
    divide_gradients(parameters, 4)
    assert float(clip_gradients(parameters, 0.0)) == pytest.approx(5.0)
    assert parameters[1].grad.tolist() == [4.0]
    clip_gradients(parameters, 2.5)
    assert parameters[0].grad.tolist() == pytest.approx([1.5, 0.0], rel=1e-4)
