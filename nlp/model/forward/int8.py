"""The matrix products of an encoder in 8-bit integers: some three times as fast as float32 where supported.

Activations are scaled and shifted channel by channel, by their ranges on a fixed set of calibration texts and not on
the texts being scored: so a text's score does not depend on its batch. Sums are exact, in 32 bits.

Ranges balanced between activations and weights: Xiao et al., SmoothQuant, ICML 2023, eq. 4; shifts: Wei et al.,
Outlier Suppression+, EMNLP 2023; the widest channels left in float32: Dettmers et al., LLM.int8(), NeurIPS 2022.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from nlp.errors import ModelError
from nlp.model.forward.encoders import ACTIVATIONS, Block, Encoder, FeedForward, Linear, Map, Projection
from nlp.model.forward.kernels import is_kernel_compatible, kernels

if TYPE_CHECKING:
    import torch

SHARE = 0.8  # SmoothQuant's alpha: how much of the imbalance between channels moves into the weights
SPARED = 96  # one in so many channels within a feed-forward stays in float32: the widest ones
LOWEST = {"relu": 0.0}  # of an activation function; those like gelu never fall below the next line
LOWEST_GELU = -0.171


@cache
def int8_runs() -> bool:
    """Whether this processor multiplies 8-bit numbers without losing any: x86 with VNNI or AMX.

    Others add pairs of products in 16 bits, which overflow.
    """
    import torch

    features = torch.cpu.get_capabilities()
    exact = any(features.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
    return exact and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


class QuantParams(NamedTuple):
    """The values of 0 to 255: value = step * (number - zero)."""

    step: float
    zero: int


CENTRED = QuantParams(1.0, 128)  # what `Rounding` returns: the step of each channel is in the weights
FLOAT32 = QuantParams(1.0, 0)  # as oneDNN wants it


class Range(NamedTuple):
    """Lowest and highest value seen in each channel (channels)."""

    low: "torch.Tensor"
    high: "torch.Tensor"


class RangeObserver:
    """A linear map that remembers the range of its inputs."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner = cast(Linear, inner)  # every map observed is one, as the encoder is not quantized yet
        self.seen: Range | None = None
        self._lock = Lock()

    def __call__(self, inputs: "torch.Tensor", onto: "torch.Tensor | None" = None) -> "torch.Tensor":
        """The inner map's outputs."""
        import torch

        now = Range(inputs.amin(0), inputs.amax(0))
        with self._lock:
            before = self.seen or now
            self.seen = Range(torch.minimum(now.low, before.low), torch.maximum(now.high, before.high))
        return self.inner(inputs, onto)

    @property
    def range(self) -> Range:
        """The range seen so far.

        Raises:
            ModelError: it is not finite.
        """
        import torch

        if self.seen is None or not all(bool(torch.isfinite(end).all()) for end in self.seen):
            raise ModelError("the model's layers give values that are not finite: train it again, or use float32")
        return self.seen


class BlockObservers(NamedTuple):
    """Those of one block; that of qkv is not used in the last block, whose qkv is not in 8 bits."""

    qkv: RangeObserver
    out: RangeObserver
    up: RangeObserver
    down: RangeObserver
    activation: str


