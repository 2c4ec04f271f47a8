"""What the agent says: a shop's customer service, believable enough to read in a transcript."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any, Final, NamedTuple

from loadkit.simulator.dials import AgentDials

END_WORDS: Final = "end the convo"
"""In a user's message, in any case: the agent answers and then ends the session."""

HUMAN_WORDS: Final = "agent please"
"""In a user's message, in any case: the agent hands over to a person."""

FAREWELL: Final = "Happy to have helped. I'll close this chat now. Have a lovely day!"

_GREETINGS: Final = (
    "Hi, thanks for getting in touch! I'm the virtual assistant. How can I help you today?",
    "Hello and welcome! You can ask me about orders, deliveries, returns or our shops.",
    "Hi there! I can help with orders, refunds and opening hours. What do you need?",
)

_TOPICS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (
        ("order", "track", "parcel", "package", "deliver", "ship"),
        (
            "I've found your order. It left our warehouse yesterday and should be with you within"
            " two working days. You'll get a text message on the morning it arrives.",
            "Your parcel is with the courier and on its way. The latest scan was at the local"
            " depot this morning, so it should reach you before 6 pm tomorrow.",
        ),
    ),
    (
        ("refund", "money", "charge", "invoice", "bill", "pay"),
        (
            "I can see the payment on your account. Refunds go back to the card you paid with and"
            " take three to five working days from the moment the return is scanned.",
            "I've looked into that charge. It belongs to the order you placed last week; I have"
            " sent a copy of the invoice to the e-mail address on your account.",
        ),
    ),
    (
        ("return", "exchange", "size", "broken", "damaged", "wrong"),
        (
            "I'm sorry to hear that. You can send it back free of charge within 30 days. I've"
            " e-mailed you a label; just hand the parcel in at any drop-off point.",
            "No problem, we can exchange it. Tell me the size you need and I'll reserve one, then"
            " you can swap it in a shop or by post.",
        ),
    ),
    (
        ("open", "hours", "shop", "store", "address", "where"),
        (
            "The shop is open from 9 am to 8 pm on weekdays, and from 10 am to 6 pm at the"
            " weekend. There is parking behind the building.",
        ),
    ),
    (
        ("password", "login", "log in", "account", "email"),
        (
            "I've sent a link to the e-mail address on your account. It is valid for an hour and"
            " lets you choose a new password.",
        ),
    ),
    (
        ("thank", "great", "perfect", "cheers"),
        ("You're very welcome! Is there anything else I can do for you?",),
    ),
)

_OTHERWISE: Final = (
    "Thanks for explaining. Let me check that for you. From what I can see, everything is in order"
    " on our side. Could you tell me a little more about what happened?",
    "I understand. I've made a note of it on your account, and a colleague will follow up by"
    " e-mail within one working day. Is there anything else I can help with?",
    "Good question! In most cases that is possible. I just need your order number, which you'll"
    " find at the top of the confirmation e-mail.",
)

HUMAN: Final = (
    "Thanks for waiting. I've had a look at your account and I can sort this out for you now.",
    "I see what happened there. Bear with me while I put that right on our side.",
    "That's done. You'll have an e-mail from me in a few minutes. Anything else?",
)
"""What a live agent says."""

FOLLOW_UPS: Final = (
    "One more thing: you can track every parcel in the app as well.",
    "By the way, returns are free of charge this month.",
    "And I've put the reference number of this chat on your account.",
)
"""One more thing, that nobody asked for."""

NUDGES: Final = ("Are you still there?", "Take your time. Just write when you need anything else.")
"""To a user who keeps silent."""

RETURNS: Final = (
    "Hi, it's me again, the virtual assistant. Is there anything else I can do for you?",
    "My colleague has handed you back to me. What else can I help with?",
)
"""To a user whom a live agent has handed back."""

_SUGGESTIONS: Final = (
    ("Track my order", "Talk about a return", "That's all, thanks"),
    ("Yes, please", "No, thanks"),
    ("Opening hours", "Refund status"),
)

_OFFERS: Final = ("Track my order", "Start a return", "Opening hours")
"""Of a greeting."""

_IMAGE: Final = {
    "title": "Our shops",
    "preview_image_url": "https://simulated.localhost/shops-small.png",
    "content_url": "https://simulated.localhost/shops.png",
    "content_type": "ATTACHMENT_CONTENT_TYPE_IMAGE",
    "call_to_action_text": "",
}

_ATTACHMENT: Final = {
    "title": "Delivery and returns",
    "preview_image_url": "https://simulated.localhost/help/returns.png",
    "content_url": "https://simulated.localhost/help/returns",
    "content_type": "ATTACHMENT_CONTENT_TYPE_URL",
    "call_to_action_text": "Read more",
}


class Reply(NamedTuple):
    """One utterance of the agent."""

    text: str  # the whole of it; empty where there is a number to call and nothing else
    attachments: Sequence[dict[str, Any]] = ()  # as they stand in the payload
    suggestions: Sequence[dict[str, Any]] = ()  # as `response_suggestions` stands there
    ends: bool = False  # the agent closes the conversation after it


def greeting(rng: Random, *, rich: bool = False) -> Reply:
    """What is said first, before the user has said anything; `rich` shows something besides."""
    text = rng.choice(_GREETINGS)
    return Reply(text, [_IMAGE], _suggested(_OFFERS)) if rich else Reply(text)


def reply(heard: str, dials: AgentDials, rng: Random) -> Reply:
    """The answer to what a user said."""
    lowered = heard.lower()
    rate = dials.end_conversation_rate
    if END_WORDS in lowered or (rate > 0 and rng.random() < rate):
        return Reply(FAREWELL, ends=True)
    rate = dials.call_action_rate
    if rate > 0 and rng.random() < rate:
        return Reply("")
    texts = next(
        (texts for words, texts in _TOPICS if any(w in lowered for w in words)), _OTHERWISE
    )
    suggested = rng.choice(_SUGGESTIONS) if rng.random() < dials.suggestion_rate else ()
    attachments = [_ATTACHMENT] if rng.random() < dials.attachment_rate else []
    return Reply(rng.choice(texts), attachments, _suggested(suggested))


def _suggested(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"message_text": text} for text in texts]


def split(text: str, pieces: int) -> list[str]:
    """Cut a text between words into at least one and at most `pieces` non-empty parts.

    Joined as they are they make the text again: a space stays with the word before it, as language
    models send it.
    """
    words = text.split(" ")
    words = [f"{word} " for word in words[:-1]] + words[-1:]
    count = max(1, min(pieces, len(words)))
    cuts = [len(words) * index // count for index in range(count + 1)]
    parts = ["".join(words[start:end]) for start, end in pairwise(cuts)]
    return [part for part in parts if part] or [text]
