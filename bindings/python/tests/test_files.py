"""Models whose files come from Python objects."""
import gc
import os
import zipfile

import diffulm
import pytest
from diffulm import _files


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def answer(model, tokenizer, head):
    session = diffulm.Session(model, diffulm.Sampler(steps=10), tokenizer)
    session.add_text("Write 42 in English words.", length_head=head)
    session.run()
    return session.text()


def test_a_model_of_bytes_answers_as_that_of_the_folder(folder):
    files = {name: read(folder, name) for name in ("config.json", "model.safetensors", "tokenizer.json", "length_head.safetensors")}
    model = diffulm.Model.from_files(files)
    head = diffulm.LengthHead.from_files(model, files)
    tokenizer = diffulm.Tokenizer.from_files(files)
    del files
    gc.collect()
    assert answer(model, tokenizer, head) == "forty-two"


def test_a_function_reads_a_zip_archive(folder, tmp_path):
    path = tmp_path / "mini.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "length_head.safetensors"):
            archive.write(os.path.join(folder, name), name)
    with zipfile.ZipFile(path) as archive:
        def find(name):
            return archive.read(name) if name in archive.namelist() else None

        model = diffulm.Model.from_files(find)
        assert answer(model, diffulm.Tokenizer.from_files(find), diffulm.LengthHead.from_files(model, find)) == "forty-two"


def test_bytes_live_as_long_as_the_model_and_no_longer(folder):
    before = len(_files._borrowed)
    files = {name: read(folder, name) for name in ("config.json", "model.safetensors")}
    model = diffulm.Model.from_files(files)
    session = diffulm.Session(model, diffulm.Sampler(steps=2), diffulm.Tokenizer(folder))
    session.add_text("Write 42 in English words.", length=4)
    del files
    model.close()  # the session still uses it
    gc.collect()
    assert len(_files._borrowed) == before + 1
    session.run()
    session.close()
    assert len(_files._borrowed) == before


def test_what_the_function_raises_is_raised(folder):
    def find(name):
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        diffulm.Model.from_files(find)


def test_a_file_that_is_missing_is_named(folder):
    with pytest.raises(diffulm.FileError, match="files/model.safetensors: there is no such file"):
        diffulm.Model.from_files({"config.json": read(folder, "config.json")})


def test_an_adapter_of_bytes(folder, tmp_path):
    model = diffulm.Model(folder)
    trainer = diffulm.Trainer(model, lora_rank=2, lr=0.1)
    trainer.accumulate([([0, 5, 6, 7, 2], 2)])
    trainer.apply()
    trainer.export_adapter().save(tmp_path)
    files = {name: read(tmp_path, name) for name in ("adapter_config.json", "adapter_model.safetensors")}
    rows = [[0, 5, 6, 7, 2]]
    given = diffulm.Adapter.from_files(model, files).attach().logits(rows)
    assert (given == diffulm.Adapter(model, tmp_path).attach().logits(rows)).all()
    assert (given != model.logits(rows)).any()
