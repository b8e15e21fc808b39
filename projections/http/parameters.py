"""What may be asked: the parameters of every route, checked; whatever is unknown or malformed is refused by name."""

import re
from collections.abc import Callable
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate
from starlette.requests import Request

from domain.calendar import parse_day
from domain.languages import LANGUAGES
from projections.http.problems import Problem
from replay.schemes.registry import SCHEMES, kinds

KINDS: Final = kinds()
SCHEME_NAMES: Final = tuple(SCHEMES)
LIMIT_MAX: Final = 1_000
SUBJECTS_MAX: Final = 1_000
INSTANT_CHARS_MAX: Final = 40
_DIGITS_MAX: Final = 18
_ID: Final = r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"


class WholeParameter(fields.Integer):
    """A whole number in plain digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX):
            raise ValidationError("is not a whole number in digits")
        return int(value)


class InstantParameter(fields.String):
    """An instant or a day. In a URL the plus of an offset stands for a blank: one that came so is a plus again."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        found = super()._deserialize(value, attr, data, **kwargs)
        return _BLANK_OFFSET.sub(r"\1+\2", found)


_BLANK_OFFSET: Final = re.compile(r"\A([0-9-]{10}[Tt][0-9:.]+) ([0-9]{2}:[0-9]{2})\Z")
NO_CONTROLS: Final = r"\A[^\x00-\x1f\x7f-\x9f]*\Z"
"""What no text from outside may hold: no database and no terminal takes it for a letter."""
CONTROL_FOUND: Final = "holds a control character, such as NUL or a line end; leave it out"


def instant(description: str) -> InstantParameter:
    return InstantParameter(validate=_plain_checks(INSTANT_CHARS_MAX), metadata={"description": description})


def _plain_checks(longest: int) -> list[Any]:
    return [validate.Length(1, longest), validate.Regexp(NO_CONTROLS, error=CONTROL_FOUND)]


def text(description: str, *, form: str | None = None, longest: int = 200, **options: Any) -> fields.String:
    checks = _plain_checks(longest)
    if form is not None:
        checks = [validate.Regexp(form, error="has another form")]
    return fields.String(validate=checks, metadata={"description": description}, **options)


def choice(names: Any, description: str, **options: Any) -> fields.String:
    check = validate.OneOf(list(names), error="is not one of {choices}")
    return fields.String(validate=check, metadata={"description": description}, **options)


def whole(description: str, least: int, most: int, **options: Any) -> WholeParameter:
    check = validate.Range(least, most, error="must be from {min} to {max}")
    return WholeParameter(validate=check, metadata={"description": description}, **options)


def limit(most: int, usual: int, what: str) -> WholeParameter:
    return whole(f"How many {what} a page has at most.", 1, most, load_default=usual)


PERIOD: Final = r"\A[12][0-9]{3}-(0[1-9]|1[0-2])(-[0-3][0-9])?\Z"
"""A month, or a day."""
BOARD: Final = r"\A[a-z_-]{1,40}\Z"
WHEN: Final = "a date (its last moment in Shanghai) or an instant such as 2022-11-30T12:00:00+08:00"


class Query(Schema):
    """The parameters of a route: these and no others."""

    class Meta:
        unknown = RAISE
        ordered = True


class SchemeQuery(Query):
    scheme = choice(SCHEME_NAMES, "Which scheme; left out, the first that judges the subject.")


class ViewQuery(Query):
    min_position = whole(
        "Answer from no earlier than this position of the ledger: waits up to 5 s for the views, then says 503.",
        1,
        10**_DIGITS_MAX,
    )


class FormQuery(Query):
    format = choice(
        ("json", "csv", "parquet"),
        "Form of the answer; left out, what the header Accept prefers, and JSON where it says nothing.",
    )


class MomentQuery(Query):
    as_of = instant(f"As things stood then: {WHEN}.")
    known_at = instant(f"As it was known then: {WHEN}.")
    position = whole("In place of known_at: known up to this position of the ledger.", 1, 10**_DIGITS_MAX)
    policy = text("Under this policy alone: ID, or ID@HASH.")


