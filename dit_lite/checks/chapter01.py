"""Exercises of chapter 1: the forward process, a conversion, a sampler, guidance,
the best possible denoiser, and a training step.
"""

import torch
from torch import Tensor, nn

from ..diffusion import PATHS, ExactDenoiser, guide, target
from ..seeding import seeded
from .exercise import ByClass, exercise, images, require, same


@exercise("01.1")
def forward_process(noisy) -> None:
    """noisy(x0, eps, t) on the linear path."""
    x0, eps = images()
    t = torch.tensor([0.0, 0.25, 0.7, 1.0])
    same(
        noisy(x0, eps, t),
        PATHS["linear"].mix(x0, eps, t),
        "At t = 0 the result must be the image, at t = 1 the noise. Each image of the "
        "batch has its own t, so reshape t to broadcast over the images first.",
    )


@exercise("01.2")
def image_from_v(image) -> None:
    """image(x, v, t) on the cosine path."""
    x0, eps = images(seed=1)
    t = torch.tensor([0.1, 0.4, 0.6, 0.9])
    path = PATHS["cosine"]
    x, v = path.mix(x0, eps, t), target("v", path, x0, eps, t)
    same(
        image(x, v, t),
        x0,
        "Two equations, x = a x0 + s eps and v = a eps - s x0: combine them so that "
        "eps drops out, and remember that a^2 + s^2 = 1.",
    )


@exercise("01.3")
def euler_sampler(sampler) -> None:
    """sampler(velocity, x, steps) from t = 1 to t = 0."""
    x, goal = images(seed=2)
    asked = []

    def velocity(x, t):
        asked.append(float(t))
        # on the straight line from noise to the goal
        return (x - goal) / max(float(t), 1e-9)

    same(
        # a copy, since `x -= ...` is a right answer too
        sampler(velocity, x.clone(), 8),
        goal,
        "On this straight line Euler's steps end exactly at the image. Does every "
        "step have length 1/steps, downwards in t?",
        1e-4,
    )
    require(
        len(asked) == 8,
        f"8 Euler steps call the network 8 times; yours called it {len(asked)} times.",
    )
    hint = "Call it at the time at which each step begins: 1, 7/8, ..., 1/8."
    require(
        all(abs(t - (1 - i / 8)) < 1e-6 for i, t in enumerate(asked)),
        f"The network was called at t = {', '.join(f'{t:.3g}' for t in asked)}. {hint}",
    )
    curved = sampler(lambda x, t: 2 * float(t) * x, x.clone(), 4)
    wanted = x
    for i in range(4):
        wanted = wanted - 2 * (1 - i / 4) * wanted / 4
    same(
        curved,
        wanted,
        "Every step must call the network at the state that the last step reached.",
    )


@exercise("01.4")
def guided_velocity(guided) -> None:
    """guided(model, x, t, y, w) with a null class."""
    x, _ = images(seed=3)
    t = torch.rand(4, generator=torch.Generator().manual_seed(4))
    # not every class occurs, so that "no class" is not one above the largest
    for classes, labels in ((3, [0, 1, 1, 0]), (7, [4, 2, 1, 2])):
        model, y = ByClass(classes), torch.tensor(labels)
        plain, null = model(x, t, y), model(x, t, torch.full_like(y, classes))
        said = y.clone()
        same(
            guided(model, x, t, said, 1.0),
            plain,
            "With w = 1 the result must be the conditional model itself.",
        )
        same(
            guided(model, x, t, said, 0.0),
            null,
            "With w = 0 the result must be the model's answer for no class. Classes "
            f"are numbered 0 to {classes - 1}, and no class is "
            "model.config.num_classes, whichever labels are requested.",
        )
        same(
            guided(model, x, t, said, 2.5),
            guide(null, plain, 2.5),
            "w = 0 and w = 1 are right. For every other w, (6) is linear in w: it "
            "combines the two answers, not the labels.",
        )
        require(
            torch.equal(said, y),
            "Your function changed the labels it was given. Make new ones for no "
            "class.",
        )


@exercise("01.5")
def best_denoiser(posterior_mean) -> None:
    """posterior_mean(x, t, data) on the linear path."""
    data, _ = images(batch=6, seed=5)
    x, _ = images(batch=3, seed=6)
    for t in (0.2, 0.5, 0.9):
        wanted = ExactDenoiser(data, PATHS["linear"])(x, t).x0
        same(
            posterior_mean(x, t, data),
            wanted,
            "Check three things: the distance is from x to (1-t) x0 and is squared, "
            "the softmax runs over the data, and the average is over the images "
            "themselves.",
            1e-4,
        )


