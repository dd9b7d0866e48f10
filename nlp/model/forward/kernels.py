"""The operations between the matrix products of an encoder on a CPU, in C (kernels.c), at thrice PyTorch's speed.

The C is compiled when the package is installed. Where there was no compiler, or the processor has no AVX-512, there
are no kernels, and PyTorch computes the same with other last bits.
"""

import ctypes
import logging
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from nlp.model.forward.attention import SequenceSpans

VERSION = 2  # of the names and arguments of the functions in kernels.c
NONE = 0  # the version of a file that was compiled for another kind of processor
NEEDED = ("avx512_f", "avx512_bw", "avx512_vl", "fma3")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kernels:
    """The functions of the compiled file; all tensors are contiguous, on the CPU and float32 unless stated."""

    compiled: ctypes.CDLL

    def attend(self, qkv: "torch.Tensor", rows: "SequenceSpans", n_heads: int) -> "torch.Tensor":
        """As `Attention.within`, for heads of a multiple of 32 channels; zeros after the last text."""
        import torch

        tokens, width = len(qkv), qkv.shape[1] // 3
        gathered = torch.empty(tokens, width)
        texts, head = len(rows.lengths), width // n_heads
        if self.compiled.attend(
            qkv.data_ptr(), rows.cuts.data_ptr(), texts, tokens, n_heads, head, gathered.data_ptr()
        ):
            raise MemoryError("no memory for the weights of one text's attention")
        return gathered

    def normalise_(
        self, vectors: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor", eps: float
    ) -> "torch.Tensor":
        """Vectors (tokens × a multiple of 64 channels) after layer normalisation in their own place."""
        tokens, width = vectors.shape
        self.compiled.normalise(vectors.data_ptr(), tokens, width, weight.data_ptr(), bias.data_ptr(), eps)
        return vectors

    def quantize(self, values: "torch.Tensor", scale: "torch.Tensor", shift: "torch.Tensor") -> "torch.Tensor":
        """Values (tokens × a multiple of 16 channels) * scale + shift (channels), truncated, clipped to uint8."""
        import torch

        whole = torch.empty(values.shape, dtype=torch.uint8)
        tokens, width = values.shape
        self.compiled.quantize(values.data_ptr(), tokens, width, scale.data_ptr(), shift.data_ptr(), whole.data_ptr())
        return whole


@cache
def kernels() -> Kernels | None:
    """The compiled kernels; None where there are none for this processor."""
    import torch

    compiled, features = load_compiled(), torch.cpu.get_capabilities()
    return Kernels(compiled) if compiled is not None and all(features.get(name) for name in NEEDED) else None


def is_kernel_compatible(vectors: "torch.Tensor", channels: int) -> bool:
    """Whether a kernel can read vectors (tokens × width) whose width must be a multiple of `channels`."""
    import torch

    plain = vectors.dtype == torch.float32 and vectors.device.type == "cpu" and vectors.is_contiguous()
    return plain and vectors.shape[1] % channels == 0


def load_compiled() -> ctypes.CDLL | None:
    """The compiled file with typed functions; None where there is none of this version for this kind of processor."""
    found = find_spec("nlp.model.forward._kernels")
    if found is None or found.origin is None:
        return None
    compiled = ctypes.CDLL(found.origin)
    version = int(compiled.version())
    if version != VERSION:
        if version != NONE:
            log.warning("%s is of version %d, not %d: install newsfolio again", found.origin, version, VERSION)
        return None
    pointer, whole = ctypes.c_void_p, ctypes.c_int64
    compiled.attend.argtypes = [pointer, pointer, whole, whole, whole, whole, pointer]
    compiled.normalise.argtypes = [pointer, whole, whole, pointer, pointer, ctypes.c_float]
    compiled.quantize.argtypes = [pointer, whole, whole, pointer, pointer, pointer]
    compiled.normalise.restype = compiled.quantize.restype = None
    return compiled