@dataclass(frozen=True)
class Product:
    """x W' + b of quantized inputs; weight packed for the processor, steps, bias and zeros (outputs)."""

    weight: "torch.Tensor"
    steps: "torch.Tensor"
    bias: "torch.Tensor"
    zeros: "torch.Tensor"
    inputs: QuantParams

    def __call__(
        self, quantized: "torch.Tensor", outputs: QuantParams | None = None, activation: str = ""
    ) -> "torch.Tensor":
        """Inputs (tokens × inputs, uint8) to outputs after an activation: float32, or uint8 with params `outputs`."""
        import torch

        post, form = ("gelu", ACTIVATIONS[activation]) if activation in ACTIVATIONS else (activation or "none", "none")
        weights = (self.weight, self.steps, self.zeros, self.bias)
        to: tuple[Any, ...] = (*(outputs or FLOAT32), torch.uint8 if outputs else torch.float32)
        run = torch.ops.onednn.qlinear_pointwise.default
        return cast("torch.Tensor", run(quantized, *self.inputs, *weights, *to, post, [], form))

    def add_to(self, onto: "torch.Tensor", quantized: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × inputs, uint8) to outputs, added to `onto` (tokens × outputs, float32) in its place."""
        import torch

        weights = (self.weight, self.steps, self.zeros, onto, self.bias)
        to: tuple[Any, ...] = (*FLOAT32, torch.float32, *FLOAT32, "sum", 1.0, "none", [], "none")
        return cast("torch.Tensor", torch.ops.onednn.qlinear_pointwise.binary(quantized, *self.inputs, *weights, *to))


@dataclass(frozen=True)
class Rounding:
    """float32 values to uint8: values * scale + shift (channels), truncated and clipped to 0..255."""

    scale: "torch.Tensor"
    shift: "torch.Tensor"

    def __call__(self, values: "torch.Tensor") -> "torch.Tensor":
        """Values (tokens × channels) as uint8."""
        import torch

        compiled = kernels()
        if compiled is not None and is_kernel_compatible(values, 16):
            return compiled.quantize(values, self.scale, self.shift)
        # By way of int16: PyTorch casts float32 to uint8 one number at a time, which takes three times as long.
        return torch.addcmul(self.shift, values, self.scale).clamp_(0, 255).to(torch.int16).to(torch.uint8)


@dataclass(frozen=True)
class Int8Linear:
    """A linear map of float32 inputs, added to `onto` where that is given (tokens × outputs, overwritten)."""

    rounding: Rounding
    product: Product

    def __call__(self, inputs: "torch.Tensor", onto: "torch.Tensor | None" = None) -> "torch.Tensor":
        """Inputs (tokens × inputs) to (tokens × outputs)."""
        quantized = self.rounding(inputs)
        return self.product(quantized) if onto is None else self.product.add_to(onto, quantized)


@dataclass(frozen=True)
class Int8FeedForward:
    """down(activation(up(x))), in 8 bits throughout except for the few widest channels, which are float32 within."""

    rounding: Rounding
    up: Product
    down: Product
    activation: str
    wide_up: Product
    wide_down: "torch.Tensor"

    def __call__(self, inputs: "torch.Tensor", onto: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × width) to the sum, of the same shape."""
        quantized = self.rounding(inputs)
        onto.addmm_(self.wide_up(quantized, activation=self.activation), self.wide_down)
        return self.down.add_to(onto, self.up(quantized, self.down.inputs, self.activation))


def quantize_encoder(encoder: Encoder, calibrate: Callable[[Encoder], object]) -> Encoder:
    """Return the float32 encoder with its large products in 8 bits.

    calibrate: runs the encoder that it is given on typical texts; the ranges there are what 0..255 will span.

    Raises:
        ModelError: a layer gives values that are not finite.
    """
    pairs, last = [(block, _observers(block)) for block in encoder.blocks], _observers(encoder.last)
    observed = tuple(replace(_observed(block, observers), qkv=observers.qkv) for block, observers in pairs)
    calibrate(replace(encoder, blocks=observed, last=_observed(encoder.last, last)))
    blocks = tuple(quantized_block(block, observers) for block, observers in pairs)
    # The last block's queries, keys and values stay: few of those products are left (nlp/model/forward/attention.py).
    qkv, out = _quantized_attention(encoder.last.qkv, last.out)
    return replace(
        encoder, blocks=blocks, last=replace(encoder.last, qkv=qkv, out=out, feed_forward=int8_feed_forward(last))
    )


def _observers(block: Block[Map]) -> BlockObservers:
    half = cast(FeedForward, block.feed_forward)
    qkv, out = RangeObserver(block.qkv), RangeObserver(block.out)
    return BlockObservers(qkv, out, RangeObserver(half.up), RangeObserver(half.down), half.activation)


