import os

import diffulm
import pytest

FOLDER = os.environ.get("DIFFULM_TEST_MODEL", os.path.join(os.path.dirname(__file__), "..", "..", "..", "examples", "mini"))


@pytest.fixture(scope="session")
def folder():
    return os.path.abspath(FOLDER)


@pytest.fixture(scope="session")
def model(folder):
    return diffulm.Model(folder)


@pytest.fixture(scope="session")
def tokenizer(folder):
    return diffulm.Tokenizer(folder)


@pytest.fixture(scope="session")
def length_head(model, folder):
    return diffulm.LengthHead(model, folder)
