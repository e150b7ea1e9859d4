import os

import diffulm
import pytest

FOLDER = os.environ.get("DIFFULM_TEST_MODEL", os.path.join(os.path.dirname(__file__), "..", "..", "..", "examples", "mini"))


@pytest.fixture(scope="session")
def folder():
    return os.path.abspath(FOLDER)


@pytest.fixture(scope="session")
def same_answer():
    """Prompt and tokens that every language's tests expect."""
    path = os.environ.get("DIFFULM_SAME_ANSWER", os.path.join(os.path.dirname(__file__), "..", "..", "same_answer.txt"))
    with open(path, encoding="utf-8") as file:
        prompt, tokens = file.read().splitlines()
    return prompt, [int(token) for token in tokens.split()]


@pytest.fixture(scope="session")
def model(folder):
    return diffulm.Model(folder)


@pytest.fixture(scope="session")
def tokenizer(folder):
    return diffulm.Tokenizer(folder)


@pytest.fixture(scope="session")
def length_head(model, folder):
    return diffulm.LengthHead(model, folder)
