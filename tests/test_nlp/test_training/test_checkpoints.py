"""A run that was killed resumes to the same bits; what is not whole, or of another run, is never resumed from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_nlp.test_training.small_runs import ROWS, Killed, count_steps, kill_after, weights_of

from nlp.errors import ModelError
from nlp.training import checkpoints
from nlp.training.finetune import finetune, refit

pytestmark = pytest.mark.usefixtures("one_thread")

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("extra", [{}, {"average_decay": 0.8, "patience": 5}, {"lora_rank": 2}], ids=str)
def test_a_killed_run_goes_on_to_the_same_bits(config, tmp_path, monkeypatch, extra):
    settings = replace(config, epochs=4, **extra)
    whole, report = finetune(ROWS, ROWS, settings)
    with monkeypatch.context() as killing:
        kill_after(2, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path / "work")
    assert (tmp_path / "work" / "checkpoint-8" / "whole").is_file()
    steps = count_steps(monkeypatch)
    resumed, again = finetune(ROWS, ROWS, settings, workspace=tmp_path / "work")
    assert len(steps) == 2 * 4  # only what was missing
    assert weights_of(whole) == weights_of(resumed)
    assert again.train_loss == pytest.approx(report.train_loss)
    assert (report.steps, report.temperature) == (again.steps, again.temperature)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("extra", [{}, {"average_decay": 0.8}, {"patience": 1}, {"lora_rank": 2}], ids=str)
def test_a_run_that_was_done_is_done_at_once_where_its_checkpoints_were_kept(config, tmp_path, monkeypatch, extra):
    settings, work = replace(config, epochs=4, **extra), tmp_path / "work"
    first, report = finetune(ROWS, ROWS, settings, workspace=work, keep_checkpoints=True)
    steps = count_steps(monkeypatch)
    second, again = finetune(ROWS, ROWS, settings, workspace=work, keep_checkpoints=True)
    assert not steps
    assert weights_of(first) == weights_of(second)
    assert replace(again, seconds=report.seconds) == report
    checkpoints.clear(work)
    checkpoints.clear(work)  # there is none now
    assert not work.exists()


def test_a_refit_that_was_done_is_done_at_once_where_its_checkpoints_were_kept(config, tmp_path, monkeypatch):
    def refitted():
        return refit(ROWS, config, temperature=1.5, workspace=tmp_path / "work", keep_checkpoints=True)

    first, steps = refitted(), count_steps(monkeypatch)
    assert weights_of(first) == weights_of(refitted())
    assert not steps


def test_a_checkpoint_cut_off_in_writing_is_not_gone_on_from(config, tmp_path, monkeypatch):
    settings = replace(config, epochs=3)
    with monkeypatch.context() as killing:
        kill_after(2, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path)
    last = tmp_path / "checkpoint-8"
    (last / "whole").unlink()
    (last / "model.safetensors").write_bytes(b"")
    whole, _ = finetune(ROWS, ROWS, settings)
    resumed, _ = finetune(ROWS, ROWS, settings, workspace=tmp_path)
    assert weights_of(whole) == weights_of(resumed)


@pytest.mark.parametrize("other", ["settings", "data"])
def test_checkpoints_of_another_run_are_not_gone_on_from(config, tmp_path, monkeypatch, caplog, other):
    settings = replace(config, epochs=3)
    with monkeypatch.context() as killing:
        kill_after(1, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path)
    rows = ROWS.iloc[:-3] if other == "data" else ROWS
    settings = replace(settings, learning_rate=2e-3) if other == "settings" else settings
    resumed, _ = finetune(rows, ROWS, settings, workspace=tmp_path)
    assert weights_of(resumed) == weights_of(finetune(rows, ROWS, settings)[0])
    assert "of other settings or data: starting from the beginning" in caplog.text


@needs_cuda
def test_on_a_gpu_a_killed_run_goes_on(config, tmp_path, monkeypatch):
    settings = replace(config, epochs=4, precision="float32")
    whole, _ = finetune(ROWS, ROWS, settings)
    with monkeypatch.context() as killing:
        kill_after(2, killing)
        with pytest.raises(Killed):
            finetune(ROWS, ROWS, settings, workspace=tmp_path)
    resumed, _ = finetune(ROWS, ROWS, settings, workspace=tmp_path)
    texts = list(ROWS["text"])
    np.testing.assert_allclose(whole.predict_proba(texts), resumed.predict_proba(texts), atol=1e-3)


@pytest.mark.parametrize("writer", ["safetensors", "torch"])
def test_a_checkpoint_that_cannot_be_written_to_its_end_is_told(config, tmp_path, monkeypatch, writer):
    import transformers
    from safetensors import SafetensorError

    error = {
        "safetensors": SafetensorError("Error while serializing: I/O error: No space left on device"),
        "torch": RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nframe #0"),
    }[writer]

    def full(*_):
        raise error

    monkeypatch.setattr(transformers.Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(ModelError, match=rf"{tmp_path}: cannot be written: .*: make room there") as told:
        finetune(ROWS, ROWS, config, workspace=tmp_path)
    assert "\n" not in str(told.value)
