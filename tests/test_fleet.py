"""Which client a session has, and how the profile bends it."""

from collections import Counter
from typing import Any

import pytest

from loadkit.chat.personas import PERSONAS
from loadkit.figures import Client
from loadkit.fleet import Fleet, Member
from loadkit.measure.recorder import Recorder
from loadkit.net.http.target import Target
from loadkit.net.websocket.link import Traffic
from loadkit.profile.profile import Profile
from loadkit.security.credentials import Credentials


def fleet(**tables: Any) -> Fleet:
    profile = Profile.model_validate(
        {
            "name": "fleet",
            "load": {"stages": [{"duration": 1.0, "users": 1}], "seed": 3},
            "mix": {"CompleteChat": 1.0},
            **tables,
        }
    )
    target = Target.resolve("http://127.0.0.1:9")
    return Fleet(profile, target, Credentials("token", "host"), Recorder(), Traffic())


def only(client: str, **tables: Any) -> Member:
    return fleet(clients={client: 1}, **tables).member("CompleteChat", 0)


def test_without_a_table_all_are_the_reference() -> None:
    member = fleet().member("CompleteChat", 7)
    assert (member.setting.client, member.device) == (Client.REFERENCE, None)
    assert member.chaos.codes == {"1001": 1.0, "4002": 1.0}


def test_each_has_its_share_and_a_session_has_the_same_client_each_time() -> None:
    one, other = (fleet(clients={"android": 3, "ios": 1, "web": 0}) for _ in range(2))
    drawn, again = (
        [each.member("CompleteChat", number).setting.client for number in range(2000)]
        for each in (one, other)
    )
    assert drawn == again
    shares = Counter(drawn)
    assert set(shares) == {Client.ANDROID, Client.IOS}
    assert shares[Client.ANDROID] / 2000 == pytest.approx(0.75, abs=0.03)


def test_devices_have_their_shares() -> None:
    web = fleet(clients={"web": 1})
    drawn = Counter(web.member("CompleteChat", number).device for number in range(2000))
    assert {name: count / 2000 for name, count in drawn.items()} == pytest.approx(
        {"mobile": 0.5, "desktop": 0.4, "tablet": 0.1}, abs=0.04
    )


@pytest.mark.parametrize("client", Client)
def test_a_client_behaves_as_its_row_says_but_for_the_person_s_patience(client: Client) -> None:
    member, own = only(client, conversation={"patience": 5.0}), PERSONAS[client]
    policy = member.setting.policy
    assert policy.patience == 5.0
    assert (policy.resend, policy.reconnect) == (own.policy.resend, own.policy.reconnect)
    assert (policy.rejoins, policy.recycled) == (own.policy.rejoins, own.policy.recycled)
    assert policy.recycle == (7200.0 if own.recycles else 0.0)
    assert (member.setting.platform, member.chaos.codes) == (own.platform, own.lost)


@pytest.mark.parametrize("client", Client)
def test_the_profile_has_the_last_word(client: Client) -> None:
    member = only(
        client,
        conversation={"platform": "custom", "resend": "never"},
        chaos={"reconnect": "sdk", "codes": {"1011": 1.0}},
    )
    policy = member.setting.policy
    assert (member.setting.platform, policy.resend, policy.reconnect) == ("custom", "never", "sdk")
    assert member.chaos.codes == {"1011": 1.0}
