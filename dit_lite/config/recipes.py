"""The default training settings of each data set."""

#: The defaults of `train DATA`. A folder of your own starts from the CIFAR-10 recipe.
RECIPES = {
    "digits": dict(
        preset="digits",
        steps=1000,
        batch_size=96,
        lr=8e-3,
        warmup=50,
        ema_decay=0.99,
        label_dropout=0.2,
    ),
    "shapes": dict(
        preset="S/4",
        changes=dict(conditioning="adaln_zero_cross"),
        steps=20_000,
        batch_size=256,
        lr=1e-3,
        warmup=500,
        ema_decay=0.999,
        label_dropout=0.1,
    ),
    "cifar10": dict(
        preset="S/2",
        steps=20_000,
        batch_size=256,
        lr=4e-4,
        warmup=500,
        ema_decay=0.999,
        label_dropout=0.1,
    ),
    "imagenet64": dict(
        preset="B/4",
        steps=40_000,
        batch_size=256,
        lr=3e-4,
        warmup=1000,
        ema_decay=0.9995,
        label_dropout=0.1,
    ),
}
#: The same at budget cpu, where it differs: a little over an hour on two cores. A token
#: of D = 128 numbers cannot carry the noise of an 8x8 patch, which has 192 (chapter 2),
#: so the model of 64x64 pixels predicts the image.
CPU_RECIPES = {
    "shapes": dict(
        preset="S/4",
        changes=dict(
            width=128, depth=6, heads=4, conditioning="adaln_zero_cross", data_std=0.5
        ),
        steps=20_000,
        batch_size=64,
        lr=2e-3,
        warmup=300,
        ema_decay=0.999,
        label_dropout=0.1,
    ),
    "cifar10": dict(
        preset="S/4",
        changes=dict(width=128, depth=6, heads=4),
        steps=10_000,
        batch_size=64,
        lr=2e-3,
        warmup=300,
        ema_decay=0.999,
        label_dropout=0.1,
    ),
    "imagenet64": dict(
        preset="S/8",
        changes=dict(width=128, depth=6, heads=4, objective="x0"),
        steps=7_000,
        batch_size=64,
        lr=2e-3,
        warmup=300,
        ema_decay=0.9995,
        label_dropout=0.1,
    ),
}
#: The fields of a run that a recipe decides.
RECIPE_FIELDS = tuple(RECIPES["digits"])
