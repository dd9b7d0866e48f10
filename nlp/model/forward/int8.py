"""The products of an encoder in 8-bit whole numbers: some three times as fast as float32 where a processor can.

Activations are scaled and shifted channel by channel, by the ranges they have on texts that are chosen once for all
and not by those of the texts at hand: so a text's score is free of the texts beside it. Sums are exact, in 32 bits.

Ranges shared out between activations and weights: Xiao et al., SmoothQuant, ICML 2023, eq. 4; shifts: Wei et al.,
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

SHARE = 0.8  # SmoothQuant's alpha: how much of the unevenness between channels the weights take over
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
    """Where 0 to 255 lie: value = step * (number - zero)."""

    step: float
    zero: int


CENTRED = QuantParams(1.0, 128)  # what `Rounding` gives, which has the step of each channel in the weights
PLAIN = QuantParams(1.0, 0)  # float32, for oneDNN


class Range(NamedTuple):
    """Lowest and highest value seen in each channel (channels)."""

    low: "torch.Tensor"
    high: "torch.Tensor"


class RangeObserver:
    """A linear map that remembers the range of what it is given."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner = cast(Linear, inner)  # of an encoder that is not quantised yet, every map watched is one
        self.seen: Range | None = None
        self._lock = Lock()

    def __call__(self, inputs: "torch.Tensor", onto: "torch.Tensor | None" = None) -> "torch.Tensor":
        """Inputs (tokens × inputs) to what the inner map makes of them."""
        import torch

        now = Range(inputs.amin(0), inputs.amax(0))
        with self._lock:
            before = self.seen or now
            self.seen = Range(torch.minimum(now.low, before.low), torch.maximum(now.high, before.high))
        return self.inner(inputs, onto)

    @property
    def range(self) -> Range:
        """The range seen so far."""
        import torch

        if self.seen is None or not all(bool(torch.isfinite(end).all()) for end in self.seen):
            raise ModelError("the model's layers give values that are not finite: train it anew, or use float32")
        return self.seen


class BlockWatch(NamedTuple):
    """Those of one block; qkv: that of the last one is not in 8 bits, so need not be watched."""

    qkv: RangeObserver
    out: RangeObserver
    up: RangeObserver
    down: RangeObserver
    activation: str


@dataclass(frozen=True)
class Product:
    """x W' + b of inputs on a grid; weight packed for the processor, steps, bias and zeros (outputs)."""

    weight: "torch.Tensor"
    steps: "torch.Tensor"
    bias: "torch.Tensor"
    zeros: "torch.Tensor"
    inputs: QuantParams

    def __call__(
        self, rounded: "torch.Tensor", answer: QuantParams | None = None, activation: str = ""
    ) -> "torch.Tensor":
        """Inputs (tokens × inputs, uint8) to outputs after an activation: float32, or on the grid `answer`."""
        import torch

        post, form = _post_operation(activation)
        return cast("torch.Tensor", torch.ops.onednn.qlinear_pointwise.default(
            rounded, *self.inputs, self.weight, self.steps, self.zeros, self.bias,
            *(answer or PLAIN), torch.uint8 if answer else torch.float32, post, [], form,
        ))  # fmt: skip

    def added(self, rounded: "torch.Tensor", onto: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × inputs, uint8) to outputs, added to `onto` (tokens × outputs, float32) in its place."""
        import torch

        return cast("torch.Tensor", torch.ops.onednn.qlinear_pointwise.binary(
            rounded, *self.inputs, self.weight, self.steps, self.zeros, onto, self.bias,
            *PLAIN, torch.float32, *PLAIN, "sum", 1.0, "none", [], "none",
        ))  # fmt: skip


def _post_operation(activation: str) -> tuple[str, str]:
    """How oneDNN calls an activation function and its form."""
    if activation in ACTIVATIONS:
        return "gelu", ACTIVATIONS[activation]
    return activation or "none", "none"


@dataclass(frozen=True)
class Rounding:
    """What float32 values become before they are cut to 0..255: values * scale + shift (channels)."""

    scale: "torch.Tensor"
    shift: "torch.Tensor"

    def __call__(self, values: "torch.Tensor") -> "torch.Tensor":
        """Values (tokens × channels) as uint8."""
        import torch

        quick = kernels()
        if quick is not None and is_kernel_compatible(values, 16):
            return quick.cut(values, self.scale, self.shift)
        return _cut(torch.addcmul(self.shift, values, self.scale))


def _cut(values: "torch.Tensor") -> "torch.Tensor":
    """Values as uint8, in their own place; what lies beyond the range that was watched becomes its end.

    By way of int16: PyTorch casts float32 to uint8 one number at a time, which takes three times as long.
    """
    import torch

    return values.clamp_(0, 255).to(torch.int16).to(torch.uint8)


@dataclass(frozen=True)
class Int8Linear:
    """A linear map of float32 inputs."""

    rounding: Rounding
    product: Product

    def __call__(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × inputs) to (tokens × outputs)."""
        return self.product(self.rounding(inputs))


@dataclass(frozen=True)
class Int8Out:
    """The map behind attention; its rounding is part of the values that are gathered."""

    cut: Rounding
    product: Product

    def __call__(self, gathered: "torch.Tensor", onto: "torch.Tensor") -> "torch.Tensor":
        """What was gathered, as values * scale + shift (tokens × width), to the sum (tokens × width)."""
        return self.product.added(self.cut(gathered), onto)


