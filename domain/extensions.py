"""CloudEvents as the SDKs of others write them: extension attributes and media types (RULEBOOK §0, Event catalogue)."""

from typing import Annotated, Final

from msgspec import Meta

from domain.limits import EXTENSION_CHARS_MAX, EXTENSION_NAME_CHARS_MAX, MEDIA_TYPE_CHARS_MAX

DOCUMENTED_EXTENSIONS: Final = (
    "dataref",
    "deprecated",
    "deprecationfrom",
    "deprecationmigration",
    "deprecationsunset",
    "expirytime",
    "partitionkey",
    "sampledrate",
    "sequence",
    "sequencetype",
    "severitynumber",
    "severitytext",
    "traceparent",
    "tracestate",
)
"""The extension attributes that CloudEvents documents: recorded beside the event, no part of its content."""
ASKED_ABOUT: Final = {
    **dict.fromkeys(
        ("authclaims", "authid", "authtype"), "says who caused the event, and what is recorded is kept for ever"
    ),
    **dict.fromkeys(
        ("datacategory", "dataclassification", "dataregulation"),
        "says how the data must be protected, of which the ledger knows nothing",
    ),
}
"""Documented, too, and not recorded unless somebody says so: why."""
EXTENSION_NAME_PATTERN: Final = rf"[a-z0-9]{{1,{EXTENSION_NAME_CHARS_MAX}}}"
"""How CloudEvents names an attribute."""

Extension = Annotated[
    str,
    Meta(
        max_length=EXTENSION_CHARS_MAX,
        description=f"text of up to {EXTENSION_CHARS_MAX} characters (an integer, true or false are taken as text)",
        examples=["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ),
]

_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"
_JSON: Final = "[Jj][Ss][Oo][Nn]"
_PARAMETER: Final = rf' *; *{_TOKEN}=(?:{_TOKEN}|"[ !#-\[\]-~]{{0,64}}")'
MediaType = Annotated[
    str,
    Meta(
        pattern=rf"^[A-Za-z]{{1,32}}/(?:{_JSON}|[A-Za-z0-9!#$&^_.+-]{{1,64}}\+{_JSON})(?:{_PARAMETER}){{0,8}} *\Z",
        max_length=MEDIA_TYPE_CHARS_MAX,
        description='a JSON media type such as "application/json", with parameters or without',
        examples=["application/json; charset=utf-8"],
    ),
]
