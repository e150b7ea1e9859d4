"""Random pipelines and texts give what Hugging Face's tokenizers gives: test_tokenizers.py LIBRARY [CASES [SEED]]

Ids, byte offsets, types and decoded strings of texts and pairs, with and without special tokens. Skipped (77) where
tokenizers is not installed. Prints each difference with the pipeline that makes it."""
import ctypes
import json
import random
import sys
import unicodedata

try:
    import tokenizers
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

library = ctypes.CDLL(sys.argv[1])
library.diffulm_error_message.restype = ctypes.c_char_p
library.diffulm_tokenizer_vocabulary.restype = ctypes.c_size_t
COUNT = 4096


class EncodeOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("no_special", ctypes.c_int32)]


class Encoding(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("capacity", ctypes.c_size_t), ("ids", ctypes.c_void_p),
                ("begins", ctypes.c_void_p), ("ends", ctypes.c_void_p), ("sequences", ctypes.c_void_p),
                ("types", ctypes.c_void_p), ("count", ctypes.c_size_t)]


class Ours:
    def __init__(self, text):
        self.handle = ctypes.c_void_p()
        data = text.encode()
        if library.diffulm_tokenizer_open_memory(data, ctypes.c_size_t(len(data)), None, ctypes.byref(self.handle)) < 0:
            raise ValueError(library.diffulm_error_message().decode())

    def __del__(self):
        library.diffulm_tokenizer_unref(self.handle)

    def encode(self, text, pair, special):
        ids, types, sequences = ((ctypes.c_int32 * COUNT)() for _ in range(3))
        begins, ends = ((ctypes.c_size_t * COUNT)() for _ in range(2))
        e = Encoding(ctypes.sizeof(Encoding), COUNT, *(ctypes.addressof(a) for a in (ids, begins, ends, sequences, types)))
        options = EncodeOptions(ctypes.sizeof(EncodeOptions), not special)
        a, b = text.encode(), None if pair is None else pair.encode()
        rc = library.diffulm_tokenizer_encode(self.handle, a, ctypes.c_size_t(len(a)), b, ctypes.c_size_t(len(b or b"")),
                                              ctypes.byref(options), ctypes.byref(e))
        if rc != 0:
            raise ValueError(f"{rc} {library.diffulm_error_message().decode()}")
        n = e.count
        return ids[:n], list(zip(begins[:n], ends[:n])), types[:n]

    def decode(self, ids, skip):
        length, buffer = ctypes.c_size_t(), ctypes.create_string_buffer(1 << 16)
        rc = library.diffulm_tokenizer_decode(self.handle, (ctypes.c_int32 * len(ids))(*ids), ctypes.c_size_t(len(ids)),
                                              ctypes.c_int32(skip), buffer, ctypes.c_size_t(1 << 16), ctypes.byref(length))
        return buffer.raw[:length.value].decode() if rc == 0 else f"({rc} {library.diffulm_error_message().decode()})"


def theirs(t, text, pair, special):
    e = t.encode(text, pair, add_special_tokens=special)
    texts = (text, pair or "")
    where = []
    for (begin, end), sequence in zip(e.offsets, e.sequence_ids):
        one = texts[sequence or 0]
        where.append((len(one[:begin].encode()), len(one[:end].encode())) if sequence is not None else (0, 0))
    return e.ids, where, e.type_ids


# ------------------------------------------------------------------ texts
CHUNKS = ["a", "b", "ab", "Hello", " ", "  ", "   ", "\n", "\t", "\r\n", "\u00a0", "\u0085", "\u200b", "\u3000", "\u2028", "é", "e\u0301",
          "ﬁ", "Å", "ß", "ẞ", "İ", "ı", "Σ", "ς", "ΑΣ", "你", "好吗", "日本", "カ", "ｶﾞ", "が", "か\u3099", "한", "\u1112\u1161\u11ab", "ไทย", "नि", "العربية",
          "שלום", "١٢", "Ⅷ", "½", "²", "123", "4", "1,000.5", "-", "--", "—", "'s", "'re", "don't", "can't", "I'LL", "!", "?!", "...", ".", ",",
          "(", ")", "[CLS]", "[SEP]", "<mask>", " <mask>", "<mask> ", "<s>", "<S>", "word", "sword", "words", "</w>", "##a", "▁", "▁a", "Ġ", "|",
          "\u0301", "\u0327\u0301", "👍", "👍🏽", "👨\u200d👩\u200d👧", "🇩🇪", "\u0000", "\u0007", "\u007f", "\ufeff", "\u00ad", "\ufffd", "$", "^", "`", "+", "=",
          "~", "€", "№", "ǅ", "ŉ", "ﷺ", "\U0001d400", "\U00020000", "a\u0308\u0323", "x\u0338", "\u0f71\u0f72", "q", "z", "nm", "  x", "A B", "ab ab",
          "the", "token", "izer", "\u1e9b\u0323", "\u212b", "\u2126", "\uf900", "\u2f00", "ŀ", "\u037e", "：", "＜mask＞", "ＡＢ", "\u180e", "\u2003"]


