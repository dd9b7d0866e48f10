"""Several classifiers as one: their probabilities averaged, one folder on disk."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from newsfolio.shared.arrays import FloatArray
from nlp.errors import ModelError
from nlp.labels import LABELS, TONE
from nlp.model.classifier import TextClassifier, classifier_of
from nlp.model.files import checked_temperature, saved_metadata, whole_folder
from nlp.model.inference import TOKENS_PER_BATCH, text_notes
from nlp.model.outputs import label_order
from nlp.provenance import TrainingTexts, joined

SIDECAR = "ensemble.json"  # its presence is what makes a folder an ensemble


class Classifier(Protocol):
    """What the rest of the package needs of a classifier, one model or several."""

    temperature: float

    @property
    def task(self) -> str:
        """What the labels are about: tone, or the name that a fine-tuning gave."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the columns of the probabilities."""

    @property
    def multi_label(self) -> bool:
        """Whether a text may have several of the labels."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the probabilities."""

    def predict_proba(
        self, texts: Sequence[str], *, tokens_per_batch: int = TOKENS_PER_BATCH, progress: bool = False
    ) -> NDArray[np.float32]:
        """Probabilities (texts × labels)."""

    @property
    def training(self) -> TrainingTexts | None:
        """Provenance of its training texts, where known."""

    def save(self, folder: str | Path) -> Path:
        """Write it as a folder that `load_classifier` reads."""


