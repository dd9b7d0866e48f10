"""TextClassifier and SentimentClassifier: load, predict, save; weights from safetensors only."""

import copy
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from newsfolio.shared.arrays import BoolArray, FloatArray
from nlp.corpora.labelled import embedded_corpus
from nlp.errors import ModelError
from nlp.labels import LABELS, TONE
from nlp.model.files import (
    AMOUNT_RULES,
    MULTI_LABEL,
    SAFE_LOADING,
    SIDECAR,
    absent_weights,
    checked_source,
    checked_temperature,
    load_tokenizer,
    quiet_transformers,
    reading,
    refuse_absent,
    saved_metadata,
    whole_folder,
)
from nlp.model.forward.encoders import Encoder
from nlp.model.forward.engines import Engine, calibrate, engine_for
from nlp.model.forward.int8 import quantize_encoder
from nlp.model.forward.precision import chosen_precision, known_device, known_dtype
from nlp.model.inference import (
    TOKENS_PER_BATCH,
    TextNotes,
    checked_texts,
    logits_of,
    longest_text,
    text_notes,
    tokenize,
)
from nlp.model.outputs import column_labels, label_order, sigmoid, softmax
from nlp.model.unknown_words import UNREADABLE, TokenizedTexts, unknown_ids, unknown_shares
from nlp.provenance import TRAINED_ON, TRAINED_UNTIL, TrainingTexts
from nlp.texts.compared_amounts import with_directions

