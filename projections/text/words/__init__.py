"""What the text answers say in each language: `<language>.toml`, and what is put together of it."""

from projections.text.words.language import Words
from projections.text.words.tables import padded, table

__all__ = ["Words", "padded", "table"]
