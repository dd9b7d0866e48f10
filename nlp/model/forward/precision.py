"""The device and the precision that a classifier computes with: those requested, or the fastest that there are."""

import time
from functools import cache
from typing import Any

from newsfolio.shared.errors import first_line
from nlp.errors import ModelError
from nlp.model.forward.encoders import is_known
from nlp.model.forward.int8 import int8_runs

DTYPES = ("auto", "float32", "bfloat16", "float16", "int8")


def known_dtype(dtype: str) -> str:
    """Return it, or raise ModelError where it is none of DTYPES."""
    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r} is not known: use {', '.join(DTYPES)}")
    return dtype


def known_device(device: str) -> str:
    """Return where to compute: "auto" takes CUDA, then MPS, then the CPU; ModelError where it cannot be used."""
    import torch

    if device == "auto":
        found = "mps" if torch.backends.mps.is_available() else "cpu"
        return "cuda" if torch.cuda.is_available() else found
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {device!r} cannot be used: {first_line(error)}: use auto, cpu, cuda, mps") from error
    return device


def chosen_precision(dtype: str, model: Any) -> str:
    """Return "float32", "bfloat16", "float16" or "int8" for a model on its device.

    "auto" takes bfloat16 on CUDA; on the CPU int8 where the processor has instructions for it and the architecture
    is known (encoders.py), else bfloat16 where that pays, else float32. It does not look at the weights.

    Raises:
        ModelError: an unknown dtype, or int8 for a model or a device that has none.
    """
    import torch

    kind = model.device.type
    if known_dtype(dtype) == "int8":
        if kind != "cpu":
            raise ModelError(f"int8 is computed on the CPU, not on {kind}: use bfloat16")
        if not int8_runs():
            raise ModelError("this processor has no VNNI or AMX to multiply int8 exactly: use float32")
        if not is_known(model):
            raise ModelError(f"int8 is for BERT, RoBERTa and DistilBERT, not {type(model).__name__}: use bfloat16")
    if dtype != "auto":
        return dtype
    if kind == "cpu" and int8_runs() and is_known(model):
        return "int8"
    bfloat16 = torch.cuda.is_bf16_supported() if kind == "cuda" else kind == "cpu" and bfloat16_pays()
    return "bfloat16" if bfloat16 else "float32"


@cache
def bfloat16_pays() -> bool:
    """Whether this processor multiplies bfloat16 clearly faster than float32; measured once per process.

    The instruction set does not decide: of two processors that both have AVX512-BF16, one multiplied it two and a
    half times as fast as float32 and the other half as fast.
    """
    import torch

    features = torch.cpu.get_capabilities()
    if not (features.get("avx512_bf16") or features.get("amx_bf16")):
        return False
    return _seconds_to_multiply(torch.float32) > 1.3 * _seconds_to_multiply(torch.bfloat16)


def _seconds_to_multiply(dtype: Any) -> float:
    """Best time of several for one layer's matrix product, in the shapes of a small encoder."""
    import torch

    inputs, weights = torch.ones(512, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
    times = []
    with torch.inference_mode():
        for _ in range(8):
            started = time.perf_counter()
            torch.nn.functional.linear(inputs, weights)
            times.append(time.perf_counter() - started)
    return min(times)
