"""What every table of a configuration file is made of: the base that refuses unknown keys, and shared types."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True, hide_input_in_errors=True
    )


def repeated(names: Iterable[str]) -> list[str]:
    """Name what stands in there more than once, sorted."""
    return sorted(name for name, times in Counter(names).items() if times > 1)