class LanguageQuery(Query):
    lang = choice(LANGUAGES, "Language of names and clauses.", load_default="en")


class CursorQuery(Query):
    cursor = text("Where to go on: `next` of the page before, with the other parameters unchanged.", longest=600)


def month(description: str) -> fields.String:
    return text(description, form=r"\A[12][0-9]{3}-(0[1-9]|1[0-2])\Z")


def day(description: str) -> fields.String:
    return fields.String(validate=_is_day, metadata={"description": description})


def _is_day(text: str) -> None:
    try:
        parse_day(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class SubjectPath(Schema):
    """Where a subject stands in a path."""

    kind = choice(KINDS, "Kind of the subject.", required=True)
    id = text("Its id.", form=_ID, required=True)


class SchemePath(SubjectPath):
    scheme = choice(SCHEME_NAMES, "The scheme that judges.", required=True)


class RecordPath(Schema):
    """Where a record stands in a path."""

    recorded = text("Its position in the ledger.", form=r"\A[1-9][0-9]{0,17}\Z", required=True)


class RulesPath(Schema):
    scheme = choice(SCHEME_NAMES, "The scheme whose rules are asked for.", required=True)


class BoardPath(Schema):
    board = text("Code of the board, such as comprehensive.", form=BOARD, required=True)
    month = text("The month, such as 2023-05.", form=r"\A[12][0-9]{3}-(0[1-9]|1[0-2])\Z", required=True)


def read_query(schema: Schema, request: Request) -> dict[str, Any]:
    """The parameters of a request, with what is usual for those left out. Raises Problem naming the first wrong one."""
    items = request.query_params.multi_items()
    given: dict[str, str] = {}
    for name, value in items:
        if name in given:
            raise wrong(name, "is given twice; give it once")
        given[name] = value
    return _loaded(schema, given, f"known here are {', '.join(schema.fields) or 'none'}")


class PathReader:
    """Reads the parts of a path that stand for something: what is right at a look, and else with a reason."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._looks = [(name, _look(field)) for name, field in schema.fields.items()]

    def read(self, request: Request) -> dict[str, Any]:
        """Raises Problem where a part cannot be what it stands for."""
        given = request.scope.get("path_params", {})
        for name, looks_right in self._looks:
            if not looks_right(given[name]):
                raise self._no_such_thing(given)
        return dict(given)

    def _no_such_thing(self, given: dict[str, Any]) -> Problem:
        name, message = _first(ValidationError(self._schema.validate(given)))
        detail = f"{name} {str(given.get(name))[:80]!r} {message}"
        return Problem(404, "no-such-thing", "There is no such thing", detail, field=name)


def _look(field: fields.Field[Any]) -> Callable[[str], Any]:
    """The one test that a part of a path has to pass."""
    (check,) = field.validators
    if isinstance(check, validate.OneOf):
        return frozenset(check.choices).__contains__
    assert isinstance(check, validate.Regexp)
    pattern: Any = check.regex
    found: Callable[[str], Any] = pattern.match
    return found


def read_body(schema: Schema, body: Any) -> dict[str, Any]:
    """The members of a JSON object that was sent."""
    if not isinstance(body, dict):
        raise wrong("body", "is not a JSON object")
    return _loaded(schema, body, f"known here are {', '.join(schema.fields)}")


def wrong(field: str, message: str) -> Problem:
    """A parameter that cannot be used."""
    return Problem(400, "wrong-parameter", "A parameter cannot be used", f"{field} {message}", field=field)


def _loaded(schema: Schema, given: Any, known: str) -> dict[str, Any]:
    try:
        return dict(schema.load(given))
    except ValidationError as error:
        name, message = _first(error)
        if name not in schema.fields:
            message = f"is not known; {known}"
        raise wrong(name, message) from None


def _first(error: ValidationError) -> tuple[str, str]:
    """The first field that is wrong, and why."""
    found: Any = error.messages
    (name, why), *_ = found.items()
    while isinstance(why, dict | list):
        why = next(iter(why.values())) if isinstance(why, dict) else why[0]
    return str(name)[:80], str(why)
