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
from typing import TYPE_CHECKING, NamedTuple, cast

from nlp.encoders import ACTIVATIONS, Block, Encoder, FeedForward, Linear, Map, activated
from nlp.errors import ModelError

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


class Grid(NamedTuple):
    """Where 0 to 255 lie: value = step * (number - zero)."""

    step: float
    zero: int


class Range(NamedTuple):
    """Lowest and highest value seen in each channel (channels)."""

    low: "torch.Tensor"
    high: "torch.Tensor"


class Watch:
    """A linear map that remembers the range of what it is given."""

    def __init__(self, inner: Map) -> None:
        self.inner = cast(Linear, inner)  # of an encoder that is not quantised yet, every map watched is one
        self.seen: Range | None = None
        self._lock = Lock()

    def __call__(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × inputs) to what the inner map makes of them."""
        import torch

        now = Range(inputs.amin(0), inputs.amax(0))
        with self._lock:
            before = self.seen or now
            self.seen = Range(torch.minimum(now.low, before.low), torch.maximum(now.high, before.high))
        return self.inner(inputs)

    @property
    def range(self) -> Range:
        """The range seen so far."""
        import torch

        if self.seen is None or not all(bool(torch.isfinite(end).all()) for end in self.seen):
            raise ModelError("the model's layers give values that are not finite: train it anew, or use float32")
        return self.seen


class BlockWatch(NamedTuple):
    """Those of one block."""

    qkv: Watch
    out: Watch
    up: Watch
    down: Watch
    activation: str


@dataclass(frozen=True)
class Product:
    """x W' + b of inputs on a grid; weight packed for the processor, steps and bias (outputs)."""

    weight: "torch.Tensor"
    steps: "torch.Tensor"
    bias: "torch.Tensor"
    inputs: Grid

    def __call__(self, rounded: "torch.Tensor", answer: Grid | None = None, activation: str = "") -> "torch.Tensor":
        """Inputs (tokens × inputs, uint8) to outputs: float32, or after an activation function on the grid `answer`."""
        import torch

        post, form = _post_operation(activation)
        return cast("torch.Tensor", torch.ops.onednn.qlinear_pointwise(
            rounded, self.inputs.step, self.inputs.zero,
            self.weight, self.steps, torch.zeros_like(self.steps, dtype=torch.int32), self.bias,
            *(answer or Grid(1.0, 0)), torch.uint8 if answer else torch.float32, post, [], form,
        ))  # fmt: skip


def _post_operation(activation: str) -> tuple[str, str]:
    """How oneDNN calls an activation function and its form."""
    if activation in ACTIVATIONS:
        return "gelu", ACTIVATIONS[activation]
    return activation or "none", "none"


@dataclass(frozen=True)
class Int8Linear:
    """A linear map of float32 inputs: rounded to 0..255 as inputs * scale + shift, then multiplied."""

    scale: "torch.Tensor"
    shift: "torch.Tensor"
    product: Product

    def __call__(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × inputs) to (tokens × outputs)."""
        return self.product(self.rounded(inputs))

    def rounded(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """Inputs as uint8; values beyond the range that was watched are cut to it."""
        import torch

        return torch.addcmul(self.shift, inputs, self.scale).clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Int8FeedForward:
    """down(activation(up(x))), which never leaves 8 bits but for the few widest channels, which are all float32."""

    up: Int8Linear
    down: Product
    activation: str
    spared_up: Linear
    spared_down: "torch.Tensor"

    def __call__(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × width) to the same shape."""
        import torch

        hidden = self.up.product(self.up.rounded(inputs), self.down.inputs, self.activation)
        return torch.addmm(self.down(hidden), activated(self.spared_up(inputs), self.activation), self.spared_down)


def quantised(encoder: Encoder, show: Callable[[Encoder], object]) -> Encoder:
    """Return the float32 encoder with its large products in 8 bits.

    show: runs the encoder that it is given on texts that are typical; their ranges are what 0..255 will span.

    Raises:
        ModelError: a layer gives values that are not finite.
    """
    watches = [_watch(block) for block in encoder.blocks]
    pairs = list(zip(encoder.blocks, watches, strict=True))
    show(replace(encoder, blocks=tuple(_watched(block, watch) for block, watch in pairs)))
    return replace(encoder, blocks=tuple(_quantised_block(block, watch) for block, watch in pairs))


def _watch(block: Block) -> BlockWatch:
    half = cast(FeedForward, block.feed_forward)
    return BlockWatch(Watch(block.qkv), Watch(block.out), Watch(half.up), Watch(half.down), half.activation)


def _watched(block: Block, watch: BlockWatch) -> Block:
    return replace(
        block, qkv=watch.qkv, out=watch.out, feed_forward=FeedForward(watch.up, watch.down, watch.activation)
    )


def _quantised_block(block: Block, watch: BlockWatch) -> Block:
    return replace(
        block, qkv=_int8_linear(watch.qkv), out=_int8_linear(watch.out), feed_forward=_int8_feed_forward(watch)
    )


def _int8_linear(watch: Watch) -> Int8Linear:
    """Each channel is centred on the middle of its range and divided by s = reach^a / weight^(1 - a)."""
    weight, (low, high) = watch.inner.weight, watch.range
    reach, middle = ((high - low) / 2).clamp(min=1e-4), (high + low) / 2
    spread = reach**SHARE / weight.abs().amax(0).clamp(min=1e-4) ** (1 - SHARE)
    unit = spread * (reach / spread).max() / 127
    bias = watch.inner.bias + weight @ middle
    # Half a step up: the cast to uint8 cuts what is behind the point.
    return Int8Linear(1 / unit, 128.5 - middle / unit, _product(weight * unit, bias, Grid(1.0, 128)))


def _product(weight: "torch.Tensor", bias: "torch.Tensor", inputs: Grid) -> Product:
    """Weights to -127..127, each output by its own largest."""
    import torch

    steps = weight.abs().amax(1).clamp(min=1e-12) / 127
    rounded = (weight / steps[:, None]).round().to(torch.int8)
    return Product(torch.ops.onednn.qlinear_prepack(rounded, None), steps, bias, inputs)


def _int8_feed_forward(watch: BlockWatch) -> Int8FeedForward:
    up, down, high = watch.up.inner, watch.down.inner, watch.down.range.high
    spared = high.argsort(descending=True)[: max(1, len(high) // SPARED)]
    kept = high.clone()
    kept[spared] = 0.0
    weight = down.weight.clone()
    weight[:, spared] = 0.0
    return Int8FeedForward(
        _int8_linear(watch.up), _product(weight, down.bias, _grid(float(kept.max()), watch.activation)),
        watch.activation, Linear(up.weight[spared], up.bias[spared]), down.weight[:, spared].T.contiguous(),
    )  # fmt: skip


def _grid(high: float, activation: str) -> Grid:
    low = LOWEST.get(activation, LOWEST_GELU)
    step = max(high - low, 1e-4) / 255
    return Grid(step, round(-low / step))