class TextEnsemble:
    """Classifiers of one task whose probabilities are averaged; task, labels and multi_label are the members'."""

    only_task: ClassVar[str | None] = None  # of a subclass

    def __init__(self, members: Sequence[TextClassifier], *, temperature: float = 1.0) -> None:
        """members: at least one; each keeps its own temperature. temperature: that of the average, see predict_proba.

        Raises:
            ModelError: no member, members with other labels than the first, or a temperature that is not above 0.
        """
        if not members:
            raise ModelError("an ensemble of no classifiers: pass at least one")
        first = members[0]
        for number, member in enumerate(members):
            try:
                if member.task == TONE:
                    label_order(member.model.config)
                _check_alike(first, member)
                if self.only_task not in (None, member.task):
                    raise ModelError(f"its task is {member.task}, not {self.only_task}: use TextEnsemble")
            except ModelError as error:
                raise ModelError(f"member {number} of the ensemble: {error}") from error
        self.members = tuple(members)
        self.task, self.labels, self.multi_label = first.task, first.labels, first.multi_label
        self.temperature = checked_temperature(temperature)

    @classmethod
    def load(cls, source: str | Path, *, device: str = "auto", dtype: str = "auto") -> Self:
        """Load from a folder that `save` wrote; device and dtype as for TextClassifier.load.

        Raises:
            ModelError: no ensemble.json, a member that is missing or cannot be loaded, or other members than saved.
        """
        folder = Path(source)
        path = folder / SIDECAR
        if not path.is_file():
            raise ModelError(f"{folder}: has no {SIDECAR}: pass a folder that an ensemble was saved in")
        try:
            sidecar = json.loads(path.read_text(encoding="utf-8"))
            labels, count = tuple(sidecar["labels"]), int(sidecar["members"])
            temperature, fingerprint = float(sidecar["temperature"]), str(sidecar["fingerprint"])
            task = str(sidecar.get("task", TONE))
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{path}: cannot be read: {error!r}: save the ensemble again") from error
        if TONE in (task, cls.only_task) and labels != LABELS:
            raise ModelError(f"{path}: its labels are {', '.join(map(str, labels))}, needed are {', '.join(LABELS)}")
        places = [folder / "members" / str(number) for number in range(count)]
        kind = classifier_of(cls.only_task or task)
        members = [kind.load(place.resolve(), device=device, dtype=dtype) for place in places]
        ensemble = cls(members, temperature=temperature)
        if ensemble.fingerprint != fingerprint:
            raise ModelError(f"{folder}: its members are not those that {SIDECAR} was written for: save it again")
        return ensemble

    def predict_proba(
        self, texts: Sequence[str], *, tokens_per_batch: int = TOKENS_PER_BATCH, progress: bool = False
    ) -> NDArray[np.float32]:
        """Return the members' mean probabilities (texts × labels), float32, in the order given.

        Rows sum to 1, unless multi_label. A temperature T other than 1 sharpens or softens that mean: p^(1/T), scaled
        to sum to 1 (with (1 - p)^(1/T), where multi_label), which for one member is the same as dividing its logits
        by T. NaN where a member cannot read a text.

        Raises:
            NlpError: a text is not a string.
        """
        total, noted = np.zeros((len(texts), len(self.labels))), []
        for member in self.members:
            with text_notes(apart=True) as notes:
                total += member.predict_proba(texts, tokens_per_batch=tokens_per_batch, progress=progress)
            noted.append(notes)
        with text_notes() as notes:  # the members read the same texts
            notes.add(max(noted, key=lambda each: (each.unreadable, each.truncated)))
        if self.multi_label:
            mean = total / len(self.members)
            yes, no = mean ** (1.0 / self.temperature), (1.0 - mean) ** (1.0 / self.temperature)
            return np.asarray(yes / (yes + no), dtype=np.float32)
        powers = (total / len(self.members)) ** (1.0 / self.temperature)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)

    def unknown_shares(self, texts: Sequence[str]) -> FloatArray:
        """Return the share of each text's tokens that a vocabulary does not know: the highest of the members'.

        Raises:
            NlpError: a text is not a string.
        """
        shares: FloatArray = np.max([member.unknown_shares(texts) for member in self.members], axis=0)
        return shares

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the probabilities: the members in their order and the temperature."""
        parts = [[member.fingerprint for member in self.members], repr(self.temperature)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def training(self) -> TrainingTexts | None:
        """Provenance of the training texts of all members, where known."""
        return joined([member.training for member in self.members])

    def save(self, folder: str | Path) -> Path:
        """Write members/0, members/1, ... and ensemble.json; an error leaves an older model there whole.

        Raises:
            ModelError: `folder` holds anything but a saved model, or cannot be written.
        """
        sidecar = {
            "members": len(self.members),
            "task": self.task,
            "labels": self.labels,
            "temperature": self.temperature,
            "fingerprint": self.fingerprint,
        }
        with whole_folder(Path(folder)) as fresh:
            for number, member in enumerate(self.members):
                member.save(fresh / "members" / str(number))
            (fresh / SIDECAR).write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
        return Path(folder)


class SentimentEnsemble(TextEnsemble):
    """Classifiers of tone whose probabilities are averaged; its columns are always negative, neutral, positive."""

    only_task = TONE


def _check_alike(first: TextClassifier, member: TextClassifier) -> None:
    if member.task != first.task:
        raise ModelError(f"its task is {member.task}, that of the first {first.task}: take members of one task")
    if member.labels != first.labels:
        ours, theirs = (", ".join(each.labels) for each in (first, member))
        raise ModelError(f"its labels are {theirs}, those of the first {ours}: train it on these")
    if member.multi_label != first.multi_label:
        raise ModelError("only one of it and the first is multi-label: train both on the same corpus")


def load_classifier(
    source: str | Path, *, device: str = "auto", dtype: str = "auto", task: str | None = None
) -> Classifier:
    """Load what is there: an ensemble where the folder has an ensemble.json, else one classifier of whatever task.

    task: the one that it must have; None takes any.

    Raises:
        ModelError: see SentimentEnsemble.load and TextClassifier.load; or its task is another.
    """
    folder = Path(source)
    kind: type[TextEnsemble | TextClassifier]
    if (folder / SIDECAR).is_file():
        found = _task_of_ensemble(folder / SIDECAR)
        kind = SentimentEnsemble if found == TONE else TextEnsemble
    else:
        found = saved_metadata(folder).task
        kind = classifier_of(found)
    if task not in (None, found):
        raise ModelError(f"{source}: is a classifier of {found}, not of {task}: name another model, or no task")
    return kind.load(source, device=device, dtype=dtype)


def _task_of_ensemble(path: Path) -> str:
    """Tone where an older version saved it, or where it cannot be read, as loading then says."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("task", TONE))
    except (ValueError, AttributeError):
        return TONE
