"""How people are: speeds, pauses and habits, each default with its source or plainly ours."""

import math
from typing import Annotated, Final

from pydantic import Field, model_validator

from loadkit.config.table import Duration, Ratio, Table

_Median = Annotated[float, Field(ge=1)]
_Sigma = Annotated[float, Field(ge=0, le=1.5)]


class Speed(Table):
    """A speed that differs from person to person: log-normal."""

    median: _Median  # words per minute
    sigma: _Sigma  # standard deviation of the speed's natural logarithm; 0 makes all people alike

    @classmethod
    def of(cls, mean: float, sd: float) -> "Speed":
        """The log-normal with this mean and standard deviation.

        sigma² = ln(1 + (sd/mean)²), median = mean · exp(−sigma²/2): Crow and Shimizu,
        "Lognormal Distributions", 1988.
        """
        variance = math.log1p((sd / mean) ** 2)
        return cls(median=mean * math.exp(-variance / 2), sigma=math.sqrt(variance))


DESKTOP: Final = Speed.of(51.56, 20.20)
"""Typing on a desktop keyboard, words of five characters per minute.

168,000 people copied sentences at 51.56 on average, standard deviation 20.20: Dhakal, Feit,
Kristensson, Oulasvirta, "Observations on Typing from 136 Million Keystrokes", CHI 2018. That the
shape is log-normal is ours; its fastest tenth lies above 77.9, that of the paper above 78.
"""

PHONE: Final = Speed.of(36.17, 13.22)
"""Typing on a phone, words of five characters per minute.

37,370 people copied sentences at 36.17 on average, standard deviation 13.22: Palin, Feit, Kim,
Kristensson, Oulasvirta, "How do People Type on Mobile Devices?", MobileHCI 2019. That the shape
is log-normal is ours; three quarters of its people lie below 43.1, of the paper's below 44.0.
"""


class TypingModel(Speed):
    """One typing speed in place of both devices'.

    The defaults fill in the half that was not given. They are ours: between the two devices.
    """

    median: _Median = 40.0
    sigma: _Sigma = 0.35


class ReadingModel(Speed):
    """Words per minute, read silently.

    English non-fiction: 238 on average, most adults between 175 and 300 (190 studies; Brysbaert,
    "How many words do we read per minute?", Journal of Memory and Language 109, 2019). With the
    default sigma of 0.2, ours, four in five people lie in that range.
    """

    median: _Median = 238.0
    sigma: _Sigma = 0.2


class WaitModel(Table):
    """A time that differs from case to case: log-normal."""

    median: Annotated[Duration, Field(gt=0)]  # seconds
    sigma: _Sigma = 0.5  # standard deviation of the time's natural logarithm


class ThinkingModel(WaitModel):
    """How long a person thinks between the last word read and the first key.

    Drawn anew each turn. The defaults are an assumption of ours without a source: 95 % of the
    pauses lie between 0.9 s and 9.7 s.
    """

    median: Annotated[Duration, Field(gt=0)] = 3.0
    sigma: _Sigma = 0.6


class Device(Table):
    """Weights of what people type on; what is not named weighs nothing."""

    desktop: Annotated[float, Field(ge=0)] = 0.0  # a keyboard, see `DESKTOP`
    phone: Annotated[float, Field(ge=0)] = 0.0  # a touchscreen, see `PHONE`

    @model_validator(mode="after")
    def _weighs_something(self) -> "Device":
        if not self.desktop + self.phone:
            raise ValueError("should give desktop or phone a weight above 0")
        return self


class UserModel(Table):
    """How people are."""

    # of all live chats of 2019, 74.5 % came from a mobile device (over 42 million; Comm100, "Live
    # Chat Benchmark Report 2020"), taken here as three in four
    device: Device = Device(desktop=0.25, phone=0.75)
    # drawn once for each person in place of the device's speed; None leaves it to the device
    typing_wpm: TypingModel | None = None
    reading_wpm: ReadingModel = ReadingModel()  # drawn once for each person
    thinking: ThinkingModel = ThinkingModel()  # drawn for each turn
    typing_pause: Ratio = 0.1  # share of messages with a long pause in mid-typing. Ours
    # share of turns in which the person first types something, gives it up, and types the message
    # later. Ours: of the messages that chatting students composed 20 % were never sent, mostly
    # because the partner had spoken meanwhile (Beißwenger, Dortmund, reported by New Scientist,
    # 2007-12-07), which an agent that waits its turn does not.
    drafts: Ratio = 0.05
    # share of turns in which the line comes as two messages in quick succession. That people do so
    # is documented (Baron, "Discourse Structures in Instant Messaging: The Case of Utterance
    # Breaks", Language@Internet 7, 2010); no share for customers is known to us, and the default is
    # none.
    double_message: Ratio = 0.0
    # where suggestions are offered, the share of turns in which one is tapped. 34.8 % of what bots
    # on Facebook received came from buttons and quick replies (70 million messages; Dashbot, "Too
    # many buttons spoil the bot", VentureBeat); that it also holds of the turns that offer one is
    # ours.
    suggestion: Ratio = 0.35
    # how long a person waits for an answer before leaving; drawn once for each person. None, the
    # default: all wait as long as `conversation.patience` says.
    impatience: WaitModel | None = None

    def typing(self, uniform: float) -> Speed:
        """The typing speeds of the people of one device, which `uniform` chooses by its weight."""
        if self.typing_wpm is not None:
            return self.typing_wpm
        device = self.device
        return DESKTOP if uniform * (device.desktop + device.phone) < device.desktop else PHONE
