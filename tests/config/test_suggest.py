"""Mends for misspelt names."""

from loadkit.config.suggest import did_you_mean


def test_a_near_miss_is_mended_whatever_its_case():
    assert did_you_mean("completechta", ["CompleteChat", "Other"]) == (
        "; did you mean 'CompleteChat'?"
    )


def test_a_short_list_is_shown_where_nothing_is_near():
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"


def test_a_long_list_is_not_shown():
    assert did_you_mean("zzz", [f"name{n}" for n in range(50)]) == ""


def test_nothing_is_said_where_nothing_is_known():
    assert did_you_mean("zzz", []) == ""


def test_the_list_is_left_out_where_the_complaint_has_it():
    assert did_you_mean("zzz", ["b", "a"], listed=False) == ""
