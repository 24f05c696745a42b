"""The shape of every question of the programming interface: what a request that does something says."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL holds no such text
Who = Annotated[str, Field(min_length=1, max_length=80, pattern=_NO_NUL, description="name or desk of the operator")]
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=_NO_NUL)]


class Question(BaseModel):
    """What a request says; unknown keys are refused, so that a typo is not taken for nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True, defer_build=True)


class Acknowledgement(Question):
    """Somebody takes it over."""

    who: Who
    note: Text | None = None


class Dismissal(Question):
    """Somebody says that it is nothing."""

    who: Who
    reason: Annotated[
        str, Field(min_length=1, max_length=300, pattern=_NO_NUL, description="why it is nothing, e.g. deer")
    ]


class Note(Question):
    """Something to remember."""

    who: Who
    text: Text


class Login(Question):
    """The token of ``web.token_file``, in exchange for a cookie."""

    token: Annotated[str, Field(min_length=1, max_length=1000)]
