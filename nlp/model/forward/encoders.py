"""BERT-like classifiers taken apart: embeddings, blocks and head as plain tensors and callables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nlp.model.forward.kernels import is_kernel_compatible, kernels

if TYPE_CHECKING:
    import torch

Map = Callable[["torch.Tensor"], "torch.Tensor"]
Adding = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]  # to the second, which may be overwritten
ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # and how PyTorch calls its form


@dataclass(frozen=True)
class Linear:
    """x W' + b, added to `onto` where that is given; weight (outputs × inputs), bias (outputs)."""

    weight: "torch.Tensor"
    bias: "torch.Tensor"

    def __call__(self, inputs: "torch.Tensor", onto: "torch.Tensor | None" = None) -> "torch.Tensor":
        """Inputs (tokens × inputs) to (tokens × outputs)."""
        import torch

        answer = torch.nn.functional.linear(inputs, self.weight, self.bias)
        return answer if onto is None else answer.add_(onto)


@dataclass(frozen=True)
class FeedForward:
    """down(activation(up(x))), added to `onto`."""

    up: Map
    down: Adding
    activation: str

    def __call__(self, inputs: "torch.Tensor", onto: "torch.Tensor") -> "torch.Tensor":
        """Inputs (tokens × width) to the same shape."""
        return self.down(activated(self.up(inputs), self.activation), onto)


@dataclass(frozen=True)
class Norm:
    """Layer normalisation; weight and bias (width)."""

    weight: "torch.Tensor"
    bias: "torch.Tensor"
    eps: float

    def __call__(self, vectors: "torch.Tensor") -> "torch.Tensor":
        """Vectors (tokens × width), which may be overwritten, to the same shape."""
        import torch

        compiled = kernels()
        if compiled is not None and is_kernel_compatible(vectors, 64):
            return compiled.normalise_(vectors, self.weight, self.bias, self.eps)
        return torch.nn.functional.layer_norm(vectors, self.weight.shape, self.weight, self.bias, self.eps)


Projection = TypeVar("Projection", bound=Map, covariant=True)


@dataclass(frozen=True)
class Block(Generic[Projection]):
    """One layer, normalised after each half: x = norm(x + out(attend(qkv(x)))); x = norm(x + feed_forward(x)).

    qkv: queries, keys and values side by side, heads within each.
    """

    qkv: Projection
    out: Adding
    attention_norm: Map
    feed_forward: Adding
    output_norm: Map

    def after_attention(self, gathered: "torch.Tensor", hidden: "torch.Tensor") -> "torch.Tensor":
        """Attention outputs and the layer's inputs (tokens × width each) to the layer's outputs."""
        hidden = self.attention_norm(self.out(gathered, hidden))
        return self.output_norm(self.feed_forward(hidden, hidden))


@dataclass(frozen=True)
class Embeddings:
    """Word and position vectors, normalised; segments are part of positions: there is but one of them.

    skipped: the token that takes no position; those of the others begin after its id. None: they begin at 0.
    """

    words: "torch.Tensor"
    positions: "torch.Tensor"
    norm: Map
    skipped: int | None = None

    def __call__(self, ids: "torch.Tensor", positions: "torch.Tensor") -> "torch.Tensor":
        """Ids and positions (tokens) to vectors (tokens × width)."""
        from torch.nn.functional import embedding

        return self.norm(embedding(ids, self.words).add_(embedding(positions, self.positions)))


@dataclass(frozen=True)
class Head:
    """last(activation(first(x))), from the vector of a text's first token to its logits."""

    first: Linear
    activation: Map
    last: Linear

    def __call__(self, vectors: "torch.Tensor") -> "torch.Tensor":
        """Vectors (texts × width) to logits (texts × labels)."""
        return self.last(self.activation(self.first(vectors)))


@dataclass(frozen=True)
class Encoder:
    """A sequence classifier that reads its answer off the first token of each text.

    last: the last layer, whose queries, keys and values are not computed side by side (nlp/model/forward/attention.py).
    """

    embeddings: Embeddings
    blocks: tuple[Block[Map], ...]
    last: Block[Linear]
    head: Head
    n_heads: int


