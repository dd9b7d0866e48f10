"""Fast gradient method: each step also trains on word embeddings moved against the model (Miyato et al. 2017)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nlp.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

TrainingStep = Callable[..., "Tensor"]


def adversarial_step(training_step: TrainingStep, epsilon: float) -> TrainingStep:
    """Return a Trainer's `training_step` with a second backward pass, on perturbed embeddings, in each call.

    epsilon: length (above 0; L2, over all tokens of one text) of the perturbation of that text's word embeddings.
    Miyato et al. scale their embeddings to unit variance; here it is in the encoder's own units, where a word vector
    of a BERT-like encoder is about 1 long: 0.1 to 1 is a sensible range.

    The gradients of both passes add up, so the step descends the sum of the clean and the adversarial loss; what
    is returned and logged is the clean loss, comparable with a run that has none of this. A step takes twice as
    long. Assign it to the trainer, no subclass is needed:
    `trainer.training_step = adversarial_step(trainer.training_step, epsilon)`.

    The perturbation is added to what the embedding layer returns, not to its matrix: each text gets its own, as in
    the paper, so a step in micro-batches equals the big one; and the matrix is never written to.

    Raises:
        ModelError: at the first step, a model without word embeddings.
    """

    def step(model: Any, inputs: Any, *rest: Any) -> "Tensor":
        """The step as it was, then once more with the word vectors moved up the gradient."""
        embeddings = word_embeddings(model)
        with recorded_gradient(embeddings) as gradient:
            loss = training_step(model, inputs, *rest)
        with added(embeddings, perturbation(gradient[0], epsilon)):
            training_step(model, inputs, *rest)
        return loss

    return step


def word_embeddings(model: Any) -> Any:
    """Return the module that looks up word vectors, also of a wrapped model (peft, data-parallel)."""
    inner = getattr(model, "module", model)
    found = getattr(inner, "get_input_embeddings", lambda: None)()
    if found is None:
        raise ModelError(f"{type(inner).__name__} names no word embeddings: adversarial training needs them")
    return found


def perturbation(gradient: "Tensor", epsilon: float) -> "Tensor":
    """Return epsilon × gradient / its length, per text (texts × tokens × hidden); 0 where the gradient is 0."""
    import torch

    # r_adv = epsilon g / ||g||_2, g the gradient at one text's whole sequence of word vectors: Miyato, Dai and
    # Goodfellow (2017), eq. 5. In float32, as squares of small half-precision gradients round to 0; by the
    # largest entry first for the same reason.
    wide = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    largest = wide.abs().amax(dim=(1, 2), keepdim=True)
    scaled = wide / torch.where(largest > 0, largest, torch.ones_like(largest))
    length: Tensor = scaled.flatten(1).norm(dim=1).clamp(min=1.0)[:, None, None]  # below 1 only where all is 0
    return scaled * (epsilon / length)


@contextmanager
def recorded_gradient(embeddings: Any) -> Iterator[list["Tensor"]]:
    """Yield a list that holds the gradient (texts × tokens × hidden) at the looked-up vectors after a backward pass."""
    gradients: list[Tensor] = []

    def watch(_module: Any, _inputs: Any, output: "Tensor") -> "Tensor":
        watched = output if output.requires_grad else output.requires_grad_()  # frozen, beneath an adapter
        watched.register_hook(lambda gradient: gradients.append(gradient.detach()))  # type: ignore[no-untyped-call]
        return watched

    handle = embeddings.register_forward_hook(watch)
    try:
        yield gradients
    finally:
        handle.remove()


@contextmanager
def added(embeddings: Any, shift: "Tensor") -> Iterator[None]:
    """Within it, the looked-up vectors come out moved by `shift`."""
    handle = embeddings.register_forward_hook(lambda _module, _inputs, output: output + shift.to(output.dtype))
    try:
        yield
    finally:
        handle.remove()
