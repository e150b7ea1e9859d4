"""The tasks of the demo model: a prompt and its answer over the grammar, numbers and dates.

A task function takes a random generator and returns (input, answer, keys). An example belongs to the test
split when one of its keys hashes to 0, so that its combination never occurs in training. The last two
instruction wordings of a task are held out of training as well; each of their words occurs in others, since a
model of this size can't guess what a word means that it has never met.
"""
import random

from grammar import TIME, cap, english, german, held, keys, sentence

MONTHS = "January February March April May June July August September October November December".split()
MONATE = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen").split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
EINS = ("null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
        "sechzehn siebzehn achtzehn neunzehn").split()
ZIG = "_ _ zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
HELD_WORDINGS = 2


def english_number(n):
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")
    if n < 1000:
        return ONES[n // 100] + " hundred" + (" " + english_number(n % 100) if n % 100 else "")
    return english_number(n // 1000) + " thousand" + (" " + english_number(n % 1000) if n % 1000 else "")


def german_parts(n, end=True):
    """The components of a German number word: 21 is ein, und, zwanzig."""
    if n == 1 and not end:
        return ["ein"]
    if n < 20:
        return [EINS[n]]
    if n < 100:
        return (german_parts(n % 10, False) + ["und"] if n % 10 else []) + [ZIG[n // 10]]
    if n < 1000:
        return german_parts(n // 100, False) + ["hundert"] + (german_parts(n % 100) if n % 100 else [])
    return german_parts(n // 1000, False) + ["tausend"] + (german_parts(n % 1000) if n % 1000 else [])


def german_number(n):
    return "".join(german_parts(n))


def text(r):
    """A sentence by itself, so that gaps in plain text can be filled in."""
    s = sentence(r)
    return "", r.choice((english, german))(s), keys(s)


def translate(r, source, target):
    s = sentence(r)
    return source(s), target(s), keys(s)


def edited(r, s, feature):
    """The sentence with one feature changed, or None where that makes no sense."""
    if s.get("wh") or s["q"] or (s["kind"] != "verb" and feature in ("past", "future")):
        return None
    if feature in ("past", "future"):
        if s["tense"] in (feature, "modal") or (s.get("time") and s["time"] not in TIME[feature]):
            return None
        return {**s, "tense": feature}
    if feature == "negate":
        vague = ("a", "no", "every")
        if s["neg"] or s["subj"].get("det") in vague or s.get("time") == "again":
            return None
        if s.get("obj") and s["obj"].get("det") in vague:
            return None
        return {**s, "neg": True}
    if s["front"] or s["subj"].get("pron") in ("I", "we"):
        return None
    return {**s, "q": True}


def edit(r, feature, language):
    while True:
        s = sentence(r, simple=True)
        t = edited(r, s, feature)
        if t and language(s) != language(t):
            return language(s), language(t), keys(s)


def number(r):
    return r.choice([r.randrange(1, 100), r.randrange(100, 1000), r.randrange(100, 1000), r.randrange(1000, 10000)])


def spell(r, words):
    n = number(r)
    return str(n), words(n), [("n", n)]


def unspell(r, words):
    n = number(r)
    return words(n), str(n), [("n", n)]


DATES = {"iso": "{y}-{m:02d}-{d:02d}", "dot": "{d:02d}.{m:02d}.{y}", "en": "{M} {d}, {y}", "de": "{d}. {G} {y}"}


def date(r, form):
    y, m = r.randrange(1900, 2050), r.randrange(1, 13)
    d = r.randrange(1, 29 if m == 2 else 31)
    v = dict(y=y, m=m, d=d, M=MONTHS[m - 1], G=MONATE[m - 1])
    source = r.choice([f for f in DATES if f != form])
    return DATES[source].format(**v), DATES[form].format(**v), [("md", m, d), ("y", y)]


def _wordings(text):
    return [w.strip() for w in text.split("|")]


# name: (weight, function, wordings); {x} is the input. The last HELD_WORDINGS of a list are held out.
TASKS = {
    "en-de": (6, lambda r: translate(r, english, german), _wordings(
        "Translate into German: {x}|Translate to German: {x}|Say this in German: {x}|{x} In German, please."
        "|What is this in German? {x}|{x} Translate this into German.|Please say this in German: {x}|{x} Please translate this to German.|Please translate to German: {x}|{x} Say this in German.")),
    "de-en": (6, lambda r: translate(r, german, english), _wordings(
        "Translate into English: {x}|Translate to English: {x}|Say this in English: {x}|{x} In English, please."
        "|What is this in English? {x}|{x} Translate this into English.|Please say this in English: {x}|{x} Please translate this to English.|Please translate to English: {x}|{x} Say this in English.")),
    "en-past": (1.5, lambda r: edit(r, "past", english), _wordings(
        "Put this into the past: {x}|Change this to the past tense: {x}|{x} Say this in the past.|In the past, please: {x}"
        "|{x} Put this into the past tense.|Please put this into the past: {x}|{x} Please change this to the past.|Please change this to the past: {x}|Say this in the past tense: {x}")),
    "en-future": (1.5, lambda r: edit(r, "future", english), _wordings(
        "Put this into the future: {x}|Change this to the future tense: {x}|{x} Say this in the future.|In the future, please: {x}"
        "|{x} Put this into the future tense.|Please put this into the future: {x}|{x} Please change this to the future.|Please change this to the future: {x}|Say this in the future tense: {x}")),
    "en-negate": (1.5, lambda r: edit(r, "negate", english), _wordings(
        "Make this negative: {x}|Negate this: {x}|{x} Make this negative.|Say the opposite: {x}|{x} Negate this, please."
        "|Please negate this: {x}|{x} Please make this negative.|Please make this negative: {x}|{x} Say the opposite.")),
    "de-negate": (1.5, lambda r: edit(r, "negate", german), _wordings(
        "Verneine das: {x}|Mach das negativ: {x}|{x} Verneine das.|Sag das Gegenteil: {x}|{x} Mach das negativ, bitte."
        "|Bitte mach das negativ: {x}|{x} Bitte verneine das.|Bitte verneine das: {x}|{x} Sag das Gegenteil.")),
    "en-question": (1.5, lambda r: edit(r, "question", english), _wordings(
        "Make this a question: {x}|Turn this into a question: {x}|{x} Make this a question.|Ask this: {x}|{x} As a question, please."
        "|Please make this a question: {x}|{x} Please turn this into a question.|Please turn this into a question: {x}|{x} Ask this.")),
    "de-question": (1.5, lambda r: edit(r, "question", german), _wordings(
        "Mach daraus eine Frage: {x}|Frag das: {x}|{x} Mach daraus eine Frage.|Als Frage, bitte: {x}|{x} Frag das, bitte."
        "|Bitte frag das: {x}|{x} Bitte mach daraus eine Frage.|Bitte mach daraus eine Frage: {x}|{x} Als Frage.")),
    "number-en": (1.3, lambda r: spell(r, english_number), _wordings(
        "Write {x} in English words.|Spell out {x} in English.|{x} in English words, please.|What is {x} in English words?"
        "|Say {x} in English.|Please spell out {x} in English.|{x} Please write this in English words."
        "|Say in English words: {x}|Please say in English words: {x}|English words for {x}:"
        "|Please write {x} in English words.|In English words, please: {x}")),
    "number-de": (1.3, lambda r: spell(r, german_number), _wordings(
        "Write {x} in German words.|Spell out {x} in German.|{x} in German words, please.|What is {x} in German words?"
        "|Say {x} in German.|Please spell out {x} in German.|{x} Please write this in German words."
        "|Say in German words: {x}|Please say in German words: {x}|German words for {x}:"
        "|Please write {x} in German words.|In German words, please: {x}")),
    "en-number": (1, lambda r: unspell(r, english_number), _wordings(
        "Write {x} as a number.|Write {x} in digits.|What number is {x}?|{x} as a number, please.|Digits for {x}:"
        "|Please write {x} as a number.|{x} Please write this in digits.|Please write {x} in digits.|{x} in digits, please.")),
    "de-number": (1, lambda r: unspell(r, german_number), _wordings(
        "Schreib {x} als Zahl.|Schreib {x} in Ziffern.|Welche Zahl ist {x}?|{x} als Zahl, bitte.|Ziffern für {x}:"
        "|Bitte schreib {x} als Zahl.|{x} Bitte schreib das in Ziffern.|Bitte schreib {x} in Ziffern.|{x} in Ziffern, bitte.")),
    "date-iso": (1, lambda r: date(r, "iso"), _wordings(
        "Write the date {x} in ISO format.|Change the date {x} to ISO format.|{x} in ISO format, please.|ISO date: {x}"
        "|Put {x} into ISO format.|Please put {x} into ISO format.|{x} Please write this as an ISO date.|Please change {x} to ISO format.|{x} as an ISO date, please.")),
    "date-en": (1, lambda r: date(r, "en"), _wordings(
        "Write the date {x} in English.|Change the date {x} to English.|The date {x} in English, please.|English date: {x}"
        "|Put the date {x} into English.|Please put the date {x} into English.|{x} Please write this as an English date.|Please write the date {x} in English.|{x} as an English date, please.")),
    "date-de": (1, lambda r: date(r, "de"), _wordings(
        "Write the date {x} in German.|Change the date {x} to German.|The date {x} in German, please.|German date: {x}"
        "|Put the date {x} into German.|Please put the date {x} into German.|{x} Please write this as a German date.|Please write the date {x} in German.|{x} as a German date, please.")),
}
NAMES = list(TASKS)
TASKS["text"] = (2, text, [""] * (HELD_WORDINGS + 1))
WEIGHTS = [task[0] for task in TASKS.values()]


def example(r, split="train", wording="train", task=None):
    """(task, prompt, answer). split: train has no held-out combination, test at least one. wording: train or held."""
    task = task or r.choices(list(TASKS), WEIGHTS)[0]
    _, make, wordings = TASKS[task]
    while True:
        x, y, k = make(r)
        if any(held(q) for q in k) == (split == "test"):
            break
    chosen = wordings[-HELD_WORDINGS:] if wording == "held" else wordings[:-HELD_WORDINGS]
    return task, r.choice(chosen).format(x=x), y


if __name__ == "__main__":
    r = random.Random(0)
    for name in NAMES:
        for split, wording in (("train", "train"), ("test", "held")):
            print(*example(r, split, wording, name), sep=" | ")
