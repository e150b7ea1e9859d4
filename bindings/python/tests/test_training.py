"""Training, checkpoints, data, schedules and metrics."""
import json

import diffulm
import pytest

PAIRS = [("say yes", "yes"), ("say no", "no"), ("say maybe", "maybe")] * 4
OPTIONS = dict(lr=2e-3, lr_schedule="linear", warmup=2, steps=24, timesteps=10, corruption="coupled", seed=5)


class Again:
    """What a data set of another library looks like: it can be iterated over again and again."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


@pytest.mark.parametrize("kind", ["list", "generator", "dicts", "batches"])
def test_fit_takes_any_iterable_of_pairs(kind, model, tokenizer):
    pairs = {"list": PAIRS, "generator": (pair for pair in PAIRS * 20), "dicts": Again([{"source": s, "target": t} for s, t in PAIRS]),
             "batches": [([s for s, _ in PAIRS[:6]], [t for _, t in PAIRS[:6]]), {"source": ["say no"], "target": ["no"]}]}[kind]
    trainer = diffulm.Trainer(model, **OPTIONS)
    reports = list(trainer.fit(pairs, tokenizer, tokens=64, progress=False))
    assert [r.step for r in reports] == list(range(1, 25))
    assert sum(r.cross_entropy for r in reports[-6:]) < sum(r.cross_entropy for r in reports[:6])


def test_a_checkpoint_goes_on_bit_for_bit_and_carries_a_note(model, tokenizer, tmp_path):
    rows = [diffulm.encode_row(tokenizer, *pair) for pair in PAIRS]
    one, other = diffulm.Trainer(model, **OPTIONS), diffulm.Trainer(model, **OPTIONS)
    one.step(rows)
    one.save(tmp_path / "state", b"\x00note" * 2000)
    assert other.restore(tmp_path / "state") == b"\x00note" * 2000
    assert one.step(rows) == other.step(rows)


def test_averages_and_adapters_are_exported(model, tokenizer, tmp_path):
    rows = [diffulm.encode_row(tokenizer, *pair) for pair in PAIRS]
    trainer = diffulm.Trainer(model, ema_decay=0.5, lora_rank=2, lora_targets="all-linear", **OPTIONS)
    assert 0 < trainer.parameters < model.info.parameters == diffulm.Trainer(model, **OPTIONS).parameters
    trainer.step(rows)
    trainer.export_adapter().save(tmp_path / "adapter")
    attached = diffulm.Adapter(model, tmp_path / "adapter").attach()
    row = rows[0][0]
    assert attached.logits([row])[0][:9].tolist() == pytest.approx(trainer.export().logits([row])[0][:9].tolist(), abs=1e-4)
    assert trainer.export(averages=True).info.parameters == model.info.parameters


def test_a_saved_model_opens_again(model, tmp_path):
    model.save(tmp_path / "copy")
    copy = diffulm.Model(tmp_path / "copy")
    assert copy.logits([[0, 5, 2]]).tolist() == model.logits([[0, 5, 2]]).tolist()
    assert dict(copy.parameters()) == dict(model.parameters())


def test_fresh_models_are_drawn_by_seed():
    config = {"model_type": "xlm-roberta", "vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
              "intermediate_size": 16, "max_position_embeddings": 20, "type_vocab_size": 1}
    logits = [diffulm.Model.create(config, seed=seed).logits([[0, 5, 2]]).tolist() for seed in (1, 1, 2)]
    assert logits[0] == logits[1] != logits[2]


def test_length_head_trains(model, tokenizer, length_head):
    rows = [diffulm.encode_row(tokenizer, *pair) for pair in PAIRS]
    trainer = diffulm.LengthTrainer(diffulm.LengthHead.create(model, seed=1), lr=1e-3)
    losses = [trainer.step(rows).loss for _ in range(15)]
    assert losses[-1] < losses[0]
    source = rows[0][0][:rows[0][1]]
    assert len(trainer.export().candidates(source, beam=3)) >= 1 and len(length_head.logits([source])[0]) == length_head.classes


def test_datasets_readers_and_positions(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"source": str(i), "target": "ä" * i}) + "\n" for i in range(9)) + "damaged\n", encoding="utf-8")
    with pytest.raises(diffulm.FormatError, match="data.jsonl:10"):
        diffulm.Dataset(path)
    seen = []
    data = diffulm.Dataset(path, on_damage="skip", progress=lambda done, total: seen.append((done, total)))
    assert len(data) == 9 and data.skipped[0] == 1 and "data.jsonl:10" in data.skipped[1][0] and seen
    assert [r.target for r in data] == ["ä" * i for i in range(9)]
    reader = diffulm.Reader(data, data, weights=[1, 3], seed=4)
    first = [next(reader) for _ in range(20)]
    position = reader.position()
    later = [next(reader) for _ in range(20)]
    reader.seek(position)
    assert [next(reader) for _ in range(20)] == later
    assert {r.dataset for r in first} == {0, 1}

    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        diffulm.Dataset(path, on_damage="skip", progress=stop)


def test_schedule_corrupts_and_weighs_as_defined():
    schedule = diffulm.Schedule("linear", timesteps=10, weight="linear")
    assert [schedule.loss_weight(t) for t in (1, 10)] == [10, 1] and schedule.mask_rate(5) == 0.5
    (hi, masked), (lo, fewer) = schedule.corrupt(range(20, 60), 9, 3, 99, seed=1)
    assert all(h == 99 for h, m in zip(hi, masked) if m) and all(a >= b for a, b in zip(masked, fewer)) and sum(fewer) < sum(masked)
    loss, gradient = schedule.loss([[0.0, 0.0], [0.0, 0.0]], rows=[0, 1], targets=[0, 1], t=[1, 2], maskable=[1, 1])
    assert loss.cross_entropy == pytest.approx(0.6931472) and gradient.shape == (2, 2)
    assert sorted(diffulm.shuffle(7, seed=3)) == list(range(7)) and diffulm.shuffle(7, seed=3) != diffulm.shuffle(7, seed=3, epoch=1)


def test_likelihood_prefers_the_right_answer(model, tokenizer):
    rows = [diffulm.encode_row(tokenizer, "Write 7 in English words.", answer) for answer in ("seven", "eight")]
    right, wrong = model.likelihood(rows, samples=32, seed=1)
    assert right[0] > wrong[0] and right[1] > 0
    right, wrong = model.likelihood(rows, pseudo=True)
    assert right[0] > wrong[0] and right[1] == 0


def test_metrics():
    assert diffulm.bleu(["a b c d e"], [["a b c d e", "x"]]) == pytest.approx(100)
    assert diffulm.chrf(["abc"], ["abd"]) == pytest.approx(diffulm.chrf(["abc"], ["abd"], word_order=0))
    assert diffulm.rouge("a b c", "a b d", "l").f1 == pytest.approx(2 / 3)
    assert diffulm.match("The cat.", "cat", kind="squad") and not diffulm.match("The cat.", "cat")
    assert diffulm.last_number("1,234 of 5.5") == "5.5" and diffulm.last_number("none") is None
    with pytest.raises(ValueError, match="1 hypotheses but 2 references"):
        diffulm.bleu(["a"], ["a", "b"])


def test_tokenizer_tells_bytes_pieces_and_special_ids(tokenizer):
    encoding = tokenizer.encode("Write 42.")
    text = "Write 42.".encode()
    spans = [text[b:e] for b, e, s in zip(encoding.begins, encoding.ends, encoding.sequences) if s == 0]
    assert b"".join(spans).replace(b" ", b"") == text.replace(b" ", b"")
    assert tokenizer.decode(encoding.ids) == "Write 42."
    assert tokenizer.id(tokenizer.piece(encoding.ids[1])) == encoding.ids[1] and tokenizer.id("no such piece") is None
    assert tokenizer.special.mask is not None and len(tokenizer) > 1000
