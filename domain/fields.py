"""What fields of events may hold: a type each, with what it must be and an example, from which schemas are made."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from domain.limits import (
    AMOUNT_FEN_MAX,
    CATEGORY_CHARS_MAX,
    CREDIT_POINTS_MAX,
    ID_CHARS_MAX,
    KEY_CHARS_MAX,
    LIVE_MINUTES_MAX,
    POINTS_MAX,
    STARS_MAX,
    TEXT_CHARS_MAX,
)

ID_PATTERN: Final = rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{ID_CHARS_MAX - 1}}}"
SUBJECT_KINDS: Final = ("merchant", "creator", "mcn", "policy", "board", "ledger")

Id = Annotated[
    str,
    Meta(
        pattern=rf"^{ID_PATTERN}\Z",
        description=f"1 to {ID_CHARS_MAX} ASCII letters, digits, '.', '_' or '-', beginning with a letter or digit",
        examples=["o-88121"],
    ),
]
Key = Annotated[
    str,
    Meta(
        pattern=rf"^[!-~]{{1,{KEY_CHARS_MAX}}}\Z",
        description=f"1 to {KEY_CHARS_MAX} printable ASCII characters without spaces",
        examples=["urn:example:orders"],
    ),
]
Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=TEXT_CHARS_MAX,
        description=f"1 to {TEXT_CHARS_MAX} characters of text",
        examples=["case-7731"],
    ),
]
Subject = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{'|'.join(SUBJECT_KINDS)})/{ID_PATTERN}\Z",
        description="'merchant/', 'creator/' or 'mcn/' followed by an id of 1 to 64 ASCII letters, "
        "digits, '.', '_' or '-', beginning with a letter or digit",
        examples=["merchant/m-17"],
    ),
]
AmountFen = Annotated[
    int,
    Meta(ge=0, le=AMOUNT_FEN_MAX, description=f"whole fen, an integer from 0 to {AMOUNT_FEN_MAX}", examples=[12_900]),
]
CreditPoints = Annotated[
    int,
    Meta(
        ge=1,
        le=CREDIT_POINTS_MAX,
        description=f"whole points, an integer from 1 to {CREDIT_POINTS_MAX}",
        examples=[3],
    ),
]
Points = Annotated[
    int,
    Meta(ge=1, le=POINTS_MAX, description=f"whole points, an integer from 1 to {POINTS_MAX}", examples=[50]),
]
Minutes = Annotated[
    int,
    Meta(
        ge=1,
        le=LIVE_MINUTES_MAX,
        description=f"whole minutes, an integer from 1 to {LIVE_MINUTES_MAX}",
        examples=[60],
    ),
]
Stars = Annotated[int, Meta(ge=1, le=STARS_MAX, description=f"stars, an integer from 1 to {STARS_MAX}", examples=[5])]
Aliases = Annotated[int, Meta(ge=1, description="how many aliases were erased, an integer from 1 on", examples=[2])]
Flag = Annotated[bool, Meta(description="true or false", examples=[True])]
Instant = Annotated[
    str,
    Meta(
        description="an instant with its offset, as RFC 3339 has it, with up to nine decimals",
        examples=["2022-11-01T10:02:11+08:00"],
    ),
]
TypeName = Annotated[str, Meta(description="the name of a type of the catalogue", examples=["order.paid"])]
CATEGORY_PATTERN: Final = rf"^[a-z0-9-]{{1,{CATEGORY_CHARS_MAX}}}\Z"
Category = Annotated[
    str,
    Meta(
        pattern=CATEGORY_PATTERN,
        description=f"1 to {CATEGORY_CHARS_MAX} lower-case letters, digits or '-'",
        examples=["fresh"],
    ),
]
ScoreText = Annotated[
    str,
    Meta(
        pattern=r"^(?:[0-4](?:\.[0-9]{1,2})?|5(?:\.0{1,2})?)\Z",
        description="text: a digit 0 to 5, optionally '.' and one or two digits, at most \"5.00\"",
        examples=["4.85"],
    ),
]
Period = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?\Z",
        description='a month such as "2022-11" or a day such as "2022-11-05"',
        examples=["2022-11"],
    ),
]
LevelCode = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9-]{0,31}\Z",
        description="a level code (1 to 32 letters, digits or '-') or null",
        examples=["bronze-1"],
    ),
]
Tier = Literal["LV0", "LV1", "LV2", "LV3", "LV4", "LV5", "LV6", "LV7"]
OrderKind = Literal["normal", "lucky_bag", "sample", "gift", "prize", "auction_deposit"]
Scheme = Literal["merchant-reputation", "merchant-tier", "creator-level", "mcn-level", "creator-firefly"]
