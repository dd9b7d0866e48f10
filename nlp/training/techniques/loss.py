"""One classification loss: class weights, label smoothing and focal modulation in one formula."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nlp.errors import ModelError
from nlp.training.techniques.rdrop import rdrop_kl

if TYPE_CHECKING:
    from torch import Tensor


def classification_loss(
    logits: "Tensor", targets: "Tensor", *, weights: "Tensor | None" = None, smoothing: float = 0.0, gamma: float = 0.0
) -> "Tensor":
    """Return the mean over the texts of the weighted, smoothed, focal cross-entropy, as a scalar.

    logits: texts × labels, any float; half precision is computed in float32.
    targets: (texts,) int64 codes of labels, or texts × labels: a probability per label, times the text's own weight.
    weights: (labels,), one factor per class; give it the mean 1 over the corpus's texts (see class_weights),
    and the loss keeps its scale. smoothing: the share of each target, in [0, 1), spread evenly over all labels.
    gamma: 0 is cross-entropy; above it, texts that are already classified well count less.

    The mean is over texts, sum / number of texts. torch's own weighted `reduction="mean"` divides by the batch's
    sum of weights instead: that makes a text's gradient depend on the labels of its batch, and the mean over
    micro-batches differ from the big batch. With `smoothing` and `weights` but gamma 0 this equals
    `cross_entropy(..., weight, label_smoothing, reduction="sum") / len(labels)`.

    Raises:
        ModelError: a number of weights other than that of the labels.
    """
    import torch

    n_labels = logits.shape[-1]
    if weights is not None and tuple(weights.shape) != (n_labels,):
        raise ModelError(f"class weights have the shape {tuple(weights.shape)}: give one per label, {n_labels} in all")
    log_p = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    # FL = -sum_k q_k w_k (1 - p_k)^gamma log p_k with q = (1 - smoothing) target + smoothing / K: at smoothing 0
    # Lin et al. (2017), eq. 5, with alpha = w; at gamma 0 the smoothing of Szegedy et al. (2016), eq. 8.
    terms = -log_p
    if gamma:
        # 1 - p without cancellation; the floor keeps the gradient finite where p rounds to 1 and gamma is below 1.
        terms = terms * (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny) ** gamma
    if weights is not None:
        terms = terms * weights.to(terms)
    wanted = (torch.nn.functional.one_hot(targets, n_labels) if targets.dim() == 1 else targets).to(log_p)
    of_target = (wanted * terms).sum(dim=-1)
    return ((1.0 - smoothing) * of_target + smoothing * wanted.sum(dim=-1) * terms.mean(dim=-1)).mean()


def binary_pairs(logits: "Tensor") -> "Tensor":
    """Return logits (... × labels) as those of two classes each (... × labels × 2): no and yes.

    softmax over the pair is the sigmoid, so a text with several labels is as many texts of two classes.
    """
    import torch

    return torch.stack([torch.zeros_like(logits), logits], dim=-1)


def bernoulli_loss(logits: "Tensor", targets: "Tensor", *, smoothing: float = 0.0, gamma: float = 0.0) -> "Tensor":
    """Return the mean over the texts of the binary cross-entropy summed over labels, as a scalar.

    logits: texts × labels. targets: texts × labels × 2: how much no and yes count, 0 and 1 for a label that the text
    has. smoothing, gamma: as in `classification_loss`, of which this is the sum over labels.
    """
    pairs, wanted = binary_pairs(logits).flatten(0, 1), targets.flatten(0, 1)
    return logits.shape[-1] * classification_loss(pairs, wanted, smoothing=smoothing, gamma=gamma)


def trainer_loss(
    weights: "Tensor | None" = None, *, smoothing: float = 0.0, gamma: float = 0.0, rdrop: float = 0.0
) -> Callable[..., "Tensor"]:
    """Return `classification_loss` as the `compute_loss_func` of a transformers Trainer.

    rdrop: weight of the divergence between two forward passes of a text, relative to the mean of their two losses; it
    is added where the model returns two rows of logits per text (rdrop.duplicate_batch). The paper adds both losses
    up, so its alpha is twice this number.

    Trainer adds up the micro-batches of one step and leaves a custom loss undivided; it passes the number of texts
    in the whole step as `num_items_in_batch`. Each micro-batch is therefore returned as its sum over that number:
    their total is the mean over all texts of the step, also where micro-batches differ in size. What it counts are
    entries, three per text where the targets are probabilities.

    Targets of three dimensions are those of `bernoulli_loss`; weights do not apply to them.
    """

    def loss(outputs: Any, labels: "Tensor", num_items_in_batch: "Tensor | int | None" = None) -> "Tensor":
        """The Trainer's share of the mean loss over one step's texts."""
        passes = len(outputs.logits) // len(labels)
        wanted = labels.repeat_interleave(passes, dim=0)
        if labels.dim() == 3:
            mean = bernoulli_loss(outputs.logits, wanted, smoothing=smoothing, gamma=gamma)
        else:
            mean = classification_loss(outputs.logits, wanted, weights=weights, smoothing=smoothing, gamma=gamma)
        if passes == 2 and labels.dim() == 3:
            twice = binary_pairs(outputs.logits.unflatten(0, (-1, 2))).transpose(1, 2).flatten(0, 1)
            counts = labels.sum(dim=-1).flatten()
            mean = mean + rdrop * labels.shape[1] * rdrop_kl(twice, counts.to(mean))
        elif passes == 2:
            # A text's own weight is what its target sums to; 1 where targets are codes.
            counts = labels.new_ones(len(labels)) if labels.dim() == 1 else labels.sum(dim=-1)
            mean = mean + rdrop * rdrop_kl(outputs.logits.unflatten(0, (-1, 2)), counts.to(mean))
        return mean if num_items_in_batch is None else mean * (labels.numel() / num_items_in_batch)

    return loss