def _observed(block: Block[Projection], observers: BlockObservers) -> Block[Projection]:
    feed_forward = FeedForward(observers.up, observers.down, observers.activation)
    return replace(block, out=observers.out, feed_forward=feed_forward)


def quantized_block(block: Block[Map], observers: BlockObservers) -> Block[Map]:
    """Return the block in 8 bits, by the ranges that its observers have seen."""
    qkv, out = _quantized_attention(observers.qkv.inner, observers.out)
    linear = int8_linear(qkv, observers.qkv.range)
    return replace(block, qkv=linear, out=out, feed_forward=int8_feed_forward(observers))


def _quantized_attention(qkv: Linear, observer: RangeObserver) -> tuple[Linear, Int8Linear]:
    """Queries, keys and values, and the map after attention in 8 bits, whose scaling is part of the former.

    The values are scaled and shifted in advance: the weights that attention sums them with add up to 1.
    """
    import torch

    rounding, balanced = _balanced(observer.inner, observer.range)
    weight, bias = qkv.weight.clone(), qkv.bias.clone()
    start = len(bias) * 2 // 3
    weight[start:] *= rounding.scale[:, None]
    bias[start:] = bias[start:] * rounding.scale + rounding.shift
    unscaled = Rounding(torch.ones_like(rounding.scale), torch.zeros_like(rounding.shift))
    return Linear(weight, bias), Int8Linear(unscaled, _product(balanced, CENTRED))


def int8_linear(linear: Linear, seen: Range) -> Int8Linear:
    """Return the map in 8 bits, its inputs within the range seen."""
    rounding, balanced = _balanced(linear, seen)
    return Int8Linear(rounding, _product(balanced, CENTRED))


def _balanced(linear: Linear, seen: Range) -> tuple[Rounding, Linear]:
    """Each channel is centred on the middle of its range and divided by s = reach^a / weight^(1 - a)."""
    weight, (low, high) = linear.weight, seen
    reach, middle = ((high - low) / 2).clamp(min=1e-4), (high + low) / 2
    spread = reach**SHARE / weight.abs().amax(0).clamp(min=1e-4) ** (1 - SHARE)
    unit = spread * (reach / spread).max() / 127
    # Half a step up, as the cast to uint8 truncates.
    return Rounding(1 / unit, 128.5 - middle / unit), Linear(weight * unit, linear.bias + weight @ middle)


def _product(linear: Linear, inputs: QuantParams) -> Product:
    """Weights to -127..127, each output by its own largest."""
    import torch

    steps = linear.weight.abs().amax(1).clamp(min=1e-12) / 127
    packed = torch.ops.onednn.qlinear_prepack((linear.weight / steps[:, None]).round().to(torch.int8), None)
    return Product(packed, steps, linear.bias, torch.zeros_like(steps, dtype=torch.int32), inputs)


def int8_feed_forward(observers: BlockObservers) -> Int8FeedForward:
    """Return both maps and the activation between in 8 bits, by the ranges that their observers have seen."""
    down, high = observers.down.inner, observers.down.range.high
    rounding, up = _balanced(observers.up.inner, observers.up.range)
    wide = high.argsort(descending=True)[: max(1, len(high) // SPARED)]
    kept, weight = high.clone(), down.weight.clone()
    kept[wide], weight[:, wide] = 0.0, 0.0
    low = LOWEST.get(observers.activation, LOWEST_GELU)
    step = max(float(kept.max()) - low, 1e-4) / 255
    return Int8FeedForward(
        rounding=rounding,
        up=_product(up, CENTRED),
        down=_product(Linear(weight, down.bias), QuantParams(step, round(-low / step))),
        activation=observers.activation,
        wide_up=_product(Linear(up.weight[wide], up.bias[wide]), CENTRED),
        wide_down=down.weight[:, wide].T.contiguous(),
    )
