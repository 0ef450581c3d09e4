"""Where the network looked: a heatmap for one answer, and its drawing over the face.

Works through `classifier.network` alone, for every architecture. It decides no labels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from emotion.model.classifier import EmotionClassifier
from emotion.predictions.calibration import scaled_logits

# Patch positions along each side: 121 pictures in one batch.
GRID = 11
# Standard deviation of a patch, as a part of the side: it hides about an eye or half a mouth.
PATCH = 0.09
# Standard deviation of the blur that hides a part, as a part of the side.
BLUR = 0.17
# Log-odds; when hiding changes less than this anywhere, the answer rests on no part.
LEAST_DROP = 0.02
# Where the parts of a face lie in a crop: from its middle to either side, and from the top, in sides. Read
# off crops of the examples; a pixel belongs to the nearest.
REGIONS = {
    "forehead": (0.10, 0.08),
    "between": (0.0, 0.27),
    "brows": (0.18, 0.25),
    "eyes": (0.18, 0.36),
    "nose": (0.0, 0.50),
    "cheeks": (0.27, 0.55),
    "corners": (0.16, 0.70),
    "mouth": (0.0, 0.73),
    "chin": (0.0, 0.93),
    "jaw": (0.30, 0.82),
}
# A region is named from this share of the hottest one's mean heat. In an even map, none is so much above the
# mean.
NAMED_FROM, UNEVEN = 0.7, 1.3
# Brightness of the picture where nothing matters.
DIMMED = 0.45

# The colour map viridis (Smith and van der Walt, 2015, CC0): heat, red, green and blue, 0 to 255. Linear in
# between, it is at most 3 of 255 from matplotlib's table.
VIRIDIS = np.array(
    [
        [0, 68, 1, 84], [20, 72, 29, 111], [35, 70, 48, 126], [59, 61, 77, 138], [93, 45, 112, 142],
        [132, 31, 148, 140], [147, 31, 162, 135], [162, 42, 176, 127], [179, 68, 191, 112],
        [198, 108, 205, 90], [223, 170, 220, 50], [237, 208, 225, 28], [244, 226, 228, 24],
        [253, 248, 230, 33], [255, 253, 231, 37],
    ]
)  # fmt: skip


def heatmap(classifier: EmotionClassifier, crop: np.ndarray, *, label: str | None = None) -> np.ndarray:
    """Show which parts of a face an answer rests on: float32 (size, size), 0 (no evidence) to 1 (the most).

    `crop` is the face as the network saw it, uint8 (size, size[, channels]); `label` is by default the most
    likely one. Hides one soft patch after the other and measures by how much the log-odds of the calibrated
    probability fall (log-odds, because a probability of 0.999 hardly moves). A pixel's heat is the mean fall
    over the patches, weighted by how much each hid that pixel. All zeros when hiding no part weakens the
    answer. ValueError if the crop does not have the network's size, or it has no output of this name.

    Occlusion is from Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
    section 4.2 (https://arxiv.org/abs/1311.2901). Two changes: hidden parts are blurred (Fong and Vedaldi,
    ICCV 2017, https://arxiv.org/abs/1704.03296), because the edges of a grey square are features themselves,
    and patches are averaged per pixel as in RISE (Petsiuk et al., BMVC 2018,
    https://arxiv.org/abs/1806.07421), which makes the map smooth.
    """
    size, channels = classifier.input_size, classifier.channels
    if crop.shape not in ((size, size), (size, size, channels)) or (channels > 1 and crop.ndim == 2):
        raise ValueError(
            f"The face crop has shape {crop.shape}, but the network reads ({size}, {size}, {channels}); "
            "make it with emotion.vision.crop.crop_face(picture, face, size=classifier.input_size, "
            "channels=classifier.channels)."
        )
    if label is not None and label not in classifier.outputs:
        raise ValueError(f"The model has no output {label!r}; choose one of {', '.join(classifier.outputs)}.")

    face = crop.reshape(size, size, channels).astype(np.float32)
    masks = _masks(size)
    weights = masks[..., None]
    pictures = np.concatenate([face[None], face * (1 - weights) + _blurred(face) * weights])
    log_odds = _log_odds(classifier.network(pictures.astype(np.float32)), classifier.temperature)

    if label is None:
        label = max(classifier.labels, key=lambda name: log_odds[0, classifier.outputs.index(name)])
    column = log_odds[:, classifier.outputs.index(label)]
    drops = np.maximum(column[0] - column[1:], 0)
    if drops.max() < LEAST_DROP:
        return np.zeros((size, size), np.float32)
    heat = np.tensordot(drops, masks, axes=1) / masks.sum(axis=0)
    heat -= heat.min()
    return (heat / heat.max()).astype(np.float32) if heat.max() > 0 else heat.astype(np.float32)


def overlay(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a heatmap (size, size), 0..1, over a uint8 face (height, width[, channels]); return RGB.

    The face turns grey and dark; heat adds light and the colours of viridis, whose lightness rises evenly, so
    that the map reads the same in grey and for colour-blind people. The face may be larger than the heatmap
    if it shows the same square.
    """
    height, width = crop.shape[:2]
    heat = np.asarray(
        Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    )
    heat = np.clip(heat, 0, 1)[..., None]
    grey = crop.reshape(height, width, -1).mean(axis=2, keepdims=True) / 255
    colour = viridis(heat[..., 0]) / 255
    lit = grey * (DIMMED + (1 - DIMMED) * heat)  # the face stays recognisable below the colour
    strength = 0.65 * heat
    return np.rint(255 * (lit * (1 - strength) + colour * strength)).astype(np.uint8)


def viridis(heat: np.ndarray) -> np.ndarray:
    """Return the colours of heat 0..1, any shape: float64 (..., 3), 0..255."""
    anchors = VIRIDIS[:, 0] / 255
    return np.stack([np.interp(heat, anchors, channel) for channel in VIRIDIS[:, 1:].T], axis=-1)


def hottest_regions(heat: np.ndarray) -> tuple[str, ...]:
    """Name the hottest regions of a heatmap, hottest first: none if it is empty, all if it is even."""
    if not heat.any():
        return ()
    across = np.abs((np.arange(heat.shape[1]) + 0.5) / heat.shape[1] - 0.5)
    down = (np.arange(heat.shape[0]) + 0.5) / heat.shape[0]
    distances = [np.hypot(across[None, :] - x, down[:, None] - y) for x, y in REGIONS.values()]
    nearest = np.argmin(distances, axis=0)
    means = {name: float(heat[nearest == index].mean()) for index, name in enumerate(REGIONS)}
    hottest = max(means.values())
    if hottest < UNEVEN * heat.mean():
        return tuple(REGIONS)
    return tuple(
        name for name in sorted(means, key=lambda name: -means[name]) if means[name] >= NAMED_FROM * hottest
    )


def _masks(size: int) -> np.ndarray:
    """Return soft round patches on a regular grid: float32 (GRID * GRID, size, size), 0..1."""
    pixels = (np.arange(size) + 0.5) / size
    centres = (np.arange(GRID) + 0.5) / GRID
    bumps = np.exp(-0.5 * ((pixels - centres[:, None]) / PATCH) ** 2)
    return np.einsum("iy,jx->ijyx", bumps, bumps).reshape(-1, size, size).astype(np.float32)


def _blurred(face: np.ndarray) -> np.ndarray:
    """Blur every channel of a float32 (size, size, channels) face."""
    blur = ImageFilter.GaussianBlur(BLUR * len(face))
    channels = [Image.fromarray(channel.astype(np.uint8)).filter(blur) for channel in np.moveaxis(face, 2, 0)]
    return np.stack([np.asarray(channel, np.float32) for channel in channels], axis=2)


def _log_odds(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Turn raw softmax probabilities (n, outputs) into the log-odds of the calibrated ones."""
    logits = scaled_logits(probabilities, temperature)
    others = np.stack(
        [np.logaddexp.reduce(np.delete(logits, column, axis=1), axis=1) for column in range(logits.shape[1])],
        axis=1,
    )
    return logits - others
