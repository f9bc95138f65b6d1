"""People as an identity provider describes them, and the role that the settings give them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.domain.access import ROLES
from engine.domain.texts import shorten

GROUP, CLAIM = "group:", "claim:"  # begin a rule that is no e-mail address
MAX_TEXTS, MAX_LETTERS = 500, 200  # of a claim: values that are read, and letters of each
_EMAIL = re.compile(r"[^@\s]{1,120}@[^@\s]{1,120}")
_CLAIM = re.compile(rf"{CLAIM}[^=\s]+=.+")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An OpenID Connect provider, and who of its people has which role. The secret is in no text that is made of it."""

    issuer: str  # without a slash at its end
    client_id: str
    client_secret: str = field(default="", repr=False)  # "" for a public client
    label: str = ""  # on the button
    scopes: str = "openid profile email"
    groups_claim: str = "groups"  # a path with dots for a claim inside another
    admins: tuple[str, ...] = ()  # rules: an e-mail address, group:NAME, or claim:NAME=VALUE
    operators: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    default_role: str = ""  # of everybody else; "" refuses them
    trust_email: bool = False  # also an address of which the provider does not say that it is verified

    @property
    def host(self) -> str:
        """The provider's host, to name it by."""
        return self.issuer.partition("://")[2].partition("/")[0]

    @property
    def rules(self) -> Mapping[str, tuple[str, ...]]:
        """The rules by role, the greatest first."""
        return dict(zip(reversed(ROLES), (self.admins, self.operators, self.viewers), strict=True))


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as a provider's token describes them, as far as the rules ask."""

    issuer: str
    subject: str
    name: str  # of the account
    email: str = ""  # in lower case; "" where there is none that counts
    groups: tuple[str, ...] = ()
    claims: tuple[tuple[str, tuple[str, ...]], ...] = ()  # by name, of those that a rule asks for

    @property
    def key(self) -> str:
        """What stays the same at every log-in, whatever else changes."""
        return f"{self.issuer} {self.subject}"


def check_rule(name: str, rule: object) -> str:
    """Return a rule; raises ValueError in one line for what is none."""
    text = rule.strip() if isinstance(rule, str) else ""
    is_group = text.startswith(GROUP) and bool(text.removeprefix(GROUP).strip())
    if is_group or _CLAIM.fullmatch(text) is not None:
        return text
    if _EMAIL.fullmatch(text) is not None and not text.startswith((GROUP, CLAIM)):
        return text.lower()
    raise ValueError(f"{name} has {shorten(rule)}: give an e-mail address, {GROUP}NAME or {CLAIM}NAME=VALUE")


def choose_role(settings: ProviderSettings, identity: Identity) -> str | None:
    """The greatest role that a rule gives, else the default; None where somebody may not log in."""
    known = {identity.email} if identity.email else set()
    known |= {f"{GROUP}{group}" for group in identity.groups}
    known |= {f"{CLAIM}{name}={value}" for name, values in identity.claims for value in values}
    return next((role for role, rules in settings.rules.items() if known & set(rules)), settings.default_role or None)


def build_identity(settings: ProviderSettings, claims: Mapping[str, object]) -> Identity:
    """Read the claims of a checked token; raises ValueError in one line where it does not say who it is about."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise ValueError("the token of the provider does not say who it is about")
    email = _read_email(settings, claims)
    named = sorted({rule.removeprefix(CLAIM).partition("=")[0] for rules in settings.rules.values() for rule in rules if rule.startswith(CLAIM)})
    return Identity(
        settings.issuer, subject, email or _name_without_email(settings, claims, subject), email, read_texts(claims, settings.groups_claim),
        tuple((name, read_texts(claims, name)) for name in named),
    )  # fmt: skip


def find_missing_claims(settings: ProviderSettings, claims: Mapping[str, object]) -> tuple[str, ...]:
    """The claims that a rule asks for and a token does not have: the provider may give them elsewhere."""
    rules = [rule for rules in settings.rules.values() for rule in rules]
    wanted = {rule.removeprefix(CLAIM).partition("=")[0] for rule in rules if rule.startswith(CLAIM)}
    wanted |= {settings.groups_claim} if any(rule.startswith(GROUP) for rule in rules) else set()
    return tuple(sorted(name for name in {*wanted, "email"} if not read_texts(claims, name)))


def read_texts(claims: Mapping[str, object], path: str) -> tuple[str, ...]:
    """The texts of a claim, which is one or a list; numbers and truths as JSON writes them. A path with dots leads into claims inside claims."""
    value: object = claims.get(path)
    if value is None and "." in path:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    values: Sequence[object] = value[:MAX_TEXTS] if isinstance(value, list) else [value]
    return tuple(text for text in map(_to_text, values) if 0 < len(text) <= MAX_LETTERS and text.isprintable())


def _to_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ""


def _read_email(settings: ProviderSettings, claims: Mapping[str, object]) -> str:
    """The address in lower case, where it is proved to be the person's own."""
    email, verified = claims.get("email"), claims.get("email_verified")
    is_verified = verified is True or verified == "true"
    if not isinstance(email, str) or not (is_verified or (settings.trust_email and verified is None)):
        return ""
    return email.lower() if _EMAIL.fullmatch(email) is not None and email.isprintable() else ""


def _name_without_email(settings: ProviderSettings, claims: Mapping[str, object], subject: str) -> str:
    """A name that no local account and no user of a terminal has by chance."""
    chosen = claims.get("preferred_username")
    name = chosen if isinstance(chosen, str) and chosen else subject
    return f"{name.partition('@')[0]}@{settings.host.partition(':')[0]}"