def a_text(r):
    text = "".join(r.choice(CHUNKS) for _ in range(r.randrange(0, 14)))
    if r.random() < 0.35:
        low, high = r.choice([(0x20, 0x3000), (0x20, 0x3000), (0x3000, 0x1FFFF)])
        drawn = (chr(r.randrange(low, high)) for _ in range(r.randrange(1, 8)))
        # Characters newer than Python's tables are newer than PCRE2's and utf8proc's, too.
        text += "".join(c for c in drawn if unicodedata.category(c) not in ("Cn", "Cs"))
    return text


# ------------------------------------------------------------------ components
def pattern(r):
    return r.choice([{"String": " "}, {"String": "a"}, {"String": "--"}, {"String": "."}, {"String": "é"}, {"Regex": r"\s+"}, {"Regex": r"\d"}, {"Regex": r"[a-c]+"},
                     {"Regex": r"\p{L}+|\d"}, {"Regex": r"\s+(?!\S)|\s+"}, {"Regex": r"[^\s\w]"}, {"Regex": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"},
                     {"Regex": r"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"}, {"Regex": "a|b|"}, {"Regex": "$"}, {"Regex": r"\b"}, {"Regex": r"\w+|[^\w\s]+"},
                     {"Regex": " {2,}"}, {"Regex": r"\p{Han}"}, {"Regex": r"[\p{P}]"}, {"Regex": "^ "}, {"Regex": r"[[:alpha:]]+"}, {"Regex": r"."},
                     {"Regex": r"\n"}, {"Regex": r"[\u4e00-\u9fff]"}, {"Regex": r"(?<=a)b"}, {"Regex": r"\p{Lu}"}, {"Regex": r"\p{Punct}"}, {"Regex": r"\u0041|\h+"}, {"Regex": r"[\W_]"}, {"Regex": r"[[:punct:]\s]"}, {"Regex": "a$"}, {"Regex": r"[^a]"}, {"Regex": r"\P{L}"}])


def normalizer(r, depth=0):
    if depth == 0 and r.random() < 0.4:
        return {"type": "Sequence", "normalizers": [normalizer(r, 1) for _ in range(r.randrange(0, 4))]}
    return r.choice([
        {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Nmt"}, {"type": "Lowercase"}, {"type": "StripAccents"},
        {"type": "Strip", "strip_left": r.random() < 0.5, "strip_right": r.random() < 0.5}, {"type": "ByteLevel"},
        {"type": "Prepend", "prepend": r.choice(["▁", "ab", "é "])},
        {"type": "Replace", "pattern": pattern(r), "content": r.choice(["", " ", "—", "xy", "é"])},
        {"type": "BertNormalizer", "clean_text": r.random() < 0.5, "handle_chinese_chars": r.random() < 0.5,
         "strip_accents": r.choice([None, True, False]), "lowercase": r.random() < 0.5}])


def behavior(r):
    return r.choice(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])


def pre_tokenizer(r, depth=0):
    if depth == 0 and r.random() < 0.4:
        return {"type": "Sequence", "pretokenizers": [pre_tokenizer(r, 1) for _ in range(r.randrange(0, 4))]}
    return r.choice([
        {"type": "BertPreTokenizer"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "UnicodeScripts"},
        {"type": "ByteLevel", "add_prefix_space": r.random() < 0.5, "trim_offsets": r.random() < 0.5, "use_regex": r.random() < 0.5},
        {"type": "CharDelimiterSplit", "delimiter": r.choice("- a")}, {"type": "Digits", "individual_digits": r.random() < 0.5},
        {"type": "FixedLength", "length": r.randrange(1, 6)}, {"type": "Punctuation", "behavior": behavior(r)},
        {"type": "Metaspace", "replacement": r.choice("▁_"), "prepend_scheme": r.choice(["always", "first", "never"]), "split": r.random() < 0.7},
        {"type": "Split", "pattern": pattern(r), "behavior": behavior(r), "invert": r.random() < 0.3}])


def template(r, cls):
    special = {"[CLS]": {"id": "[CLS]", "ids": [cls], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [cls + 1], "tokens": ["[SEP]"]},
               "two": {"id": "two", "ids": [cls, cls + 1], "tokens": ["[CLS]", "[SEP]"]}}

    def piece():
        return {"SpecialToken": {"id": r.choice(list(special)), "type_id": r.randrange(3)}}

    def text(name):
        return {"Sequence": {"id": name, "type_id": r.randrange(3)}}

    pair = [text("A"), text("B")]
    for _ in range(r.randrange(4)):
        pair.insert(r.randrange(len(pair) + 1), piece())
    single = [text("A")]
    for _ in range(r.randrange(3)):
        single.insert(r.randrange(len(single) + 1), piece())
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def post_processor(r, cls):
    level = {"type": "ByteLevel", "add_prefix_space": r.random() < 0.5, "trim_offsets": r.random() < 0.5, "use_regex": True}
    kind = r.randrange(6)
    if kind == 0:
        return template(r, cls)
    if kind == 1:
        return {"type": "BertProcessing", "sep": ["[SEP]", cls + 1], "cls": ["[CLS]", cls]}
    if kind == 2:
        return {"type": "RobertaProcessing", "sep": ["[SEP]", cls + 1], "cls": ["[CLS]", cls], "trim_offsets": r.random() < 0.5,
                "add_prefix_space": r.random() < 0.5}
    if kind == 3:
        return level
    return {"type": "Sequence", "processors": [level, template(r, cls)]} if kind == 4 else None


def decoder(r, depth=0):
    if depth == 0 and r.random() < 0.4:
        return {"type": "Sequence", "decoders": [decoder(r, 1) for _ in range(r.randrange(0, 4))]}
    return r.choice([
        {"type": "BPEDecoder", "suffix": r.choice(["</w>", "b"])}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        {"type": "CTC", "pad_token": r.choice(["<pad>", "a"]), "word_delimiter_token": r.choice(["|", "▁"]), "cleanup": r.random() < 0.5},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": r.choice(["always", "first", "never"]), "split": True},
        {"type": "Replace", "pattern": pattern(r) if r.random() < 0.5 else {"String": "▁"}, "content": r.choice([" ", "", "é"])},
        {"type": "WordPiece", "prefix": "##", "cleanup": r.random() < 0.5}, None if depth == 0 else {"type": "Fuse"}])


PIECES = ["a", "b", "ab", "ba", "he", "l", "o", "lo", "▁", "▁a", "##a", "##b", "##ab", "é", "你", "1", "12", "Ġ", "Ġa", "a</w>", "b</w>", "ab</w>", "H", "e", "x",
          ".", ",", "'", "n't", "'s", "don", "t", "s", "the", "w", "r", "d", "wor", "|", "_", " ", "-"]


def model(r):
    kind = r.choice(["BPE", "BPE", "Unigram", "Unigram", "WordPiece", "WordLevel"])
    bytes_ = [f"<0x{b:02X}>" for b in range(256)] if r.random() < 0.5 else []
    pieces = ["[UNK]", "<pad>"] + r.sample(PIECES, r.randrange(12, len(PIECES))) + bytes_
    fallback = bool(bytes_) or r.random() < 0.1
    if kind == "Unigram":
        scores = [round(-0.5 - 10 * r.random(), 4) for _ in pieces]
        return {"type": kind, "unk_id": r.choice([0, 0, None]) if bytes_ else 0, "vocab": list(map(list, zip(pieces, scores))), "byte_fallback": fallback}
    vocab = {p: i for i, p in enumerate(pieces)}
    if kind == "BPE":
        # Nobody writes byte fallback with a prefix or suffix; Hugging Face's offsets run out of the text there.
        prefix, suffix = (None, None) if bytes_ else r.choice([(None, None), ("##", None), (None, "</w>")])
        merges = []
        for a in pieces:
            for b in pieces:
                whole = a + (b[len(prefix):] if prefix and b.startswith(prefix) else b)
                if whole in vocab and not (prefix and not b.startswith(prefix)):
                    merges.append([a, b])
        r.shuffle(merges)
        return {"type": kind, "dropout": None, "unk_token": r.choice(["[UNK]", None]), "continuing_subword_prefix": prefix,
                "end_of_word_suffix": suffix, "fuse_unk": r.random() < 0.5, "byte_fallback": fallback, "ignore_merges": r.random() < 0.3,
                "vocab": vocab, "merges": merges}
    if kind == "WordPiece":
        return {"type": kind, "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": r.choice([100, 4]), "vocab": vocab}
    return {"type": kind, "vocab": vocab, "unk_token": "[UNK]"}


def added(r, cls):
    names = [("[CLS]", True), ("[SEP]", True), ("<mask>", True), ("word", False), ("Hello", False), ("<s>", True), ("é", False), ("a", False)]
    chosen = names[:2] + r.sample(names[2:], r.randrange(len(names) - 1))
    return [{"id": cls + i, "content": c, "single_word": r.random() < 0.3, "lstrip": r.random() < 0.3, "rstrip": r.random() < 0.3,
             "normalized": not s and r.random() < 0.6, "special": s} for i, (c, s) in enumerate(chosen)]


def pipeline(r):
    """Mostly one component at a time, sometimes all together."""
    m = model(r)
    cls = len(m["vocab"])
    t = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(r, cls), "normalizer": None, "pre_tokenizer": None,
         "post_processor": None, "decoder": None, "model": m}
    makers = {"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": lambda r: post_processor(r, cls), "decoder": decoder}
    for key in r.choice([["normalizer"], ["pre_tokenizer"], ["decoder"], ["pre_tokenizer", "post_processor"], list(makers)]):
        t[key] = makers[key](r)
    if "Replace" in json.dumps(t["normalizer"]):  # which of two tokens that are the same after it wins is an accident
        for token in t["added_tokens"]:
            token["normalized"] = False
    return t


