"""Trains the demo model's tokenizer: byte-pair encoding on words, written as tokenizer.json.

  tokenizer.py OUT [VOCABULARY]

Spaces become U+2581 at the front of a word, digits and punctuation stand alone, the newline that ends a
prompt is one token. German number words are cut into their components first, so that no piece spans two.
"""
import collections
import json
import random
import re
import sys

from tasks import TASKS, english_number, example, german_number, german_parts

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
PIECE = re.compile(r"▁?[^\W\d_]+|▁?\d|▁?[^\w\s]|▁")


def words(text):
    return PIECE.findall("▁" + text.replace(" ", "▁"))


def corpus(rows=60000, seed=7):
    """How often each word occurs, number words in parts."""
    r = random.Random(seed)
    split = {german_number(n): german_parts(n) for n in range(1, 10000)}
    counts = collections.Counter()
    for _ in range(rows):
        for text in example(r)[1:]:
            for w in words(text):
                parts = split.get(w.lstrip("▁"))
                if parts and len(parts) > 1:
                    counts.update(["▁" + parts[0]] + parts[1:])
                else:
                    counts[w] += 1
    for _, _, wordings in TASKS.values():  # held-out wordings bring no unknown letters
        for w in wordings:
            counts.update(words(w.replace("{x}", "")))
    return counts


def merge(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


def train(counts, size):
    """Byte-pair encoding (Sennrich et al. 2016): the most frequent pair becomes a piece, ties by spelling."""
    table = {w: list(w) for w in counts}
    pieces = sorted({c for w in table for c in w} | set("0123456789") | {"▁"})
    merges = []
    where = collections.defaultdict(set)
    pairs = collections.Counter()
    for w, s in table.items():
        for p in zip(s, s[1:]):
            pairs[p] += counts[w]
            where[p].add(w)
    while len(pieces) < size and pairs:
        best = min(pairs, key=lambda p: (-pairs[p], p))
        if pairs[best] < 2:
            break
        merges.append(best)
        if best[0] + best[1] not in pieces:
            pieces.append(best[0] + best[1])
        for w in list(where[best]):
            s = table[w]
            for p in zip(s, s[1:]):
                pairs[p] -= counts[w]
            table[w] = s = merge(s, best)
            for p in zip(s, s[1:]):
                pairs[p] += counts[w]
                where[p].add(w)
        pairs = +pairs
    return pieces, merges


def added(i, text, special):
    return {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}


def tokenizer(pieces, merges):
    vocabulary = {p: i for i, p in enumerate(SPECIAL + pieces)}
    newline, mask = len(vocabulary), len(vocabulary) + 1
    template = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    pair = template[:2] + [{"Sequence": {"id": "B", "type_id": 0}}] + template[2:]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(i, t, True) for i, t in enumerate(SPECIAL)] + [added(newline, "\n", False), added(mask, "<mask>", True)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
            {"type": "Split", "pattern": {"Regex": r"▁?[^\W\d_]+|▁?\d|▁?[^\w\s]|▁"}, "behavior": "Isolated", "invert": False}]},
        "post_processor": {"type": "TemplateProcessing", "single": template, "pair": pair, "special_tokens": {
            t: {"id": t, "ids": [SPECIAL.index(t)], "tokens": [t]} for t in ("<s>", "</s>")}},
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary, "merges": [list(m) for m in merges]},
    }


if __name__ == "__main__":
    pieces, merges = train(corpus(), int(sys.argv[2]) if len(sys.argv) > 2 else 1500)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump(tokenizer(pieces, merges), f, ensure_ascii=False, indent=1)
        f.write("\n")
    print(sys.argv[1], len(pieces), "pieces; the last:", *pieces[-12:])