CARD = "README.md"  # where the model hub looks for a card
CALIBRATION_TEXTS = 256  # headlines of the package itself whose activations set the range of 8 bits
# Of a config, what does not decide a probability: where it came from, who wrote it, in which dtype.
INCIDENTAL = {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures"}


class TextClassifier:
    """A classifier of texts; `labels` names the columns of its probabilities, `task` what they are about.

    multi_label: whether a text may have several labels or none, each with a probability of its own.
    """

    only_task: ClassVar[str | None] = None  # of a subclass

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        task: str = TONE,
        temperature: float = 1.0,
        dtype: str = "auto",
        reads_amounts: bool = False,
        training: TrainingTexts | None = None,
    ) -> None:
        """Wrap a transformers sequence classifier; the model is cast to `dtype` and put in eval mode.

        reads_amounts: whether texts are given to it with the direction of compared amounts
        (nlp/texts/compared_amounts.py), as they must be where it was trained so. training: provenance of its training
        texts, where that is known; no part of the fingerprint.
        """
        import torch

        self.reads_amounts = reads_amounts
        self.training = training
        self.task = task
        self.multi_label = task != TONE and model.config.problem_type == MULTI_LABEL
        self.labels = LABELS if task == TONE else column_labels(model.config)
        self.column_order = label_order(model.config) if task == TONE else list(range(len(self.labels)))
        self.temperature = checked_temperature(temperature)
        self.tokenizer = tokenizer
        # Kept as loaded: casting to bfloat16 to compute and back to save would lose digits. On the CPU and, where a
        # float, in float32: the one dtype that models are saved and compared in.
        stored = ((name, tensor.detach().cpu()) for name, tensor in model.state_dict().items())
        self._stored = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in stored}
        digest = hashlib.sha256()
        for name, tensor in sorted(self._stored.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        self._weights_digest = digest.hexdigest()
        self.precision = chosen_precision(dtype, model)
        # int8 is made from float32 (nlp/model/forward/int8.py). A copy, as the caller's own keeps its digits.
        computed = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(self.precision, torch.float32)
        self.model = (model if model.dtype == computed else copy.deepcopy(model).to(computed)).eval()
        self.max_length = longest_text(model, tokenizer)

    @classmethod
    def load(cls, source: str | Path, *, device: str = "auto", dtype: str = "auto") -> Self:
        """Load a classifier from a folder that `save` wrote, or any transformers one by folder or hub name.

        device: "auto" takes CUDA, then Apple's MPS, then the CPU. dtype: "auto" takes what is fastest there: bfloat16
        on CUDA; on the CPU int8 where the processor has VNNI or AMX and the model is a BERT, RoBERTa or DistilBERT,
        else bfloat16 where it is multiplied clearly faster than float32. `precision` is the one it took; "float32"
        is exact. A temperature is read from a folder only: a model loaded by its hub name has temperature 1.

        Raises:
            ModelError: no such folder, no safetensors, weights or vocabulary missing, labels that are not those of the
                task, an unknown device or dtype, or int8 where there is none.
        """
        from transformers import AutoModelForSequenceClassification

        where, device, dtype = checked_source(source), known_device(device), known_dtype(dtype)
        with reading(source, "a classifier"):
            model, report = AutoModelForSequenceClassification.from_pretrained(
                where, ignore_mismatched_sizes=True, **SAFE_LOADING
            )
            saved = saved_metadata(Path(where))
            task = cls.only_task or saved.task
            if task == TONE:
                label_order(model.config)
            refuse_absent(absent_weights(report))  # transformers would draw them at random, in silence
            tokenizer = load_tokenizer(where)
        if task != TONE and saved.multi_label != (model.config.problem_type == MULTI_LABEL):
            raise ModelError(
                f"{source}: config.json has the problem_type {model.config.problem_type}, another than the model was "
                "saved with: put it back, or save the model again"
            )
        recorded: Any = saved.columns if task == TONE else saved.labels
        if recorded not in (None, label_order(model.config) if task == TONE else column_labels(model.config)):
            raise ModelError(
                f"{source}: config.json has the labels in another order than the model was saved with: "
                "put id2label back, or save the model again"
            )
        return cls(
            model.to(device),
            tokenizer,
            task=task,
            temperature=saved.temperature,
            dtype=dtype,
            reads_amounts=saved.amounts,
            training=saved.training,
        )

    def predict_proba(
        self, texts: Sequence[str], *, tokens_per_batch: int = TOKENS_PER_BATCH, progress: bool = False
    ) -> NDArray[np.float32]:
        """Return probabilities (texts × labels), float32, order kept; rows sum to 1, unless `multi_label`.

        NaN where the text cannot be read: more than 20 % of its tokens are unknown to the model's vocabulary, as of
        Chinese in an English one. Those are counted in the log, and so are texts longer than the model's limit, which
        are truncated. Equal texts are computed once. On one machine a text's probabilities do not depend on its batch;
        `tokens_per_batch` trades speed for memory and moves them within the rounding of the dtype.

        Raises:
            NlpError: a text is not a string.
        """
        given = checked_texts(texts)
        place = {text: row for row, text in enumerate(dict.fromkeys(given))}
        if not place:
            return np.empty((0, len(self.labels)), dtype=np.float32)
        noted, lost = TextNotes(), list[BoolArray]()

        def read(some: Sequence[str]) -> list[list[int]]:
            """Token ids, only the first and last of unreadable texts; notes those, and what is truncated."""
            ids, truncated, unknown = self._read(some)
            lost.append(unknown > UNREADABLE)
            for row in np.flatnonzero(lost[-1]):
                ids[row] = [ids[row][0], ids[row][-1]]
            noted.add(TextNotes(len(some), truncated, int(lost[-1].sum()), self.max_length))
            return ids

        logits = logits_of(list(place), read, self._engine, tokens_per_batch, progress)[:, self.column_order]
        with text_notes() as notes:
            notes.add(noted)
        shares = sigmoid if self.multi_label else softmax
        probabilities = shares(logits / self.temperature)
        probabilities[np.concatenate(lost)] = np.nan
        return np.asarray(probabilities[[place[text] for text in given]])

    def unknown_shares(self, texts: Sequence[str]) -> FloatArray:
        """Return the share of each text's tokens that the vocabulary does not know, from 0 to 1; nothing is computed.

        Raises:
            NlpError: a text is not a string.
        """
        return self._read(checked_texts(texts)).unknown

    def _read(self, texts: Sequence[str]) -> TokenizedTexts:
        shown = [with_directions(text) for text in texts] if self.reads_amounts else texts
        ids, truncated = tokenize(self.tokenizer, shown, self.max_length)
        return TokenizedTexts(ids, truncated, unknown_shares(self.tokenizer, self._unknown, shown, ids))

    @cached_property
    def _unknown(self) -> frozenset[int]:
        return unknown_ids(self.tokenizer)

    @cached_property
    def _engine(self) -> Engine:
        def prepared(encoder: Encoder) -> Encoder:
            """In 8 bits where that is the precision, calibrated on the package's own headlines."""
            if self.precision != "int8":
                return encoder
            headlines = embedded_corpus()["text"]
            ids = self._read(headlines[:: len(headlines) // CALIBRATION_TEXTS].tolist()).ids
            return quantize_encoder(encoder, lambda observed: calibrate(observed, ids))

        return engine_for(self.model, prepared, self.tokenizer.pad_token_id or 0, self.max_length)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the probabilities: weights, config, tokenizer, label order, how texts are read."""
        config = {key: value for key, value in self.model.config.to_dict().items() if key not in INCIDENTAL}
        words = json.loads(self.tokenizer.backend_tokenizer.to_str())
        words = {key: value for key, value in words.items() if key not in ("padding", "truncation")}  # set per call
        digest = hashlib.sha256(self._weights_digest.encode())
        digest.update(json.dumps(words).encode())
        digest.update(json.dumps([self.column_order, repr(self.temperature), self.max_length]).encode())
        digest.update(AMOUNT_RULES.encode() if self.reads_amounts else b"")
        digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        return digest.hexdigest()

    def save(self, folder: str | Path, *, card: str = "") -> Path:
        """Write safetensors, tokenizer, config and temperature; an error leaves an older model there whole.

        card: the text of a README.md, put there in the same step.

        Raises:
            ModelError: `folder` holds anything but a saved model, or cannot be written.
        """
        sidecar = {
            "temperature": self.temperature,
            "task": self.task,
            "labels": self.labels,
            "multi_label": self.multi_label,
            "columns": self.column_order,
            "fingerprint": self.fingerprint,
            "amounts": AMOUNT_RULES if self.reads_amounts else None,
            TRAINED_ON: None if self.training is None else list(self.training.corpora),
            TRAINED_UNTIL: None if self.training is None else self.training.until,
        }
        config = copy.deepcopy(self.model.config)
        config.dtype = "float32"  # that of the weights in the file, whatever they are computed in
        with whole_folder(Path(folder)) as fresh, quiet_transformers():
            self.model.save_pretrained(fresh, state_dict=self._stored)
            config.save_pretrained(fresh)
            self.tokenizer.save_pretrained(fresh)
            (fresh / SIDECAR).write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
            if card:
                (fresh / CARD).write_text(card, encoding="utf-8")
        return Path(folder)


class SentimentClassifier(TextClassifier):
    """A three-way classifier of financial news; its columns are always negative, neutral, positive."""

    only_task = TONE


def classifier_of(task: str) -> type[TextClassifier]:
    """Return the class of a task's classifiers."""
    return SentimentClassifier if task == TONE else TextClassifier
