"""Devices of a training: the processor, a CUDA GPU or Apple's GPU."""

from __future__ import annotations

import platform

import torch

from bunchtrain.errors import StudyError


def check_device(device: str, workers: int = 1) -> None:
    """Raise StudyError if this machine has no such device, or workers cannot share it.

    device   `auto`, `cpu`, `cuda`, `cuda:<index>` or `mps`.
    workers  processes of the training on this machine.
    """
    kind, _, index = device.partition(":")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise StudyError("training.device: this machine has no 'mps'; set it to 'auto' or 'cpu'")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        there = ", ".join(f"'cuda:{k}'" for k in range(count)) or "no GPU that CUDA can use"
        needed = int(index) + 1 if index else workers
        if needed > count:
            raise StudyError(
                f"training.device: '{device}' is not on this machine for {workers} "
                f"{'worker' if workers == 1 else 'workers'}; it has {there}; set 'auto' or 'cpu'"
            )
    if index and workers > 1:
        raise StudyError(
            f"training.device: '{device}' is one GPU, and {workers} workers need one each; set "
            "'cuda', or one worker"
        )


def accelerator(device: str, workers: int) -> tuple[str, int | list[int]]:
    """Return Lightning's accelerator and devices for a device of the study."""
    kind, _, index = device.partition(":")
    return kind, [int(index)] if index else workers


def is_accelerated(device: str) -> bool:
    """Return whether a training on a device of the study runs on a GPU of this machine."""
    if device == "auto":
        return bool(torch.cuda.is_available() or torch.backends.mps.is_available())
    return device != "cpu"


def multiplies_bfloat16() -> bool:
    """Return whether the processor has instructions for products of bfloat16 matrices."""
    if platform.machine() in ("arm64", "aarch64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