@dataclass(frozen=True)
class Int8FeedForward:
    """down(activation(up(x))), which never leaves 8 bits but for the few widest channels, which are float32 within."""

    rounding: Rounding
    up: Product
    down: Product
    activation: str
    spared_up: Product
    spared_down: "torch.Tensor"

    def __call__(self, inputs: "torch.Tensor", onto: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × width) to the sum, of the same shape."""
        rounded = self.rounding(inputs)
        onto.addmm_(self.spared_up(rounded, activation=self.activation), self.spared_down)
        return self.down.added(self.up(rounded, self.down.inputs, self.activation), onto)


def quantised(encoder: Encoder, show: Callable[[Encoder], object]) -> Encoder:
    """Return the float32 encoder with its large products in 8 bits.

    show: runs the encoder that it is given on texts that are typical; their ranges are what 0..255 will span.

    Raises:
        ModelError: a layer gives values that are not finite.
    """
    pairs, last = [(block, _watch(block)) for block in encoder.blocks], _watch(encoder.last)
    seen = tuple(replace(_watched(block, watch), qkv=watch.qkv) for block, watch in pairs)
    show(replace(encoder, blocks=seen, last=_watched(encoder.last, last)))
    blocks = tuple(_quantised_block(block, watch) for block, watch in pairs)
    return replace(encoder, blocks=blocks, last=_quantised_last(encoder.last, last))


def _watch(block: Block[Map]) -> BlockWatch:
    half = cast(FeedForward, block.feed_forward)
    return BlockWatch(
        RangeObserver(block.qkv),
        RangeObserver(block.out),
        RangeObserver(half.up),
        RangeObserver(half.down),
        half.activation,
    )


def _watched(block: Block[Projection], watch: BlockWatch) -> Block[Projection]:
    return replace(block, out=watch.out, feed_forward=FeedForward(watch.up, watch.down, watch.activation))


def _quantised_block(block: Block[Map], watch: BlockWatch) -> Block[Map]:
    rounding, out = _int8_out(watch.out)
    qkv = _int8_linear(_gathered_rounded(watch.qkv.inner, rounding), watch.qkv.range)
    return replace(block, qkv=qkv, out=out, feed_forward=_int8_feed_forward(watch))


def _quantised_last(block: Block[Linear], watch: BlockWatch) -> Block[Linear]:
    """All but queries, keys and values: of these only few products are left (nlp/model/forward/attention.py)."""
    rounding, out = _int8_out(watch.out)
    qkv = _gathered_rounded(block.qkv, rounding)
    return replace(block, qkv=qkv, out=out, feed_forward=_int8_feed_forward(watch))


def _int8_out(watch: RangeObserver) -> tuple[Rounding, Int8Out]:
    import torch

    rounding, shared = _shared(watch.inner, watch.range)
    as_it_is = Rounding(torch.ones_like(rounding.scale), torch.zeros_like(rounding.shift))
    return rounding, Int8Out(as_it_is, _product(shared, CENTRED))


def _gathered_rounded(qkv: Linear, rounding: Rounding) -> Linear:
    """With values * scale + shift in the place of values: the weights that gather them sum to 1, so that stays."""
    weight, bias = qkv.weight.clone(), qkv.bias.clone()
    start = len(bias) * 2 // 3
    weight[start:] *= rounding.scale[:, None]
    bias[start:] = bias[start:] * rounding.scale + rounding.shift
    return Linear(weight, bias)


def _int8_linear(linear: Linear, seen: Range) -> Int8Linear:
    rounding, shared = _shared(linear, seen)
    return Int8Linear(rounding, _product(shared, CENTRED))


def _shared(linear: Linear, seen: Range) -> tuple[Rounding, Linear]:
    """Each channel is centred on the middle of its range and divided by s = reach^a / weight^(1 - a)."""
    weight, (low, high) = linear.weight, seen
    reach, middle = ((high - low) / 2).clamp(min=1e-4), (high + low) / 2
    spread = reach**SHARE / weight.abs().amax(0).clamp(min=1e-4) ** (1 - SHARE)
    unit = spread * (reach / spread).max() / 127
    # Half a step up: the cast to uint8 cuts what is behind the point.
    return Rounding(1 / unit, 128.5 - middle / unit), Linear(weight * unit, linear.bias + weight @ middle)


def _product(linear: Linear, inputs: QuantParams) -> Product:
    """Weights to -127..127, each output by its own largest."""
    import torch

    steps = linear.weight.abs().amax(1).clamp(min=1e-12) / 127
    rounded = torch.ops.onednn.qlinear_prepack((linear.weight / steps[:, None]).round().to(torch.int8), None)
    return Product(rounded, steps, linear.bias, torch.zeros_like(steps, dtype=torch.int32), inputs)


def _int8_feed_forward(watch: BlockWatch) -> Int8FeedForward:
    down, high = watch.down.inner, watch.down.range.high
    rounding, up = _shared(watch.up.inner, watch.up.range)
    spared = high.argsort(descending=True)[: max(1, len(high) // SPARED)]
    kept, weight = high.clone(), down.weight.clone()
    kept[spared], weight[:, spared] = 0.0, 0.0
    grid = _grid(float(kept.max()), watch.activation)
    return Int8FeedForward(
        rounding, _product(up, CENTRED), _product(Linear(weight, down.bias), grid),
        watch.activation, _product(Linear(up.weight[spared], up.bias[spared]), CENTRED),
        down.weight[:, spared].T.contiguous(),
    )  # fmt: skip


def _grid(high: float, activation: str) -> QuantParams:
    low = LOWEST.get(activation, LOWEST_GELU)
    step = max(high - low, 1e-4) / 255
    return QuantParams(step, round(-low / step))