class Noticing(nn.Module):
    """A small model that keeps its inputs: x (B, C, H, W), t (B,), y (B,)."""

    class config:
        num_classes = 5

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.3))
        self.shift = nn.Parameter(torch.tensor(0.1))
        self.asked: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        self.asked.append((x.detach(), t.detach(), y))
        return self.scale * x + self.shift * (y + t).view(-1, 1, 1, 1)


def _asked_once(model: Noticing, x0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The one call's inputs, float64; a hint if their number or shapes are wrong."""
    require(
        len(model.asked) == 1,
        f"One step calls the model once; yours called it {len(model.asked)} times.",
    )
    (x, t, y) = model.asked.pop()
    require(
        x.shape == x0.shape and t.shape == y.shape == (len(x0),),
        f"The model takes x {tuple(x0.shape)}, t ({len(x0)},) and y ({len(x0)},); "
        f"it got {tuple(x.shape)}, {tuple(t.shape)} and {tuple(y.shape)}.",
    )
    return x.double(), t.double(), y


def _start() -> tuple[Noticing, list[Tensor]]:
    model = Noticing()
    return model, [p.detach().clone() for p in model.parameters()]


def _same_draws(x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
    """The noise that was mixed in, (B, C, H, W); a hint unless it is noise."""
    eps = (x - (1 - t) * x0.double()) / t
    mean, spread = eps.mean().item(), eps.std().item()
    match = (eps * x0.double()).mean().abs().item()
    require(
        abs(spread - 1) < 0.1 and abs(mean) < 0.1 and match < 0.1,
        "The model's input is not (1-t) x0 + t eps with fresh standard normal noise "
        f"for every pixel: eps would have mean {mean:.2f} and standard deviation "
        f"{spread:.2f}.",
    )
    return eps.float()


@exercise("01.6")
def training_step(step) -> None:
    """step(model, optimiser, x0, y) of flow matching, with its own draws."""
    generator = torch.Generator().manual_seed(7)
    x0 = torch.randn(2000, 1, 2, 2, generator=generator)
    y = torch.randint(5, (2000,), generator=generator)
    model, before = _start()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with seeded(0):
        for _ in range(2):  # the first step's gradient must not move the second
            model.asked.clear()
            for p, old in zip(model.parameters(), before, strict=True):
                p.data.copy_(old)
            got = step(model, optimiser, x0.clone(), y.clone())
    require(
        got is not None and got is not Ellipsis,
        "The function returns nothing yet: replace `...` and return the loss.",
    )
    x, t, asked = _asked_once(model, x0)
    require(
        t.min() >= 0 and t.max() <= 1 and t.std() > 0.05,
        f"The times range from {t.min():.2f} to {t.max():.2f}; draw one for each "
        "image independently, between 0 and 1.",
    )
    kept, others = (asked == y).double().mean().item(), asked[asked != y]
    require(
        bool((others == 5).all()) and 0.75 < kept < 0.85,
        f"{kept:.0%} of the labels were kept, and the rest became "
        f"{sorted(set(others.tolist()))}. Replace each label by no class with "
        "probability one in five.",
    )
    told = t > 1e-3  # where the noise can be recovered
    eps = _same_draws(x[told], x0[told], t[told].view(-1, 1, 1, 1))
    now = [p.detach().clone() for p in model.parameters()]
    for p, old in zip(model.parameters(), before, strict=True):
        p.data.copy_(old)
    answer = model(x.float(), t.float(), asked)[told]
    loss = (answer - (eps - x0[told])).square().mean()
    value = torch.as_tensor(got).detach().double()
    require(
        value.numel() == 1 and abs(value.item() - loss.item()) < 0.01 * loss.item(),
        f"You return the loss {str(value.tolist())[:20]}; the mean squared error of "
        f"this model against the velocity is {loss.item():.3f}.",
    )
    slopes = torch.autograd.grad(loss, [*model.parameters()])
    for new, old, slope in zip(now, before, slopes, strict=True):
        wanted, moved = -0.1 * slope, new - old
        require(
            (moved - wanted).abs() < 0.02 * wanted.abs() + 1e-4,
            f"A weight moved by {moved.item():.3g}; one step down the gradient of "
            f"this loss moves it by {wanted.item():.3g}. Did you clear the previous "
            "step's gradients, and call the optimiser's step once?",
        )