def differences(hf, ours, text, pair, ids, decodes):
    for special in (False, True):
        try:
            want = theirs(hf, text, pair, special)
        except BaseException:  # a Rust panic
            continue
        try:
            have = ours.encode(text, pair, special)
        except ValueError as error:
            yield "encode", text, pair, want, str(error)
            continue
        for what, w, h in zip(("ids", "offsets", "types"), want, have):
            if list(w) != list(h):
                yield what, text, pair, w, h
                break
        ids = ids or want[0]
    for skip in (False, True) if decodes else ():
        try:
            want = hf.decode(ids, skip_special_tokens=skip)
        except BaseException:
            continue
        have = ours.decode(ids, skip)
        if have != want:
            yield "decode", ids, skip, want, have


def main():
    cases, seed = int(sys.argv[2]) if len(sys.argv) > 2 else 300, int(sys.argv[3]) if len(sys.argv) > 3 else 1
    compared = refused = 0
    found = []
    for case in range(cases):
        r = random.Random(seed * 1000003 + case)
        spec = pipeline(r)
        text = json.dumps(spec)
        try:
            hf = tokenizers.Tokenizer.from_str(text)
        except BaseException:
            continue
        try:
            ours = Ours(text)
        except ValueError as error:
            refused += 1
            found.append((case, spec, "refused", str(error)))
            continue
        size = hf.get_vocab_size()
        # tokenizers 0.23 writes such tokens as the normalizer leaves them; we, as before, as they are.
        decodes = not (spec["normalizer"] and any(a["normalized"] for a in spec["added_tokens"]))
        for n in range(12):
            pair = a_text(r) if n % 4 == 3 else None
            ids = [r.randrange(size) for _ in range(r.randrange(12))] if n % 3 == 1 else None
            compared += 1
            d = next(differences(hf, ours, a_text(r), pair, ids, decodes), None)
            if d:
                found.append((case, spec, *d))
                break
    for f in found[:20]:
        spec = {k: v for k, v in f[1].items() if v and k not in ("version", "model")}
        spec["model"] = {k: v for k, v in f[1]["model"].items() if k not in ("vocab", "merges")}
        spec["added_tokens"] = " ".join(a["content"] + "".join(k[0] for k in ("single_word", "lstrip", "rstrip", "normalized") if a[k]) for a in spec["added_tokens"])
        print(f"FAIL case {f[0]}: {json.dumps(spec)[:700]}\n   {ascii(f[2:])[:500]}")
    print(f"{compared} texts over {cases} pipelines compared, {len(found)} differ ({refused} refused)")
    sys.exit(bool(found))


main()
