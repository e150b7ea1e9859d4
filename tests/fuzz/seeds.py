#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets into corpus/: one folder for each target, a few tiny files each."""
import gzip
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def write(target, name, data):
    path = CORPUS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode())


def safetensors():
    def of(header, data):
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    write("safetensors", "two", of({"__metadata__": {"format": "pt"}, "a": entry("F32", [2], 0, 8),
                                    "b": entry("BF16", [1, 2], 8, 12)}, bytes(12)))
    write("safetensors", "empty", of({}, b""))
    write("safetensors", "hole", of({"a": entry("U8", [2], 1, 3)}, bytes(3)))
    write("safetensors", "huge", of({"a": entry("F64", [1 << 40, 1 << 40], 0, 8)}, bytes(8)))


def config():
    bert = {"model_type": "bert", "vocab_size": 12, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 4, "max_position_embeddings": 8, "hidden_act": "gelu"}
    modern = {**bert, "model_type": "modernbert", "layer_types": ["full_attention"], "pad_token_id": 0,
              "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1000.0}}}
    write("config", "bert", bert)
    write("config", "xlmr", {**bert, "model_type": "xlm-roberta", "tie_word_embeddings": False})
    write("config", "modernbert", modern)
    write("config", "huge", {**bert, "vocab_size": 1 << 24, "hidden_size": 1 << 24})


def tokenizer():
    unigram = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["▁", -2], ["a", -2.5], ["lo", -3.25]]}
    wordpiece = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                 "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "hello": 1, "a": 2, "##b": 3}}
    bpe = {"type": "BPE", "unk_token": "?", "fuse_unk": True, "byte_fallback": False,
           "vocab": {"?": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}
    added = [{"id": 9, "content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False,
              "normalized": False, "special": True}]
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s", "type_id": 0}},
                                                         {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"s": {"id": "s", "ids": [9], "tokens": ["<mask>"]}}}
    meta = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}
    write("tokenizer", "unigram", {"added_tokens": added, "normalizer": {"type": "NFKC"}, "pre_tokenizer": meta,
                                   "post_processor": template, "decoder": meta, "model": unigram})
    write("tokenizer", "wordpiece", {"added_tokens": [], "normalizer": {"type": "BertNormalizer", "clean_text": True,
                                     "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
                                     "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None,
                                     "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
                                     "model": wordpiece})
    # The template's id 9 belongs to no piece.
    write("tokenizer", "template-id", {"added_tokens": [], "post_processor": template, "decoder": meta, "model": unigram})
    split = {"type": "Split", "pattern": {"Regex": r"\p{L}+|\d"}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    write("tokenizer", "bpe", {"added_tokens": added, "normalizer": None, "post_processor": level, "decoder": level,
                               "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "model": bpe})
    replace = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    write("tokenizer", "replace", {"added_tokens": [], "normalizer": {"type": "Sequence", "normalizers": [replace]},
                                   "pre_tokenizer": {"type": "Digits", "individual_digits": True},
                                   "post_processor": None, "decoder": {"type": "Sequence", "decoders": [
                                       {"type": "ByteFallback"}, {"type": "Fuse"}]}, "model": unigram})
    write("tokenizer", "far-id", {"model": {**wordpiece, "vocab": {"[UNK]": 0, "a": (1 << 24) - 1}}})


def sentencepiece():
    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    def block(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data

    def piece(text, score, kind):
        return block(1, block(1, text.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + varint(kind))

    head = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3)
    body = head + piece("▁", -2, 1) + piece("a", -3, 1) + piece("lo", -3.5, 1) + piece("1234", -1, 4)
    write("sentencepiece", "plain", body + block(2, b"\x18\x01"))
    # A trie of no units and no text behind it.
    write("sentencepiece", "charsmap", body + block(3, block(2, struct.pack("<II", 4, 0) + b"a\0")))
    write("sentencepiece", "bpe", body + block(2, b"\x18\x02"))


def encode():
    for number, text in enumerate(("ab word <m> A\u0301\u00df 12", "aba. Hello \u4f60\u597d", "ab  ab\tx\n")):
        write("encode", f"text{number}", bytes([number]) + text.encode())
    write("encode", "broken", b"\0a\xff\xe4\xbd<m>")


def snapshot():
    def of(pick, k, rows):
        body = bytes([pick]) + b"dulm-s02" + struct.pack("<qQ", 1, len(rows))
        for tokens, noisy, generated, forbidden in rows:
            n = len(tokens)
            body += struct.pack("<QQIIQQ", n, 1, 5, k, 1, len(forbidden))
            body += struct.pack(f"<{n}i{n}f", *tokens, *[-0.5] * n) + bytes(noisy) + bytes(generated)
            body += b"".join(struct.pack("<Qi", *f) for f in forbidden)
        return body

    row = ([1, 11, 11, 4, 2], [0, 1, 1, 0, 0], [0, 1, 1, 1, 0], [(1, 3), ((1 << 64) - 1, 5)])
    for pick in (0, 4, 7):
        write("snapshot", f"policy{pick}", of(pick, 1 + pick // 4, [row, row]))
    write("snapshot", "empty", of(0, 1, []))
    write("snapshot", "last-step-number", of(0, 1, [row])[:9] + struct.pack("<q", (1 << 63) - 1) + of(0, 1, [row])[17:])


def sampler():
    def of(policy, sampling, flags, k, length, logit):
        return bytes([policy, sampling, flags, k, length]) + bytes([3, 128]) * length + bytes([logit, 140, 6, 100, 90]) * length

    for policy in (0, 4, 9, 12):
        write("sampler", f"policy{policy}", of(policy, policy % 3, 12, 1, 6, 120))
    write("sampler", "nan", of(1, 1, 12, 2, 4, 7))
    write("sampler", "infinite", of(3, 0, 0, 1, 4, 5))


def dataset():
    def lines(*records):
        return b"".join(json.dumps(record).encode() + b"\n" for record in records)

    # The first byte: 1 skips damaged records, 2 gives few-shot examples, 4 a tiny gzip buffer, 8 named columns.
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    write("dataset", "pair", b"\0" + lines({"source": "a", "target": "b", "task": "t"}, {"source": "", "target": "\u00e9"}))
    write("dataset", "instruction", b"\2" + lines({"instruction": "a", "input": "b", "output": "c"},
                                                  {"instruction": "a", "output": "c"}))
    write("dataset", "chat", b"\1" + lines(chat, {"text": "other"}, chat))
    write("dataset", "text", b"\0" + lines({"text": "a"}, {"text": "b"}))
    write("dataset", "tsv", b"\1one\t1\r\n\ntwo\t2\nthree\n\xff\tx\nfour\t4")
    write("dataset", "columns", b"\x08id\tt\ts\n1\tb\ta\n")
    write("dataset", "parallel", b"\0a\nb\n\x1ec\nd\n")
    packed = gzip.compress(b"a\tb\nc\td\n", mtime=0)
    write("dataset", "gzip", b"\0" + packed + packed)
    write("dataset", "gzip-stream", b"\4" + packed)


for make in (safetensors, config, tokenizer, sentencepiece, encode, snapshot, sampler, dataset):
    make()
