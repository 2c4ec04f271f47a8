"""When a REST call is asked again, what a credential may look like."""

import pytest

from loadkit.errors import UsageError
from loadkit.net.http.retry import asked_delay, retry_delay
from loadkit.security.credentials import Credentials

NOON = 1_785_585_600.0  # Sat, 01 Aug 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("attempt", "status", "retry_after", "delay"),
    [
        # what may pass
        (1, None, None, 1.0),
        (3, None, None, 1.0),
        (1, 500, None, 1.0),
        (3, 599, None, 1.0),
        (1, 503, "20", 1.0),  # the header is read on a 429 alone
        (1, 429, None, 5.0),
        (1, 429, "", 5.0),
        (1, 429, "0", 0.0),
        (2, 429, "7", 7.0),
        (2, 429, " 7 ", 7.0),
        (3, 429, "31", 30.0),
        (1, 429, "9" * 400, 30.0),
        (1, 429, "Sat, 01 Aug 2026 12:00:12 GMT", 12.0),
        (1, 429, "Sat, 01 Aug 2026 12:00:12 -0000", 12.0),
        (1, 429, "Sat, 01 Aug 2026 14:00:12 +0200", 12.0),
        (1, 429, "Sat, 01 Aug 2026 11:00:00 GMT", 0.0),
        (1, 429, "Sun, 02 Aug 2026 12:00:00 GMT", 30.0),
        # a header that says nothing
        (1, 429, "soon", 5.0),
        (1, 429, "-3", 5.0),
        (1, 429, "1.5", 5.0),
        (1, 429, "٣", 5.0),
        (1, 429, "Sat, 99 Aug 2026 12:00:12 GMT", 5.0),
        # what is final
        (4, None, None, None),
        (4, 500, None, None),
        (4, 429, "1", None),
        (1, 400, None, None),
        (1, 401, "1", None),
        (1, 404, None, None),
        (1, 302, None, None),
    ],
)
def test_a_retry_waits_as_the_sdks_do(attempt, status, retry_after, delay):
    assert retry_delay(attempt, status, retry_after, now=NOON) == delay


def test_a_socket_waits_as_long_as_a_call_does():
    """What a 429 asks for is capped, and has a default, whatever it answered."""
    assert asked_delay("7") == 7.0
    assert asked_delay("31") == 30.0
    assert asked_delay(None) == asked_delay("soon") == 5.0
    assert asked_delay("Sat, 01 Aug 2026 12:00:12 GMT", now=NOON) == 12.0


def test_credentials_never_show_their_token():
    credentials = Credentials("hidden-7d1", "shop.example")
    assert "hidden-7d1" not in repr(credentials) + str(credentials)
    assert "shop.example" in repr(credentials)


@pytest.mark.parametrize("text", ["", "two words", "new\nline", "tab\t", "naïve", "nul\0"])
def test_what_fits_no_header_is_refused_without_being_shown(text):
    with pytest.raises(UsageError, match="POLY_CONNECTOR_TOKEN") as caught:
        Credentials(text, "shop.example")
    assert not text or text not in str(caught.value)
    with pytest.raises(UsageError, match="POLY_HOST_IDENTIFIER"):
        Credentials("token", text)
