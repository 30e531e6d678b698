"""What is done to the pixels between two steps: shifts, blur, rescaling."""

import torch
from torch import Tensor


def to_unit(pixels: Tensor) -> Tensor:
    """Rescale each image (N, 3, H, W) by its own least and greatest value, over all channels, to [0, 1]."""
    low = pixels.amin(dim=(1, 2, 3), keepdim=True)
    high = pixels.amax(dim=(1, 2, 3), keepdim=True)
    return (pixels - low) / (high - low).clamp_min(torch.finfo(pixels.dtype).eps)


def blur(images: Tensor, kernel: Tensor) -> Tensor:
    """Convolve (N, C, H, W) along both axes with an odd, symmetric kernel (K,); the border is mirrored."""
    reach = len(kernel) // 2
    for axis in (2, 3):
        length = images.shape[axis]
        steps = torch.arange(-reach, length + reach, device=images.device)
        mirrored = torch.where(steps < 0, -1 - steps, steps)
        mirrored = torch.where(mirrored >= length, 2 * length - 1 - mirrored, mirrored)
        padded = images.index_select(axis, mirrored.clamp(0, length - 1))
        images = sum(
            (weight * padded.narrow(axis, start, length) for start, weight in enumerate(kernel)),
            start=torch.zeros_like(images),
        )
    return images


def gaussian(sigma: float) -> Tensor:
    reach = max(1, round(4 * sigma))
    if sigma == 0:
        return torch.ones(1)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return weights / weights.sum()


def roll(images: Tensor, shifts: Tensor) -> Tensor:
    """Roll each image (N, C, S, S) down and right by its own shift (N, 2), around the border."""
    count, channels, side, _ = images.shape
    places = torch.arange(side, device=images.device)
    rows = (places - shifts[:, :1]) % side  # (N, S)
    columns = (places - shifts[:, 1:]) % side
    first = torch.arange(count, device=images.device)[:, None, None, None]
    second = torch.arange(channels, device=images.device)[None, :, None, None]
    return images[first, second, rows[:, None, :, None], columns[:, None, None, :]]