def is_known(model: Any) -> bool:
    """Whether `read_encoder` can take the model apart: BERT and RoBERTa with their kin, DistilBERT."""
    import torch

    config, parts = model.config.to_dict(), list(model.modules())
    weighted = (part for part in parts if next(part.parameters(recurse=False), None) is not None)
    return (
        type(model).__name__ in _READERS
        # of PyTorch's and transformers' own parts: an adapter, for one, is neither
        and all(type(part).__module__.startswith(("torch.", "transformers.")) for part in parts)
        and all(type(part) in (torch.nn.Linear, torch.nn.Embedding, torch.nn.LayerNorm) for part in weighted)
        and (config.get("hidden_act") or config.get("activation")) in (*ACTIVATIONS, "relu")
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


def read_encoder(model: Any) -> Encoder:
    """Return a transformers sequence classifier that `is_known` taken apart.

    The tensors are those of the model, apart from queries, keys and values, which are copied to be adjacent, and
    the vectors of positions and segments, which are summed.
    """
    return _READERS[type(model).__name__](model)


def activated(inputs: "torch.Tensor", name: str) -> "torch.Tensor":
    """Return the activation function of that name in a config; only those that `read_encoder` lets pass."""
    import torch

    if name == "relu":
        return torch.relu(inputs)
    return torch.nn.functional.gelu(inputs, approximate=ACTIVATIONS[name])


def _linear(*layers: Any) -> Linear:
    """The layers' outputs side by side; a missing bias is 0."""
    import torch

    biases = [each.weight.new_zeros(each.out_features) if each.bias is None else each.bias for each in layers]
    if len(layers) == 1:
        return Linear(layers[0].weight.detach(), biases[0].detach())
    return Linear(torch.cat([each.weight.detach() for each in layers]), torch.cat([each.detach() for each in biases]))


def _norm(layer: Any) -> Norm:
    return Norm(layer.weight.detach().contiguous(), layer.bias.detach().contiguous(), layer.eps)


def _bert_like(model: Any, body: Any, head: Head, skipped: int | None = None) -> Encoder:
    parts, blocks = body.embeddings, []
    embeddings = Embeddings(
        words=parts.word_embeddings.weight.detach(),
        positions=parts.position_embeddings.weight.detach() + parts.token_type_embeddings.weight[0].detach(),
        norm=_norm(parts.LayerNorm),
        skipped=skipped,
    )
    for layer in body.encoder.layer:
        attention, up, down = layer.attention, _linear(layer.intermediate.dense), _linear(layer.output.dense)
        block = Block(
            qkv=_linear(attention.self.query, attention.self.key, attention.self.value),
            out=_linear(attention.output.dense),
            attention_norm=_norm(attention.output.LayerNorm),
            feed_forward=FeedForward(up, down, model.config.hidden_act),
            output_norm=_norm(layer.output.LayerNorm),
        )
        blocks.append(block)
    return Encoder(embeddings, tuple(blocks[:-1]), blocks[-1], head, model.config.num_attention_heads)


def read_bert(model: Any) -> Encoder:
    """A BertForSequenceClassification."""
    import torch

    return _bert_like(model, model.bert, Head(_linear(model.bert.pooler.dense), torch.tanh, _linear(model.classifier)))


def read_roberta(model: Any) -> Encoder:
    """RoBERTa's positions begin after that of the padding token, and wherever that token stands it takes none."""
    import torch

    head = Head(_linear(model.classifier.dense), torch.tanh, _linear(model.classifier.out_proj))
    return _bert_like(model, model.roberta, head, skipped=model.config.pad_token_id)


def read_distilbert(model: Any) -> Encoder:
    """A DistilBertForSequenceClassification."""
    import torch

    parts, blocks = model.distilbert.embeddings, []
    embeddings = Embeddings(
        parts.word_embeddings.weight.detach(), parts.position_embeddings.weight.detach(), _norm(parts.LayerNorm)
    )
    for layer in model.distilbert.transformer.layer:
        attention, up, down = layer.attention, _linear(layer.ffn.lin1), _linear(layer.ffn.lin2)
        block = Block(
            qkv=_linear(attention.q_lin, attention.k_lin, attention.v_lin),
            out=_linear(attention.out_lin),
            attention_norm=_norm(layer.sa_layer_norm),
            feed_forward=FeedForward(up, down, model.config.activation),
            output_norm=_norm(layer.output_layer_norm),
        )
        blocks.append(block)
    head = Head(_linear(model.pre_classifier), torch.relu, _linear(model.classifier))
    return Encoder(embeddings, tuple(blocks[:-1]), blocks[-1], head, model.config.n_heads)


_READERS: dict[str, Callable[[Any], Encoder]] = {
    "BertForSequenceClassification": read_bert,
    "RobertaForSequenceClassification": read_roberta,
    "XLMRobertaForSequenceClassification": read_roberta,
    "CamembertForSequenceClassification": read_roberta,
    "DistilBertForSequenceClassification": read_distilbert,
}
