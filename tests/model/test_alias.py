import pytest

from airfreight.model.alias import ADJECTIVES, NOUNS, freight_alias

NAME = "22e5b0894efabcb9ae28f7c1531110f21aef2343"


@pytest.mark.parametrize("words", [ADJECTIVES, NOUNS], ids=["adjectives", "nouns"])
def test_words_are_short_lower_case_and_all_different(words):
    assert len(set(words)) == len(words) >= 300
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    assert all(len(word) <= 10 for word in words)


def test_an_alias_is_the_same_everywhere():
    assert freight_alias(NAME) == "fleet-reef"
    assert freight_alias(NAME, 1) == "flowing-reindeer"


def test_each_further_attempt_gives_an_alias_not_given_before():
    aliases = [freight_alias(NAME, attempt) for attempt in range(len(ADJECTIVES) * len(NOUNS))]
    assert len(set(aliases)) == len(aliases)


def test_different_freight_rarely_shares_an_alias():
    assert len({freight_alias(f"{number:040x}") for number in range(100)}) > 95
