from shared import errors
from shared.errors import LaminaError, Overloaded, Retryable
from web.problems import STATUS, explanations, slug


def test_every_error_has_a_status_of_its_own() -> None:
    classes = {
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, LaminaError) and one is not LaminaError
    }

    assert set(STATUS) == classes


def test_only_what_may_go_away_asks_to_try_again() -> None:
    for kind, status in STATUS.items():
        if issubclass(kind, Retryable | Overloaded):
            assert status in (429, 503)


def test_every_problem_is_explained_under_an_address_of_its_own() -> None:
    known = explanations()

    assert len({slug(kind.__name__) for kind in STATUS}) == len(STATUS)
    assert {slug(kind.__name__) for kind in STATUS} < set(known)
    assert {"not-found", "method-not-allowed", "internal-server-error"} < set(known)
    assert all(title and text for title, _, text in known.values())


def test_an_address_is_the_class_name_in_words() -> None:
    assert slug("CollectionNotFound") == "collection-not-found"
    assert slug("TooLarge") == "too-large"
