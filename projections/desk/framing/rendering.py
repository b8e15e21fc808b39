"""From a page's model to what a browser is sent: templates, the forms in which figures are shown, the language."""

import re
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from domain.calendar import month_text, shanghai_text
from domain.languages import LANGUAGES
from domain.policy import HASH_SHOWN, Policy
from domain.rules.comparison import decimal_text
from domain.version import PROGRAM_VERSION
from projections.desk.exporting.files import exported
from projections.desk.exporting.tables import LONG
from projections.desk.framing.language import COOKIE, DeskWords, language_of, words_of
from projections.desk.framing.links import Address, picked, subject_path
from projections.desk.schemes.facet import formulas
from projections.desk.schemes.registry import pages_of
from projections.http.authentication import SESSION_COOKIE
from projections.http.settings import prefix_of
from projections.text.answers import changed_figures
from projections.text.appeal import differs
from projections.text.schemes.rules import band_text, rule_outcome
from projections.text.words import figures
from projections.text.words.codes import code_name
from projections.text.words.figures import amount_text, count_text, money_text
from replay.rendering.clauses import clause_json, clauses, points_text
from replay.rendering.folding import folded
from replay.schemes.registry import scheme_of

_INSTANT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9:.]+)\+08:00")
_VARIABLE: Final = re.compile(r"--([a-z-]+): ([^;]+);")
NOT_KEPT: Final = {"Cache-Control": "no-store"}
OK: Final = 200
_MONTH_SECONDS: Final = 30 * 86_400


def rendered(request: Request, template: str, *, status: int = OK, **values: Any) -> Response:
    """A page, in the reader's language; a language that is chosen is stored in a cookie. Where the path names one of
    its tables, that.
    """
    if "table" in request.path_params and status == OK:
        return exported(request, template, values)
    words = words_of(language_of(request))
    here, prefix = address_of(request), prefix_of(request.scope)
    scope: dict[str, Any] = {
        "t": words,
        "here": here,
        "at": partial(_at, prefix),
        "subject_path": lambda subject, page="": _at(prefix, subject_path(subject, page)),
        "languages": [(told.tag, here.to(lang=code), code) for code, told in LANGUAGES.items()],
        "origin": _origin(request),
        "is_signed_in": SESSION_COOKIE in request.cookies,
        "program": PROGRAM_VERSION,
        **values,
    }
    response = HTMLResponse(templates().get_template(template).render(scope), status, NOT_KEPT)
    if request.query_params.get("lang") == words.language:
        response.set_cookie(
            COOKIE,
            words.language,
            max_age=_MONTH_SECONDS,
            path=prefix or "/",
            httponly=True,
            samesite="lax",
            secure=request.app.state.settings.is_https,
        )
    return response


def _at(prefix: str, path: str) -> str:
    """Where a path of this service stands, as browsers see it."""
    return prefix + path


def _origin(request: Request) -> str:
    """The service as browsers name it, for addresses that are printed on paper."""
    scheme = "https" if request.app.state.settings.is_https else request.url.scheme
    return f"{scheme}://{request.url.netloc}"


def address_of(request: Request) -> Address:
    """Where a page was asked for; never with two slashes before it, which in a link would name another site."""
    return Address("/" + request.url.path.lstrip("/\\"), dict(request.query_params))


@cache
def templates() -> Environment:
    found = Environment(
        loader=PackageLoader("projections.desk"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "when": when_text,
        "said": said_text,
        "brief": brief_text,
        "tidy": tidy_text,
        "points": points_text,
        "yuan": money_text,
        "count": count_text,
        "month": month_text,
        "short_hash": lambda digest: digest[:HASH_SHOWN],
        "instant": shanghai_text,
        "folded": folded,
        "plain": lambda code: code.replace("_", " ").replace(".", " "),
        "state_name": lambda state, words: words.shared.state(state),
    }
    found.globals |= {"cause_text": cause_text, "asset": asset, "clause_short": short_of, "verdict_name": verdict_name}
    found.globals |= {"has_points": has_points, "score_text": score_text}
    found.globals |= {"picked": picked, "pages_of": pages_of, "formulas": formulas}
    found.globals |= {"differs": differs, "LONG_TABLES": LONG}
    found.globals |= {"mean": decimal_text, "changed_figures": changed_figures, "amount_text": amount_text}
    found.globals |= {"band_text": band_text, "rule_outcome": rule_outcome}
    return found


def when_text(instant: int) -> str:
    """An instant in Shanghai, to be read: "2022-11-30 23:59:59"; decimals only where there are any."""
    return said_text(shanghai_text(instant))


def said_text(text: str) -> str:
    """The same of an instant in an answer; a day stays as it is."""
    return text.removesuffix("+08:00").replace("T", " ")


def brief_text(instant: int) -> str:
    """An instant to the second, where the whole instant stands beside it."""
    return when_text(instant).partition(".")[0]


def tidy_text(text: str) -> str:
    """Words with the instants in them as the pages write instants."""
    return _INSTANT.sub(r"\1 \2", text)


def has_points(scheme: str) -> bool:
    """Whether a scheme's verdicts move a running count of points."""
    return scheme_of(scheme).replay.has_points


def score_text(value: int, scheme: str) -> str:
    """A score in the unit of its scheme: running points with their decimal, else a whole number."""
    return figures.score_text(value, has_points=has_points(scheme))


def short_of(policy: Policy, name: str, words: DeskWords) -> str:
    """A verdict, note or rule in a few words, as its clause says them."""
    return str(clause_json(policy, name, words.language)["short"])


def verdict_name(policy: Policy, name: str, language: str) -> str:
    """What a verdict is called where it is counted, as in its rows; its clause in a few words, where it has no name."""
    called = code_name(language, "verdict", name)
    return called if called != name else str(clause_json(policy, name, language)["short"])


def cause_text(policy: Policy, cause: str, words: DeskWords) -> str:
    """What a change of level came with: a verdict or rule by its clause, else what the calendar or an event brought."""
    return short_of(policy, cause, words) if cause in clauses(policy.scheme) else words(f"cause_{cause}")


def style_sheet() -> str:
    """The pages' own sheet, for documents that stand alone: in ASCII, whatever these are sent through."""
    return in_ascii(asset_bytes("desk.css").decode())


def in_ascii(text: str) -> str:
    """Of a style sheet, with its own escapes."""
    return "".join(letter if letter.isascii() else f"\\{ord(letter):x} " for letter in text)


@cache
def drawing_style() -> str:
    """What of the sheet a drawing needs that stands alone, with its colours written out: those for a light paper."""
    sheet = asset_bytes("desk.css").decode()
    colours = dict(_VARIABLE.findall(sheet.partition("}")[0]))
    lines = [line for line in sheet.splitlines() if line.startswith(".chart .")]
    rules = " ".join([*lines, ".chart { font-family: var(--sans); }", ".chart .paper { fill: var(--card); }"])
    return re.sub(r"var\(--([a-z-]+)\)", lambda name: colours[name[1]], rules)


@cache
def asset(name: str) -> str:
    """The address of a file of the desk, which changes with its bytes."""
    return f"/static/{name}?{sha256(asset_bytes(name)).hexdigest()[:HASH_SHOWN]}"


@cache
def asset_bytes(name: str) -> bytes:
    return (files("projections.desk") / "static" / name).read_bytes()
