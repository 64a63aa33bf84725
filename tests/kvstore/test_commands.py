"""The command table and the page made from it."""

from kvstore.reference import PAGE, page


def test_the_reference_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run python -m kvstore.reference"
