"""Every bound of the ledger in one place, with the relations between them asserted."""

from typing import Final

LINE_BYTES_MAX: Final = 65_536
"""The longest line the intake reads; the largest well-formed event is two thirds of it."""
POLICY_BYTES_MAX: Final = 1 << 18
"""The longest policy file that is read; the longest that comes with the program has a fiftieth of it."""
NESTING_MAX: Final = 8
ID_CHARS_MAX: Final = 64
"""Subjects, orders, buyers, violations, contents, creators."""
KEY_CHARS_MAX: Final = 128
"""`source` and `id` of an event."""
TEXT_CHARS_MAX: Final = 128
"""`reason`, `case`, `actor`, `correlationid`, `causationid`."""
CATEGORY_CHARS_MAX: Final = 32
EXTENSION_CHARS_MAX: Final = 256
"""An extension attribute's text."""
EXTENSION_NAME_CHARS_MAX: Final = 64
EXTENSIONS_MAX: Final = 32
"""Extension attributes of one event."""
MEDIA_TYPE_CHARS_MAX: Final = 256
INTEGER_DIGITS_MAX: Final = 18

AMOUNT_FEN_MAX: Final = 10**10
CREDIT_POINTS_MAX: Final = 1_000
LIVE_MINUTES_MAX: Final = 1_440
POINTS_MAX: Final = 1_000_000
"""Of one task or redemption."""
SCORE_MAX: Final = 500
"""The best score of a creator, in hundredths: of a day, or of the reputation."""
STARS_MAX: Final = 5

SECOND_MICROS: Final = 1_000_000
MINUTE_MICROS: Final = 60 * SECOND_MICROS
HOUR_MICROS: Final = 60 * MINUTE_MICROS
DAY_MICROS: Final = 24 * HOUR_MICROS
AHEAD_MICROS_MAX: Final = 5 * MINUTE_MICROS
"""An event may be dated this far after the ledger learned of it (clocks differ)."""
CLOCK_BEHIND_MICROS_MAX: Final = 5 * SECOND_MICROS
"""A clock further behind the last record stops an append."""

ALIAS_HEX_CHARS: Final = 32
"""A buyer's alias: 128 random bits."""
BATCH_LINES_MAX: Final = 20_000
"""Events in one append transaction."""
WHAT_IF_EVENTS_MAX: Final = 200_000
"""Hypothetical events that are laid over a replay at most."""
WHAT_IF_EVENTS_SENT_MAX: Final = 1_000
"""Such events that are sent to the service at a time."""
WHAT_IF_DAYS_MAX: Final = 3_653
"""So many days ahead of now time is moved on at most: ten years."""

assert KEY_CHARS_MAX * 2 + TEXT_CHARS_MAX * 8 * 4 < LINE_BYTES_MAX
assert EXTENSIONS_MAX * (EXTENSION_NAME_CHARS_MAX + EXTENSION_CHARS_MAX * 4) < LINE_BYTES_MAX
assert AMOUNT_FEN_MAX < 10**INTEGER_DIGITS_MAX < 2**63
assert AMOUNT_FEN_MAX * 10**8 < 2**63, "sums of a hundred million amounts fit 64 bits"
assert ALIAS_HEX_CHARS <= ID_CHARS_MAX
